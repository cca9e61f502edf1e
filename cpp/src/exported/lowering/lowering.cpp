#include "exported/lowering/lowering.h"

#include <algorithm>

#include <torch/csrc/jit/ir/constants.h>
#include <torchship/error.h>

#include "archive/text.h"

namespace torchship {

namespace jit = torch::jit;

namespace {

/// Graphs inside graphs inside graphs.
constexpr int kDeepest = 30;

/// The path of the module whose code a node is: the last entry of "key,path,class;...".
std::string module_path(const std::string& stack) {
  const std::size_t start = stack.rfind(';') == std::string::npos ? 0 : stack.rfind(';') + 1;
  const std::size_t first = stack.find(',', start);
  const std::size_t second = first == std::string::npos ? first : stack.find(',', first + 1);
  if (second == std::string::npos) return {};
  std::string path = stack.substr(first + 1, second - first - 1);
  // torch 2.6 wrote L['self'].encoder in some places.
  constexpr std::string_view kSelf = "L['self']";
  if (path.starts_with(kSelf)) path.erase(0, kSelf.size() + (path.size() > kSelf.size() ? 1 : 0));
  // Where torch knows of no module.
  if (path.starts_with("_empty_nn_module_stack")) return {};
  const bool is_path = std::all_of(path.begin(), path.end(), [](unsigned char letter) {
    return std::isalnum(letter) != 0 || letter == '_' || letter == '.';
  });
  return is_path ? path : std::string();
}

}  // namespace

void Lowering::refuse(const std::string& what, const std::string& hint) const {
  const std::string where = node_ != nullptr ? quote(node_->target) + ": " : std::string();
  throw ArchiveError(place_ + ": " + where + what, hint);
}

void Lowering::lower_nodes(const ExportedGraph& graph, LoweredNames& names) {
  for (const ExportedNode& node : graph.nodes) {
    const ExportedNode* const outer = node_;
    node_ = &node;
    lower_node(node, graph, names);
    node_ = outer;
  }
}

void Lowering::lower_node(const ExportedNode& node, const ExportedGraph& graph,
                          LoweredNames& names) {
  jit::Node* const before = graph_.insertPoint()->prev();
  const bool done = lower_check(node, names) || lower_number(node, graph, names) ||
                    lower_control(node, names) || lower_operator(node, names);
  if (!done) {
    if (node.target.starts_with("torch._functorch.")) {
      refuse("the program keeps a torch.vmap as calls of Python",
             "write it out before the program is saved: program = program.run_decompositions()");
    }
    refuse("torchship does not know what this node does",
           "torchship runs what torch.export writes: operators, numbers made of sizes, cond, "
           "while_loop, map and scan");
  }
  note_source(node, before->next());
}

namespace {

/// Graphs inside have noted their own.
void note(jit::Node& node, const jit::SourceRange& range, const jit::ScopePtr& scope) {
  const jit::SourceRange own = node.sourceRange();
  if (own.source() == nullptr || own.source()->size() == 0) node.setSourceRange(range);
  if (scope && (!node.scope() || node.scope()->isRoot())) node.setScope(scope);
  for (jit::Block* block : node.blocks()) {
    for (jit::Node* inner : block->nodes()) note(*inner, range, scope);
  }
}

}  // namespace

void Lowering::note_source(const ExportedNode& node, jit::Node* first) {
  const jit::SourceRange range = range_of(node.stack_trace);
  const jit::ScopePtr scope = scope_of(module_path(node.module_stack));
  for (jit::Node* each = first; each != graph_.insertPoint(); each = each->next()) {
    note(*each, range, scope);
  }
}

jit::SourceRange Lowering::range_of(const std::string& stack_trace) {
  const auto known = ranges_.find(stack_trace);
  if (known != ranges_.end()) return known->second;
  // LibTorch puts its reason right behind the text.
  const auto source = std::make_shared<jit::Source>(stack_trace.empty() ? "" : stack_trace + "\n");
  const jit::SourceRange range(source, 0, source->size());
  return ranges_.emplace(stack_trace, range).first->second;
}

jit::ScopePtr Lowering::scope_of(const std::string& module) {
  if (module.empty()) return {};
  jit::ScopePtr& scope = scopes_[module];
  if (!scope) scope = c10::make_intrusive<jit::Scope>()->push(c10::Symbol::scope(module));
  return scope;
}

std::vector<jit::Value*> Lowering::lower_subgraph(const ExportedGraph& graph,
                                                  const std::vector<jit::Value*>& inputs) {
  if (graph.inputs.size() != inputs.size()) {
    refuse("its graph takes " + std::to_string(graph.inputs.size()) + " inputs, but gets " +
           std::to_string(inputs.size()));
  }
  if (++depth_ > kDeepest) refuse("graphs are nested too deeply");
  LoweredNames names;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (const auto* name = graph.inputs[i].get<ExportedName>()) names[name->name] = inputs[i];
  }
  lower_nodes(graph, names);
  std::vector<jit::Value*> outputs;
  for (const ExportedArgument& output : graph.outputs) outputs.push_back(value_of(output, names));
  --depth_;
  return outputs;
}

