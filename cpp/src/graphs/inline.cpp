#include "graphs/inline.h"

#include <ATen/core/class_type.h>
#include <ATen/core/function.h>
#include <ATen/core/jit_type.h>
#include <torch/csrc/jit/api/function_impl.h>

namespace torchship {

namespace jit = torch::jit;

namespace {

/// Whether a value is the first input of the whole graph.
bool is_self(const jit::Value& value) {
  const jit::Graph& graph = *value.owningGraph();
  return !graph.inputs().empty() && graph.inputs()[0] == &value;
}

class Inliner {
 public:
  Inliner(jit::Graph& graph, const std::optional<c10::IValue>& self) : graph_(graph), self_(self) {}

  void visit(jit::Block& block, const std::string& module) {
    visit(block.return_node()->next(), block.return_node(), module);
  }

 private:
  /// The nodes from `first` up to `end`, which are the code of one module.
  void visit(jit::Node* first, jit::Node* end, const std::string& module) {
    for (jit::Node* node = first; node != end;) {
      jit::Node* const next = node->next();
      if (!module.empty()) node->setScope(scope_of(module));
      for (jit::Block* inner : node->blocks()) visit(*inner, module);
      if (jit::Function* callee = target_of(*node)) replace(node, *callee, module);
      node = next;
    }
  }

  jit::Function* target_of(jit::Node& node) const {
    if (jit::Function* callee = callee_of(node)) return callee;
    const bool by_interface = self_ && node.kind() == c10::prim::CallMethod &&
                              node.input(0)->type()->kind() == c10::TypeKind::InterfaceType;
    if (!by_interface) return nullptr;
    const std::optional<c10::IValue> object = resolve(*node.input(0), *self_);
    if (!object || !object->isObject()) return nullptr;
    node.input(0)->setType(object->type());
    return callee_of(node);
  }

  void replace(jit::Node* call, jit::Function& callee, const std::string& caller) {
    std::string module = caller;
    if (call->kind() == c10::prim::CallMethod) {
      module = path_of(*call->input(0));
    } else {
      call->removeInput(0);  // The function itself.
    }
    jit::Node* const before = call->prev();
    jit::Node* const after = call->next();
    // The graph as it was recorded: LibTorch's other one has its own calls inlined already, and the
    // modules that they belong to would be lost.
    jit::GraphFunction& function = jit::toGraphFunction(callee);
    jit::inlineCallTo(call, &function, function.graph().get());
    visit(before->next(), after, module);
  }

  jit::ScopePtr scope_of(const std::string& module) {
    if (module != module_ || !scope_) {
      module_ = module;
      scope_ = c10::make_intrusive<jit::Scope>()->push(c10::Symbol::scope(module));
    }
    return scope_;
  }

  jit::Graph& graph_;
  const std::optional<c10::IValue>& self_;
  std::string module_;   ///< Whose scope `scope_` is.
  jit::ScopePtr scope_;
};

}  // namespace

void inline_calls(jit::Graph& graph, const std::optional<c10::IValue>& self) {
  Inliner(graph, self).visit(*graph.block(), "");
}

std::string module_of(const jit::Node& node) {
  // Asking does not change it; LibTorch forgot to say so.
  const jit::ScopePtr scope = const_cast<jit::Node&>(node).scope();
  return scope && !scope->isBlank() && !scope->isRoot() ? scope->name().toUnqualString() : "";
}

jit::Function* callee_of(const jit::Node& call) {
  jit::Function* callee = nullptr;
  if (call.kind() == c10::prim::CallFunction) {
    if (const auto type = call.input(0)->type()->cast<c10::FunctionType>()) callee = type->function();
  } else if (call.kind() == c10::prim::CallMethod) {
    if (const auto type = call.input(0)->type()->cast<c10::ClassType>()) {
      callee = type->findMethod(call.s(c10::attr::name));
    }
  }
  return callee != nullptr && callee->isGraphFunction() ? callee : nullptr;
}

std::string path_of(const jit::Value& value) {
  std::string path;
  for (const jit::Value* each = &value; each->node()->kind() == c10::prim::GetAttr;
       each = each->node()->input(0)) {
    path = each->node()->s(c10::attr::name) + (path.empty() ? "" : "." + path);
  }
  return path;
}

std::optional<c10::IValue> resolve(const jit::Value& value, const c10::IValue& self) {
  if (is_self(value)) return self;
  if (value.node()->kind() != c10::prim::GetAttr) return std::nullopt;
  const std::optional<c10::IValue> object = resolve(*value.node()->input(0), self);
  if (!object || !object->isObject()) return std::nullopt;
  const c10::ivalue::Object& owner = object->toObjectRef();
  const std::optional<size_t> slot =
      owner.type()->findAttributeSlot(value.node()->s(c10::attr::name));
  return slot && *slot < owner.slots().size() ? std::optional(owner.getSlot(*slot)) : std::nullopt;
}

}  // namespace torchship
