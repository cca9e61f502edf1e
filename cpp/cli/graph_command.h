#pragma once

#include <string>
#include <vector>

#include "load_arguments.h"

namespace torchship::cli {

struct GraphCommandOptions {
  LoadArguments load;
  std::string stage;                ///< Empty: optimized where something runs, else initial.
  std::string method;               ///< Empty for the default one.
  std::vector<std::string> inputs;  ///< NAME=VALUE each; see inputs.h.
  bool profile = false;
  bool compare = false;
  bool json = false;
  bool constants = false;       ///< List constants and attributes as well.
  std::string colour = "auto";  ///< See ink.h.
  std::string dot;              ///< A file to write, as are the next two; empty for none.
  std::string svg;
  std::string html;
};

void run_graph(const GraphCommandOptions& options);

}  // namespace torchship::cli
