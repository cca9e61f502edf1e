#pragma once

#include <string>
#include <vector>

namespace torchship::cli {

struct InfoOptions {
  std::string archive;
  bool json = false;
};

struct RunOptions {
  std::string archive;
  std::vector<std::string> inputs;   ///< NAME=VALUE each; see inputs.h.
  std::vector<std::string> outputs;  ///< [NAME=]FILE each.
  std::string device = "cpu";
  std::string method;  ///< Empty for the default one.
  int threads = 0;     ///< 0 leaves LibTorch's own choice.
  bool validate = true;
  bool verify = true;
  bool retarget = true;
  bool json = false;
};

struct CheckOptions {
  std::string archive;
  std::string device = "cpu";
  int threads = 0;  ///< 0 leaves LibTorch's own choice.
  bool verify = true;
  bool retarget = true;
  bool json = false;
};

void run_info(const InfoOptions& options);
void run_model(const RunOptions& options);
/// Whether the check passed.
bool run_check(const CheckOptions& options);

}  // namespace torchship::cli
