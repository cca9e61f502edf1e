#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "load_arguments.h"

namespace torchship::cli {

// Options that several commands have.

void add_archive(CLI::App& command, std::string& archive);
void add_inputs(CLI::App& command, std::vector<std::string>& inputs);
void add_operator_libraries(CLI::App& command, std::vector<std::string>& libraries);
/// The archive and how it is loaded.
void add_load_arguments(CLI::App& command, LoadArguments& arguments);

}  // namespace torchship::cli
