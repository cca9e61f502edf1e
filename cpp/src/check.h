#pragma once

#include <string>

#include <torchship/check.h>

#include "engines/engine.h"
#include "model_file.h"

namespace torchship {

/// Runs the file's samples and compares the results; Model::check() says more.
///
/// Note [Samples start from the file's state]
/// A sample was recorded from the state that the file holds. An engine that keeps state has moved
/// on with its calls, and the check must not move it either: each sample of such a model gets an
/// engine of its own, loaded from the open file. A copy of the state kept from the start would cost
/// its memory in every process that never checks.
CheckReport check_model(const ModelFile& file, const ModelInfo& info, const LoadOptions& options,
                        const Engine& engine);

/// "output 'logits': absolute error 0.3"; empty of a sample that passed.
std::string failure_of(const SampleCheck& sample);

/// "sample 0: output 'logits': absolute error 0.3", of a report that did not pass.
std::string first_failure(const CheckReport& report);

}  // namespace torchship
