#pragma once

#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

#include <torchship/value.h>

namespace torchship::cli {

/// Where outputs are to be written.
struct OutputFile {
  std::string name;  ///< Of one output; empty for all of them.
  std::filesystem::path file;
};

/// Reads "[NAME=]FILE" arguments. Throws UsageError.
std::vector<OutputFile> parse_outputs(const std::vector<std::string>& arguments);

/// Writes tensors to the files; each file is whole or not there. Throws UsageError for an unknown
/// name or an output that is no tensor, ArchiveError when a file cannot be written.
void write_outputs(const NamedValues& outputs, const std::vector<OutputFile>& files);

/// Prints every output: small tensors whole, the middle of large ones left out.
void print_outputs(std::ostream& out, const NamedValues& outputs);

}  // namespace torchship::cli
