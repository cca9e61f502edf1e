#pragma once

#include <string>

#include <torchship/info.h>
#include <torchship/model.h>

namespace torchship {

/// Why a compiled engine cannot serve a model loaded with these options in this process: made for
/// another device, processor, LibTorch or number of threads; empty where it can. Looks at what the file
/// says alone, so that nothing that would not run here is ever loaded.
std::string misfit(const EngineInfo& engine, const LoadOptions& options);

}  // namespace torchship
