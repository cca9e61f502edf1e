#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <torchship/model.h>

#include "compiled/library.h"
#include "compiled/record.h"
#include "engines/engine.h"

namespace torchship {

/// A compiled engine of the file with its library, loaded.
struct CompiledMethod {
  CompiledRecord record;
  std::shared_ptr<const CompiledLibrary> library;
};

/// Runs calls on compiled code where there is some that takes their inputs, the first of `methods`
/// that does, and all others on the interpreter, which is loaded when it is first needed.
/// The model must keep no state in its compiled methods.
std::unique_ptr<const Engine> make_compiled(
    std::vector<CompiledMethod> methods,
    std::function<std::unique_ptr<const Engine>()> load_interpreter, const ModelInfo& info,
    const LoadOptions& options);

}  // namespace torchship
