#include "engines/state.h"

#include <algorithm>
#include <vector>

#include <torch/csrc/jit/ir/alias_analysis.h>

#include "graphs/visit.h"
#include "graphs/writes.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

/// What a function reads from the module: attributes and constants.
jit::ValueSet held_values(const Recorded& recorded) {
  jit::ValueSet held;
  for_each_node(*recorded.graph->block(), [&](jit::Node* node) {
    if (node->kind() == c10::prim::GetAttr || node->kind() == c10::prim::Constant) {
      held.insert(node->output());
    }
  });
  return held;
}

}  // namespace

bool writes_state(const Recorded& recorded) {
  bool writes = false;
  std::vector<jit::Node*> mutations;
  for_each_node(*recorded.graph->block(), [&](jit::Node* node) {
    writes = writes || node->kind() == c10::prim::SetAttr ||
             node->kind() == c10::prim::CallMethod || node->kind() == c10::prim::fork;
    if (may_write(*node)) {
      mutations.push_back(node);
    }
  });
  if (writes || mutations.empty()) {
    return writes;
  }
  const jit::AliasDb aliases(recorded.graph);
  const jit::ValueSet held = held_values(recorded);
  return std::any_of(mutations.begin(), mutations.end(),
                     [&](jit::Node* node) { return aliases.writesToAlias(node, held); });
}

namespace {

void add_storages(const c10::IValue& value, Storages& storages) {
  if (value.isTensor()) {
    if (value.toTensor().defined() && value.toTensor().has_storage()) {
      storages.insert(value.toTensor().storage().unsafeGetStorageImpl());
    }
  } else if (value.isObject()) {
    for (const c10::IValue& slot : value.toObjectRef().slots()) {
      add_storages(slot, storages);
    }
  } else if (value.isList()) {
    for (const c10::IValue& item : value.toListRef()) {
      add_storages(item, storages);
    }
  } else if (value.isTuple()) {
    for (const c10::IValue& item : value.toTupleRef().elements()) {
      add_storages(item, storages);
    }
  } else if (value.isGenericDict()) {
    for (const auto& entry : value.toGenericDict()) {
      add_storages(entry.value(), storages);
    }
  }
}

}  // namespace

Storages storages_of(const jit::Module& module,
                     const std::unordered_map<std::string, ReplicatedProgram>& programs) {
  Storages storages;
  add_storages(module._ivalue(), storages);
  for (const auto& [name, program] : programs) {
    for (const c10::IValue& constant : program.first().code.constant_table()) {
      add_storages(constant, storages);
    }
  }
  return storages;
}

}  // namespace torchship
