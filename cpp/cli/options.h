#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace torchship::cli {

// Options that several commands have.

void add_archive(CLI::App& command, std::string& archive);
void add_device(CLI::App& command, std::string& device);
void add_threads(CLI::App& command, int& threads);
void add_no_verify(CLI::App& command, bool& verify);
void add_inputs(CLI::App& command, std::vector<std::string>& inputs);
void add_operator_libraries(CLI::App& command, std::vector<std::string>& libraries);
void add_no_retarget(CLI::App& command, bool& retarget);

}  // namespace torchship::cli
