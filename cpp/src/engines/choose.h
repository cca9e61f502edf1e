#pragma once

#include <memory>

#include <torchship/engine.h>
#include <torchship/info.h>
#include <torchship/model.h>

#include "engines/engine.h"
#include "model_file.h"

namespace torchship {

struct ChosenEngine {
  EngineChoice choice;
  std::unique_ptr<const Engine> engine;
};

/// Loads the engine that LoadOptions::engine asks for. "auto" takes the compiled engines that fit this
/// process, where they are, and the interpreter for what they do not take; an engine that cannot be
/// loaded, or has yet to prove itself and gives other results than the samples, is passed over.
/// Throws EngineError when what was asked for by name is not there or cannot be used, saying why.
ChosenEngine load_engine(const ModelFile& file, const ModelInfo& info, const LoadOptions& options);

}  // namespace torchship
