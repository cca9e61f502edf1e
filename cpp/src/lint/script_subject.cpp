#include "lint/script_subject.h"

#include <deque>

#include <ATen/core/class_type.h>
#include <ATen/core/function.h>
#include <ATen/core/jit_type.h>
#include <torch/csrc/jit/api/function_impl.h>

#include "engines/graph_guard.h"

namespace torchship {

namespace jit = torch::jit;

namespace {

std::vector<ModuleNode> read_modules(const TorchScriptFile& file) {
  const Pickle pickle(file.read("data.pkl"), file.place("data.pkl"));
  return read_module_tree(pickle, file.place("data.pkl"));
}

std::vector<HeldTensor> read_constants(const TorchScriptFile& file) {
  const Pickle pickle(file.read("constants.pkl"), file.place("constants.pkl"));
  const auto& constants = pickle.root().children;
  std::vector<HeldTensor> held;
  for (std::size_t i = 0; i < constants.size(); ++i) {
    if (auto tensor = tensor_of(pickle, pickle[constants[i]])) {
      held.push_back({"c" + std::to_string(i), std::move(*tensor)});
    }
  }
  return held;
}

std::vector<jit::Node*> calls_in(jit::Block& block, c10::Symbol kind) {
  std::vector<jit::Node*> calls;
  std::deque<jit::Block*> blocks = {&block};
  while (!blocks.empty()) {
    for (jit::Node* node : blocks.front()->nodes()) {
      if (node->kind() == kind) calls.push_back(node);
      for (jit::Block* inner : node->blocks()) blocks.push_back(inner);
    }
    blocks.pop_front();
  }
  return calls;
}

jit::GraphFunction* called_function(const jit::Node& call) {
  const auto type = call.input(0)->type()->cast<c10::FunctionType>();
  return type != nullptr ? jit::tryToGraphFunction(*type->function()) : nullptr;
}

jit::GraphFunction* called_method(const jit::Node& call) {
  const auto type = call.input(0)->type()->cast<c10::ClassType>();
  jit::Function* method = type != nullptr ? type->findMethod(call.s(c10::attr::name)) : nullptr;
  return method != nullptr ? jit::tryToGraphFunction(*method) : nullptr;
}

/// Puts graphs as they are in the place of calls: LibTorch's own pass optimises them first, which
/// computes what it can.
void inline_calls(jit::Graph& graph, bool methods) {
  constexpr int kRounds = 500;  // A function in a function in a function.
  bool changed = true;
  for (int round = 0; changed && round < kRounds; ++round) {
    changed = false;
    for (jit::Node* call : calls_in(*graph.block(), c10::prim::CallFunction)) {
      if (jit::GraphFunction* callee = called_function(*call)) {
        call->removeInput(0);
        jit::inlineCallTo(call, callee, callee->graph().get());
        changed = true;
      }
    }
    if (!methods) continue;
    for (jit::Node* call : calls_in(*graph.block(), c10::prim::CallMethod)) {
      if (jit::GraphFunction* callee = called_method(*call)) {
        jit::inlineCallTo(call, callee, callee->graph().get());
        changed = true;
      }
    }
  }
}

/// Free functions are parts of the methods that call them: constants reach their operators then.
/// Throws where functions call each other too often.
std::shared_ptr<jit::Graph> graph_of(jit::Function& function) {
  require_inlinable(function);
  std::shared_ptr<jit::Graph> graph = jit::toGraphFunction(function).graph()->copy();
  inline_calls(*graph, /*methods=*/false);
  return graph;
}

/// The methods that a call may go to: of an interface, those of every class that has such a name.
std::vector<jit::Function*> callees(const jit::Node& call, const CompiledCode& code) {
  const std::string& name = call.s(c10::attr::name);
  if (const auto type = call.input(0)->type()->cast<c10::ClassType>()) {
    jit::Function* method = type->findMethod(name);
    jit::Function* hook = method != nullptr ? method : type->findHook(name);
    return hook != nullptr ? std::vector{hook} : std::vector<jit::Function*>();
  }
  std::vector<jit::Function*> found;
  for (const CompiledUnit& unit : code.units()) {
    for (jit::Function* function : unit.functions) {
      if (unit.source.is_class && function->name() == name) found.push_back(function);
    }
  }
  return found;
}

}  // namespace

ScriptSubject::ScriptSubject(const TorchScriptFile& archive, const ModelInfo& description)
    : Subject(description, read_modules(archive), read_constants(archive)),
      file(archive),
      code(archive, description.format_version) {
  find_used();
  find_scopes();
}

const ZipEntry* ScriptSubject::record_of(const HeldTensor& tensor, bool is_constant) const {
  return file.find((is_constant ? "constants/" : "data/") + tensor.tensor.storage);
}

/// Classes of the modules, and what their code mentions.
void ScriptSubject::find_used() {
  std::deque<const CompiledUnit*> open;
  const auto use = [&](std::string name) {
    while (code.find(name) == nullptr && name.rfind('.') != std::string::npos) {
      name.resize(name.rfind('.'));
    }
    const CompiledUnit* unit = code.find(name);
    if (unit != nullptr && used_.insert(name).second) open.push_back(unit);
  };
  for (const ModuleNode& module : modules()) use(module.class_name);
  while (!open.empty()) {
    complete_ = complete_ && open.front()->error.empty();
    for (const std::string& name : open.front()->source.mentions) use(name);
    open.pop_front();
  }
}

void ScriptSubject::find_scopes() {
  for (const bool training : {false, true}) {
    for (const MethodInfo& method : info.methods) {
      if (is_for_training(method.name) == training) reach(method.name, training);
    }
  }
  if (scopes_.empty()) {
    // The model's own class cannot be compiled: all that can be is looked at.
    for (const CompiledUnit& unit : code.units()) {
      if (!unit.source.is_class || !uses(unit.source.name)) continue;
      for (jit::Function* function : unit.functions) {
        scopes_.push_back({.class_name = unit.source.name,
                           .function = function->name(),
                           .method = info.default_method,
                           .training = is_for_training(function->name()),
                           .graph = graph_of(*function)});
      }
    }
  }
}

std::vector<jit::Function*> ScriptSubject::own_functions() const {
  const CompiledUnit* model = code.find(info.class_name);
  return model != nullptr ? model->functions : std::vector<jit::Function*>();
}

void ScriptSubject::reach(const std::string& method, bool training) {
  std::deque<jit::Function*> open;
  for (jit::Function* function : own_functions()) {
    const bool hook = method == "forward" && info.find(function->name()) == nullptr;
    if (function->name() == method || hook) open.push_back(function);
  }
  while (!open.empty()) {
    jit::Function* function = open.front();
    open.pop_front();
    if (!reached_.insert(function).second) continue;
    std::shared_ptr<jit::Graph> graph = graph_of(*function);
    for (const jit::Node* call : calls_in(*graph->block(), c10::prim::CallMethod)) {
      for (jit::Function* callee : callees(*call, code)) {
        if (callee->isGraphFunction()) open.push_back(callee);
      }
    }
    scopes_.push_back({.class_name = function->qualname().prefix(),
                       .function = function->name(),
                       .method = method,
                       .training = training,
                       .graph = std::move(graph)});
  }
}

std::shared_ptr<jit::Graph> ScriptSubject::inlined(const std::string& method) const {
  for (jit::Function* function : own_functions()) {
    if (function->name() != method) continue;
    require_inlinable(*function);
    std::shared_ptr<jit::Graph> graph = jit::toGraphFunction(*function).graph()->copy();
    inline_calls(*graph, /*methods=*/true);
    return graph;
  }
  return nullptr;
}

}  // namespace torchship
