#pragma once

#include <string>
#include <vector>

#include "load_arguments.h"

namespace torchship::cli {

struct InfoOptions {
  std::string archive;
  bool json = false;
};

struct RunOptions {
  LoadArguments load;
  std::vector<std::string> inputs;   ///< NAME=VALUE each; see inputs.h.
  std::vector<std::string> outputs;  ///< [NAME=]FILE each.
  std::string method;  ///< Empty for the default one.
  bool validate = true;
  bool json = false;
};

struct CheckOptions {
  LoadArguments load;
  bool json = false;
};

void run_info(const InfoOptions& options);
void run_model(const RunOptions& options);
/// Whether the check passed.
bool run_check(const CheckOptions& options);

}  // namespace torchship::cli
