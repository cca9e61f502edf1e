#include "graphs/attributes.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>

#include "graphs/inline.h"
#include "graphs/visit.h"

namespace torchship {
namespace {

namespace jit = torch::jit;
namespace prim = c10::prim;

/// Parameters ask for gradients, and constants must not.
c10::IValue without_gradient(const c10::IValue& value) {
  if (!value.isTensor() || !value.toTensor().defined()) return value;
  return value.toTensor().requires_grad() ? c10::IValue(value.toTensor().detach()) : value;
}

class AttributeFolder {
 public:
  AttributeFolder(jit::Graph& graph, const c10::IValue& self) : graph_(graph), self_(self) {
    for_each_node(*graph.block(), [&](jit::Node* node) {
      const c10::Symbol kind = node->kind();
      if (kind == prim::GetAttr) reads_.push_back(node);
      if (kind == prim::SetAttr) note_write(*node);
      if (kind == prim::CallMethod || kind == prim::CallFunction || kind == prim::fork) {
        unknown_writes_ = true;
      }
      if (node->maybeSchema() != nullptr && node->schema().is_mutable()) mutations_.push_back(node);
    });
  }

  void run() {
    if (unknown_writes_) return;
    std::vector<std::pair<jit::Node*, c10::IValue>> found;
    for (jit::Node* read : reads_) {
      const std::optional<c10::IValue> value = resolve(*read->output(), self_);
      if (value && !value->isObject() && !is_written(*read)) found.emplace_back(read, *value);
    }
    drop_mutated(found);
    const jit::WithInsertPoint at_start(*graph_.block()->nodes().begin());
    for (const auto& [read, value] : found) replace(*read, value);
  }

 private:
  using Place = std::pair<const void*, std::string>;  ///< An object, and the attribute's name.

  std::optional<Place> place_of(const jit::Node& access) const {
    const std::optional<c10::IValue> owner = resolve(*access.input(0), self_);
    if (!owner || !owner->isObject()) return std::nullopt;
    return Place(&owner->toObjectRef(), access.s(c10::attr::name));
  }

  void note_write(const jit::Node& write) {
    const std::optional<Place> place = place_of(write);
    unknown_writes_ = unknown_writes_ || !place;
    if (place) written_.insert(*place);
  }

  bool is_written(const jit::Node& read) const {
    const std::optional<Place> place = place_of(read);
    return !place || written_.contains(*place);
  }

  /// Tensors and lists that an operator changes in place.
  void drop_mutated(std::vector<std::pair<jit::Node*, c10::IValue>>& found) const {
    if (mutations_.empty()) return;
    const jit::AliasDb aliases(graph_.shared_from_this());
    std::erase_if(found, [&](const auto& each) {
      const jit::ValueSet value = {each.first->output()};
      return std::any_of(mutations_.begin(), mutations_.end(), [&](jit::Node* mutation) {
        return aliases.writesToAlias(mutation, value);
      });
    });
  }

  /// What no constant can hold, such as packed weights, stays an attribute.
  void replace(jit::Node& read, const c10::IValue& value) {
    const std::optional<jit::Value*> constant =
        jit::tryInsertConstant(graph_, without_gradient(value), read.sourceRange(), read.scope());
    if (!constant) return;
    const std::string name = path_of(*read.output());
    // LibTorch takes numbers for names of its own.
    if (name.find_first_not_of("0123456789") != std::string::npos) (*constant)->setDebugName(name);
    read.output()->replaceAllUsesWith(*constant);
  }

  jit::Graph& graph_;
  const c10::IValue& self_;
  std::vector<jit::Node*> reads_;
  std::vector<jit::Node*> mutations_;
  std::set<Place> written_;
  bool unknown_writes_ = false;
};

}  // namespace

void make_attributes_constant(jit::Graph& graph, const c10::IValue& self) {
  AttributeFolder(graph, self).run();
}

}  // namespace torchship
