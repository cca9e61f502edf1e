#pragma once

#include <string>
#include <vector>

#include <torchship/model.h>

namespace torchship::cli {

/// What every command that loads a model may be told of it.
struct LoadArguments {
  std::string archive;
  std::string device = "cpu";
  int threads = 0;  ///< That one operator may use; 0 leaves LibTorch's own choice.
  std::string policy = "trusted";
  std::vector<std::string> operator_libraries;
  bool verify = true;
  bool retarget = true;
};

/// Loads the model, after the number of threads was set. `validate` as in LoadOptions.
Model load(const LoadArguments& arguments, bool validate = true);

}  // namespace torchship::cli
