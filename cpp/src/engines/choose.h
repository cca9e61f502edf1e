#pragma once

#include <torchship/engine.h>
#include <torchship/info.h>
#include <torchship/model.h>

namespace torchship {

/// The engine that LoadOptions::engine asks for; "auto" takes the fastest that fits this process.
/// Throws EngineError when there is no such engine, naming those that there are.
EngineChoice choose_engine(const ModelInfo& info, const LoadOptions& options);

}  // namespace torchship
