#include <array>
#include <string_view>

#include <torch/csrc/jit/ir/constants.h>

#include "exported/lowering/lowering.h"

namespace torchship {

namespace jit = torch::jit;

namespace {

struct Arithmetic {
  std::string_view target;
  const char* operation;  ///< LibTorch's operator for numbers.
};

/// What Python computes with numbers, and the operator of TorchScript that does the same.
constexpr std::array kArithmetic = std::to_array<Arithmetic>({
    {"_operator.add", "aten::add"},         {"_operator.sub", "aten::sub"},
    {"_operator.mul", "aten::mul"},         {"_operator.truediv", "aten::div"},
    {"_operator.floordiv", "aten::floordiv"}, {"_operator.mod", "aten::remainder"},
    {"_operator.neg", "aten::neg"},         {"_operator.eq", "aten::eq"},
    {"_operator.ne", "aten::ne"},           {"_operator.lt", "aten::lt"},
    {"_operator.le", "aten::le"},           {"_operator.gt", "aten::gt"},
    {"_operator.ge", "aten::ge"},           {"_operator.and_", "aten::__and__"},
    {"_operator.or_", "aten::__or__"},      {"_operator.lshift", "aten::__lshift__"},
    {"_operator.rshift", "aten::__rshift__"}, {"math.ceil", "aten::ceil"},
    {"math.floor", "aten::floor"},          {"math.trunc", "aten::Int"},
    {"math.sqrt", "aten::sqrt"},            {"math.cos", "aten::cos"},
    {"math.cosh", "aten::cosh"},            {"math.sin", "aten::sin"},
    {"math.sinh", "aten::sinh"},            {"math.tan", "aten::tan"},
    {"math.tanh", "aten::tanh"},            {"math.asin", "aten::asin"},
    {"math.acos", "aten::acos"},            {"math.atan", "aten::atan"},
    {"math.exp", "aten::exp"},              {"math.log2", "aten::log2"},
    {"torch.sym_float", "aten::Float"},     {"torch.sym_int", "aten::Int"},
    {"torch.sym_not", "aten::__not__"},     {"torch.sym_max", "prim::max"},
    {"torch.sym_min", "prim::min"},         {"torch.sym_sqrt", "aten::sqrt"},
    {"torch._sym_sqrt", "aten::sqrt"},      {"torch._sym_cos", "aten::cos"},
    {"torch._sym_cosh", "aten::cosh"},      {"torch._sym_sin", "aten::sin"},
    {"torch._sym_sinh", "aten::sinh"},      {"torch._sym_tan", "aten::tan"},
    {"torch._sym_tanh", "aten::tanh"},      {"torch._sym_asin", "aten::asin"},
    {"torch._sym_acos", "aten::acos"},      {"torch._sym_atan", "aten::atan"},
    {"torch._sym_exp", "aten::exp"},        {"torch._sym_log2", "aten::log2"},
});

/// Operators that ask a tensor, which TorchScript knows by other names.
constexpr std::array kQuestions = std::to_array<Arithmetic>({
    {"torch.ops.aten.sym_size.int", "aten::size"},
    {"torch.ops.aten.sym_size.default", "aten::size"},
    {"torch.ops.aten.sym_stride.int", "aten::stride"},
    {"torch.ops.aten.sym_stride.default", "aten::stride"},
    {"torch.ops.aten.sym_numel.default", "aten::numel"},
    {"torch.ops.aten.sym_storage_offset.default", "aten::storage_offset"},
});

template <std::size_t Count>
const char* find(const std::array<Arithmetic, Count>& table, std::string_view target) {
  for (const Arithmetic& each : table) {
    if (each.target == target) return each.operation;
  }
  return nullptr;
}

bool is_kind(const jit::Value* value, c10::TypeKind kind) { return value->type()->kind() == kind; }

/// How a tensor becomes the number that the program says it is.
c10::Symbol conversion(const std::string& name, const ExportedGraph& graph) {
  if (graph.booleans.contains(name)) return c10::aten::Bool;
  if (graph.floats.contains(name)) return c10::aten::Float;
  return c10::aten::Int;
}

}  // namespace

bool Lowering::lower_number(const ExportedNode& node, const ExportedGraph& graph,
                            LoweredNames& names) {
  const std::string& target = node.target;
  const bool is_item = target == "torch.ops.aten.item.default" ||
                       target == "torch.ops.aten._local_scalar_dense.default";
  const char* operation = find(kArithmetic, target);
  if (operation == nullptr) operation = find(kQuestions, target);
  const bool is_other = target == "_operator.pow" || target == "_operator.pos" ||
                        target == "torch.sym_ite" || target == "torch.sym_sum" || is_item;
  if (operation == nullptr && !is_other) return false;

  std::vector<jit::Value*> arguments;
  for (const ExportedInput& input : node.inputs) {
    if (const auto* list = input.argument.get<ExportedArgument::List>()) {
      for (const ExportedArgument& each : *list) arguments.push_back(value_of(each, names));
    } else {
      arguments.push_back(value_of(input.argument, names));
    }
  }
  const std::size_t wanted = target == "torch.sym_ite" ? 3 : 1;
  if (arguments.size() < wanted) refuse("it has too few arguments");
  const auto* result = node.outputs.size() == 1 ? node.outputs[0].get<ExportedName>() : nullptr;
  if (result == nullptr) refuse("it must give one number");
  names[result->name] = number(target, operation, arguments, conversion(result->name, graph));
  return true;
}

jit::Value* Lowering::number(const std::string& target, const char* operation,
                             const std::vector<jit::Value*>& arguments, c10::Symbol conversion) {
  const auto insert = [&](const char* name) {
    std::vector<jit::NamedValue> values;
    for (jit::Value* each : arguments) values.emplace_back(each);
    return graph_.insert(c10::Symbol::fromQualString(name), values);
  };
  // An item is of the type that the program says.
  if (operation == nullptr && target.starts_with("torch.ops.aten.")) {
    return graph_.insert(conversion, {arguments[0]});
  }
  if (target == "_operator.pos") return arguments[0];
  if (target == "torch.sym_sum") {
    jit::Value* sum = arguments[0];
    for (std::size_t i = 1; i < arguments.size(); ++i) {
      sum = graph_.insert(c10::aten::add, {sum, arguments[i]});
    }
    return sum;
  }
  if (target == "torch.sym_ite") {
    jit::Node* const choice =
        graph_.insertNode(graph_.create(c10::prim::If, {condition(arguments[0])}, 0));
    choice->addBlock()->registerOutput(arguments[1]);
    choice->addBlock()->registerOutput(arguments[2]);
    return choice->addOutput()->setType(arguments[1]->type());
  }
  if (target == "_operator.pow") {
    const bool whole = is_kind(arguments[0], c10::TypeKind::IntType) &&
                       is_kind(arguments[1], c10::TypeKind::IntType);
    // TorchScript's power of integers is a fraction.
    jit::Value* const power = insert("aten::pow");
    return whole ? graph_.insert(c10::aten::Int, {power}) : power;
  }
  return insert(operation);
}

}  // namespace torchship
