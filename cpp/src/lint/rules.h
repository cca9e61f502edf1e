#pragma once

#include <vector>

#include "lint/hit.h"
#include "lint/script_subject.h"

namespace torchship {

// Each rule gives the findings of one code (docs/lint.md), in the order of the file.

std::vector<Hit> find_train_mode(const Subject& subject);
std::vector<Hit> find_random(const Subject& subject);
std::vector<Hit> find_state_changes(const Subject& subject);
std::vector<Hit> find_baked_devices(const Subject& subject);
std::vector<Hit> find_baked_sizes(const Subject& subject);
std::vector<Hit> find_double_precision(const Subject& subject);
std::vector<Hit> find_unused_inputs(const Subject& subject);
std::vector<Hit> find_number_results(const Subject& subject);
std::vector<Hit> find_large_constants(const Subject& subject);
std::vector<Hit> find_unused_parameters(const Subject& subject);
std::vector<Hit> find_duplicate_weights(const Subject& subject);

/// All of these.
std::vector<Hit> find_in_any_format(const Subject& subject);

// About the code of TorchScript files.

std::vector<Hit> find_missing_operators(const ScriptSubject& subject);
std::vector<Hit> find_uncompilable(const ScriptSubject& subject);
std::vector<Hit> find_version_skew(const ScriptSubject& subject);
std::vector<Hit> find_example_inputs(const ScriptSubject& subject);

}  // namespace torchship
