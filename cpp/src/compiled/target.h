#pragma once

#include <string>

#include <torchship/info.h>
#include <torchship/model.h>

namespace torchship {

/// Why a compiled engine cannot serve a model loaded with these options in this process: made for
/// another device, processor or LibTorch; empty where it can. Looks at what the file
/// says alone, so that nothing that would not run here is ever loaded.
std::string misfit(const EngineInfo& engine, const LoadOptions& options);

/// Its time to that of the engine that runs without it, as far as its record tells: what is made for one
/// thread is taken to lose as much as the other gains from more. 1 where nothing was measured.
double expected_ratio(const EngineInfo& engine, const LoadOptions& options);

/// Why a compiled engine is not taken unless it is asked for: the one that runs without it was faster
/// where it was compiled, or should be on so many threads, or was not there to compare; empty where it was
/// slower.
std::string slower(const EngineInfo& engine, const LoadOptions& options);

}  // namespace torchship
