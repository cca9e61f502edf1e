#pragma once

#include <string>

#include <torchship/export.h>
#include <torchship/source.h>

namespace torchship {

/// An exported program (.pt2) as the bytes of a TorchScript file, which any LibTorch loads: one module
/// with the program's weights and the method `forward`, control flow included. Manifest and samples are
/// left behind. Nothing is run.
///
/// Throws ArchiveError where the file is no exported program, and EngineError where TorchScript cannot
/// say what the program does, naming the operators.
TORCHSHIP_EXPORT std::string to_torchscript(const Source& program);

}  // namespace torchship
