#pragma once

#include <torchship/doctor.h>

#include <nlohmann/json.hpp>
#include <string>

namespace torchship::cli {

/// Prints what is here; whether models can run.
bool run_doctor(bool json);

/// For people: a row for each subject with a verdict, then what should be known and done.
std::string describe_diagnosis(const Diagnosis& found, bool colour);

/// The object of `doctor --json`; docs/cli.md is its description.
nlohmann::ordered_json to_json(const Diagnosis& found);

}  // namespace torchship::cli
