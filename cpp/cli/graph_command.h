#pragma once

#include <string>
#include <vector>

namespace torchship::cli {

struct GraphCommandOptions {
  std::string archive;
  std::string stage;                ///< Empty: optimized with inputs or a profile, else initial.
  std::string method;               ///< Empty for the default one.
  std::vector<std::string> inputs;  ///< NAME=VALUE each; see inputs.h.
  std::string device = "cpu";
  int threads = 0;  ///< 0 leaves LibTorch's own choice.
  bool profile = false;
  bool json = false;
  bool constants = false;       ///< List constants and attributes as well.
  std::string colour = "auto";  ///< See ink.h.
  std::string dot;              ///< A file to write, as are the next two; empty for none.
  std::string svg;
  std::string html;
  bool verify = true;
  bool retarget = true;
  std::vector<std::string> operator_libraries;
};

void run_graph(const GraphCommandOptions& options);

}  // namespace torchship::cli
