#include "torchscript/upgraders.h"

#include <algorithm>

#include <torch/csrc/jit/operator_upgraders/upgraders_entry.h>
#include <torch/csrc/jit/operator_upgraders/version_map.h>

namespace torchship {
namespace {

namespace jit = torch::jit;

/// "div" of "aten::div.Tensor".
std::string bare(const std::string& name) {
  const std::size_t start = name.rfind(':') + 1;
  return name.substr(start, name.find('.', start) - start);
}

/// "torch.div(x, y)" or "x / y".
bool names(const std::string& code, const std::string& name) {
  return code.find("." + name + "(") != std::string::npos ||
         (name.starts_with("div") && code.find('/') != std::string::npos);
}

}  // namespace

void prepare_upgraders(const std::string& code, std::uint64_t version) {
  for (const auto& [name, changes] : jit::get_operator_version_map()) {
    const bool is_old = std::any_of(changes.begin(), changes.end(), [&](const auto& change) {
      return version < static_cast<std::uint64_t>(change.bumped_at_version);
    });
    if (is_old && names(code, bare(name))) {
      jit::populate_upgraders_graph_map();  // Once a process.
      return;
    }
  }
}

}  // namespace torchship
