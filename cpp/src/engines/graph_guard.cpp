#include "engines/graph_guard.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>

#include <ATen/core/class_type.h>
#include <ATen/core/function_schema.h>
#include <ATen/core/jit_type.h>
#include <c10/core/Layout.h>
#include <c10/core/MemoryFormat.h>
#include <c10/core/ScalarType.h>
#include <torch/csrc/jit/ir/constants.h>

namespace torchship {
namespace {

namespace jit = torch::jit;

/// Sizes of functions once everything they call is inlined.
class InlinedSizes {
 public:
  std::uint64_t of(jit::Function& function, int depth = 0) {
    constexpr int kDeepest = 500;
    if (depth > kDeepest) refuse();
    const auto [known, is_new] = sizes_.try_emplace(&function, 0);
    if (!is_new) return known->second;
    const std::uint64_t size = of(*jit::toGraphFunction(function).graph()->block(), depth);
    return sizes_[&function] = size;
  }

 private:
  [[noreturn]] static void refuse() {
    throw std::runtime_error("its functions call each other too often to be inlined");
  }

  std::uint64_t of(jit::Block& block, int depth) {
    constexpr std::uint64_t kMostNodes = 250'000;
    std::uint64_t size = 0;
    for (jit::Node* node : block.nodes()) {
      size += 1;
      if (jit::Function* callee = callee_of(*node)) size += of(*callee, depth + 1);
      for (jit::Block* inner : node->blocks()) size += of(*inner, depth);
      if (size > kMostNodes) refuse();
    }
    return size;
  }

  static jit::Function* callee_of(const jit::Node& node) {
    jit::Function* callee = nullptr;
    if (node.kind() == c10::prim::CallFunction) {
      if (const auto type = node.input(0)->type()->cast<c10::FunctionType>()) {
        callee = type->function();
      }
    } else if (node.kind() == c10::prim::CallMethod) {
      if (const auto type = node.input(0)->type()->cast<c10::ClassType>()) {
        callee = type->findMethod(node.s(c10::attr::name));
      }
    }
    return callee != nullptr && callee->isGraphFunction() ? callee : nullptr;
  }

  std::unordered_map<const jit::Function*, std::uint64_t> sizes_;
};

/// How many values an enumeration has that TorchScript writes as a number; 0 for other types.
std::int64_t values_of(const c10::Type& type) {
  switch (type.kind()) {
    case c10::TypeKind::OptionalType: return values_of(*type.containedType(0));
    case c10::TypeKind::ScalarTypeType: return static_cast<std::int64_t>(c10::ScalarType::NumOptions);
    case c10::TypeKind::LayoutType: return static_cast<std::int64_t>(c10::Layout::NumOptions);
    case c10::TypeKind::MemoryFormatType:
      return static_cast<std::int64_t>(c10::MemoryFormat::NumOptions);
    default: return 0;
  }
}

void check_node(const jit::Node& node) {
  const c10::FunctionSchema* schema = node.maybeSchema();
  if (schema == nullptr) return;
  const auto& arguments = schema->arguments();
  for (std::size_t i = 0; i < std::min(arguments.size(), node.inputs().size()); ++i) {
    const std::int64_t values = values_of(*arguments[i].real_type());
    if (values == 0) continue;
    const std::optional<c10::IValue> value = jit::toIValue(node.input(i));
    if (value && value->isInt() && (value->toInt() < 0 || value->toInt() >= values)) {
      throw std::runtime_error(schema->name() + " is given the " + arguments[i].name() + " number " +
                               std::to_string(value->toInt()) + ", which does not exist");
    }
  }
}

void check_block(jit::Block& block) {
  for (jit::Node* node : block.nodes()) {
    check_node(*node);
    for (jit::Block* inner : node->blocks()) check_block(*inner);
  }
}

/// LibTorch compiles an operator inside the one operator that uses its result, and so on: each link of
/// such a chain takes some hundred bytes of the stack (CodeImpl::emitNode).
class ChainGuard {
 public:
  void check(jit::Block& block) {
    for (jit::Node* node : block.nodes()) {
      std::size_t depth = 0;
      for (const jit::Value* input : node->inputs()) {
        const auto before = depths_.find(input->node());
        if (input->uses().size() == 1 && before != depths_.end()) {
          depth = std::max(depth, before->second);
        }
      }
      if (depth >= kLongest) {
        throw std::runtime_error("more than " + std::to_string(kLongest) +
                                 " operators follow one another, each used by the next alone");
      }
      if (node->outputs().size() == 1) depths_.emplace(node, depth + 1);
      for (jit::Block* inner : node->blocks()) check(*inner);
    }
  }

 private:
  static constexpr std::size_t kLongest = 4000;

  std::unordered_map<const jit::Node*, std::size_t> depths_;
};

}  // namespace

void require_compilable(jit::Graph& graph) { ChainGuard().check(*graph.block()); }

void require_inlinable(jit::Function& function) { InlinedSizes().of(function); }

void require_known_constants(jit::Graph& graph) { check_block(*graph.block()); }

}  // namespace torchship
