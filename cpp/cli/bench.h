#pragma once

#include <string>
#include <vector>

#include "load_arguments.h"

namespace torchship::cli {

struct BenchOptions {
  LoadArguments load;                ///< Of load.engine: "all" or one.
  std::vector<std::string> inputs;   ///< As in RunOptions; none for the archive's own.
  std::string method;                ///< Empty for the default one.
  int batch = 0;                     ///< Size of the batch; 0 leaves it as the inputs have it.
  int callers = 1;                   ///< Threads that call at once.
  double seconds = 2;                ///< For the steady state of each way.
  bool stock = false;                ///< Beside torch::jit::load and forward.
  bool warm_up = true;
  bool json = false;
};

void run_bench(const BenchOptions& options);

}  // namespace torchship::cli
