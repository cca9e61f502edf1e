#include "outputs.h"

#include <torchship/tensor_file.h>

#include "text.h"
#include "usage_error.h"

namespace torchship::cli {
namespace {

std::string names_of(const NamedValues& outputs) {
  std::string names;
  for (const auto& [name, value] : outputs) {
    names += (names.empty() ? "" : ", ") + name;
  }
  return names;
}

NamedTensors tensors_for(const NamedValues& outputs, const OutputFile& file) {
  NamedTensors tensors;
  for (const auto& [name, value] : outputs) {
    if (!file.name.empty() && name != file.name) {
      continue;
    }
    if (value.is_tensor()) {
      tensors.emplace_back(name, value.tensor());
    } else if (!file.name.empty()) {
      throw UsageError("output '" + name + "' is no tensor: it is " + describe(value),
                       "leave its -o out to have it printed");
    }
  }
  if (tensors.empty()) {
    throw UsageError(file.name.empty() ? "the model gave no tensors to write"
                                       : "there is no output '" + file.name + "'",
                     "the outputs are " + names_of(outputs));
  }
  return tensors;
}

}  // namespace

std::vector<OutputFile> parse_outputs(const std::vector<std::string>& arguments) {
  std::vector<OutputFile> files;
  for (const std::string& argument : arguments) {
    const std::size_t equals = argument.find('=');
    OutputFile file;
    file.name = equals == std::string::npos ? "" : argument.substr(0, equals);
    file.file = equals == std::string::npos ? argument : argument.substr(equals + 1);
    if (file.file.empty()) {
      throw UsageError("output '" + argument + "' names no file", "write -o NAME=FILE or -o FILE");
    }
    files.push_back(std::move(file));
  }
  return files;
}

void write_outputs(const NamedValues& outputs, const std::vector<OutputFile>& files) {
  // All names are looked up before anything is written.
  std::vector<NamedTensors> contents;
  for (const OutputFile& file : files) {
    contents.push_back(tensors_for(outputs, file));
  }
  for (std::size_t i = 0; i < files.size(); ++i) {
    write_tensors(files[i].file, contents[i]);
  }
}

void print_outputs(std::ostream& out, const NamedValues& outputs) {
  for (const auto& [name, value] : outputs) {
    if (value.is_tensor()) {
      out << name << ": " << describe(value) << '\n' << format_tensor(value.tensor()) << '\n';
    } else {
      out << name << ": " << format_scalar(value) << '\n';
    }
  }
}

}  // namespace torchship::cli
