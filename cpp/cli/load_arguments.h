#pragma once

#include <string>
#include <vector>

#include <torchship/model.h>
#include <torchship/source.h>

namespace torchship::cli {

/// What every command that loads a model may be told of it.
struct LoadArguments {
  std::string archive;
  std::string device = "cpu";
  std::string engine = "auto";
  std::string weights = "float32";
  int threads = 0;          ///< That one operator may use; 0 leaves LibTorch's own choice.
  std::vector<int> cores;   ///< That calls may use; empty for any.
  std::string policy = "trusted";
  std::vector<std::string> operator_libraries;
  bool verify = true;
  bool verify_digests = false;
  bool map = true;
  bool retarget = true;
  bool optimize = true;
  bool own_streams = false;
  bool cuda_graphs = false;
};

/// What they say, as the library takes it. `validate` as in LoadOptions. Throws DeviceError.
LoadOptions load_options(const LoadArguments& arguments, bool validate = true);
/// The file of that name, or what standard input gives, once, where the name is "-".
Source archive_source(const std::string& archive);
/// How people know it: "stdin" for "-".
std::string archive_name(const std::string& archive);
/// Loads the model.
Model load(const LoadArguments& arguments, bool validate = true);

}  // namespace torchship::cli
