#include <optional>
#include <string>

#include "lint/nodes.h"
#include "lint/rules.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

bool is_positive(const jit::Value* value) { return known_number(value).value_or(0) > 0; }

/// What an operator does as in training, by its constant arguments; empty when nothing.
std::string training_behaviour(const jit::Node& node) {
  const std::string name = name_of(node);
  const bool trains = known_bool(argument(node, "training")).value_or(false) ||
                      known_bool(argument(node, "train")).value_or(false);
  if (is_positive(argument(node, "dropout_p"))) return "attention drops values at random";
  if (!trains) return {};
  if (name.find("batch_norm") != std::string::npos) {
    return "batch norm uses the statistics of each batch";
  }
  if (is_positive(argument(node, "dropout"))) return "a recurrent layer drops values at random";
  if (name.find("dropout") != std::string::npos && is_positive(argument(node, "p"))) {
    return "dropout is on: values are dropped at random";
  }
  return {};
}

/// A scripted module keeps its mode in the file; stock PyTorch does not change it when it loads.
std::optional<Hit> saved_in_training_mode(const Subject& subject) {
  bool reads_mode = false;
  for (const Scope& scope : subject.scopes()) {
    for (const jit::Node* node : scope.graph->nodes()) {
      reads_mode = reads_mode || (node->kind() == c10::prim::GetAttr &&
                                  node->s(c10::attr::name) == "training");
    }
  }
  if (!reads_mode) return std::nullopt;
  for (const ModuleNode& module : subject.modules()) {
    if (!module.training.value_or(false)) continue;
    return hit(make_finding("train-mode", "note",
                            "the module was saved in training mode: torchship runs it in eval mode "
                            "all the same, torch.jit.load does not",
                            "call module.eval() before it is saved", module.path));
  }
  return std::nullopt;
}

}  // namespace

std::vector<Hit> find_train_mode(const Subject& subject) {
  std::vector<Hit> hits;
  for (const Scope& scope : subject.scopes()) {
    visit_live(*scope.graph->block(), [&](const jit::Node& node) {
      const std::string what = training_behaviour(node);
      if (what.empty()) return;
      hits.push_back(hit(subject, scope, node,
                         make_finding("train-mode", scope.training ? "note" : "error",
                                      what + (scope.training ? "" : ", whatever mode it is in"),
                                      "put the model in eval mode before it is traced, and pass "
                                      "training=self.training")));
    });
  }
  if (std::optional<Hit> saved = saved_in_training_mode(subject)) hits.push_back(std::move(*saved));
  return hits;
}

}  // namespace torchship