jit::Value* Lowering::named(const std::string& name, const LoweredNames& names) const {
  const auto found = names.find(name);
  if (found == names.end()) refuse("no node before it gives " + quote(name));
  return found->second;
}

jit::Value* Lowering::constant(const c10::IValue& value) { return graph_.insertConstant(value); }

jit::Value* Lowering::value_of(const ExportedArgument& argument, const LoweredNames& names) {
  if (argument.is_none()) return constant(c10::IValue());
  if (const auto* name = argument.get<ExportedName>()) return named(name->name, names);
  if (const auto* integer = argument.get<std::int64_t>()) return constant(*integer);
  if (const auto* number = argument.get<double>()) return constant(*number);
  if (const auto* boolean = argument.get<bool>()) return constant(*boolean);
  if (const auto* text = argument.get<std::string>()) return constant(*text);
  if (const auto* number = argument.get<std::complex<double>>()) {
    return constant(c10::complex<double>(*number));
  }
  if (const auto* dtype = argument.get<c10::ScalarType>()) {
    return constant(static_cast<std::int64_t>(*dtype));
  }
  if (const auto* layout = argument.get<c10::Layout>()) {
    return constant(static_cast<std::int64_t>(*layout));
  }
  if (const auto* format = argument.get<c10::MemoryFormat>()) {
    return constant(static_cast<std::int64_t>(*format));
  }
  if (const auto* device = argument.get<c10::Device>()) return constant(*device);
  refuse("it has an argument that cannot be here");
}

jit::Value* Lowering::condition(jit::Value* value) {
  if (value->type()->kind() == c10::TypeKind::BoolType) return value;
  const bool is_tensor = value->type()->kind() == c10::TypeKind::TensorType;
  const bool is_number = value->type()->kind() == c10::TypeKind::IntType ||
                         value->type()->kind() == c10::TypeKind::FloatType;
  if (!is_tensor && !is_number) refuse("its condition is neither a bool nor a tensor");
  return graph_.insert(c10::aten::Bool, {value});
}

void Lowering::require(jit::Value* condition, const std::string& message) {
  if (const auto known = jit::toIValue(condition); known && known->isBool() && known->toBool()) {
    return;
  }
  jit::Node* const check = graph_.insertNode(graph_.create(c10::prim::If, {condition}, 0));
  check->addBlock();
  const jit::WithInsertPoint inside(check->addBlock());
  jit::Value* const text = constant(message);
  jit::Value* const none = constant(c10::IValue());
  graph_.insertNode(graph_.create(c10::prim::RaiseException, {text, none}, 0));
}

namespace {

/// The names among results, those of lists one by one; an empty one for a result that is not there.
void collect_names(const std::vector<ExportedArgument>& outputs, std::vector<std::string>& names) {
  for (const ExportedArgument& output : outputs) {
    if (const auto* name = output.get<ExportedName>()) names.push_back(name->name);
    else if (const auto* list = output.get<ExportedArgument::List>()) collect_names(*list, names);
    else names.emplace_back();
  }
}

}  // namespace

void Lowering::name_outputs(const ExportedNode& node, const std::vector<jit::Value*>& values,
                            LoweredNames& names) {
  std::vector<std::string> wanted;
  collect_names(node.outputs, wanted);
  if (wanted.size() != values.size()) {
    refuse("it gives " + std::to_string(values.size()) + " results, but the program names " +
           std::to_string(wanted.size()));
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!wanted[i].empty()) names[wanted[i]] = values[i];
  }
}

std::optional<OperatorTarget> parse_target(const std::string& target) {
  constexpr std::string_view kPrefix = "torch.ops.";
  if (!target.starts_with(kPrefix)) return std::nullopt;
  const std::string_view rest = std::string_view(target).substr(kPrefix.size());
  const std::size_t first = rest.find('.'), second = rest.rfind('.');
  if (first == std::string_view::npos || first == second) return std::nullopt;
  const std::string_view overload = rest.substr(second + 1);
  return OperatorTarget{std::string(rest.substr(0, first)) + "::" +
                            std::string(rest.substr(first + 1, second - first - 1)),
                        overload == "default" ? "" : std::string(overload)};
}

}  // namespace torchship
