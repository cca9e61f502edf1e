#include <algorithm>
#include <array>

#include <ATen/core/class_type.h>
#include <ATen/core/function_schema.h>
#include <ATen/core/jit_type.h>
#include <torch/csrc/jit/api/function_impl.h>

#include "archive/text.h"
#include "audit/audit.h"
#include "audit/operator_names.h"
#include "lint/nodes.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

using namespace std::string_view_literals;

/// What the compiler makes of the language itself; code cannot call these by name.
constexpr std::array kLanguage = std::to_array<std::string_view>(
    {"prim::CallFunction", "prim::CallMethod", "prim::Closure", "prim::Constant",
     "prim::CreateObject", "prim::DictConstruct", "prim::DictIndex", "prim::Enter", "prim::Exit",
     "prim::Function", "prim::GetAttr", "prim::HasAttr", "prim::If", "prim::ImplicitTensorToNum",
     "prim::ListConstruct", "prim::ListUnpack", "prim::Loop", "prim::Param", "prim::Return",
     "prim::SetAttr", "prim::TupleConstruct", "prim::TupleIndex", "prim::TupleSlice",
     "prim::TupleUnpack", "prim::Uninitialized", "prim::annotate", "prim::fork",
     "prim::isinstance", "prim::range", "prim::unchecked_cast"});
static_assert(std::is_sorted(kLanguage.begin(), kLanguage.end()));

/// Objects and tuples are read by position, and nothing checks there what they are.
bool is_read_by_position(const c10::Type& type) {
  if (type.kind() == c10::TypeKind::ClassType || type.kind() == c10::TypeKind::TupleType) return true;
  const auto parts = type.containedTypes();
  return std::any_of(parts.begin(), parts.end(),
                     [](const c10::TypePtr& part) { return is_read_by_position(*part); });
}

/// Numbers say what they are, and every use of one asks.
bool is_number(const c10::Type& type) {
  switch (type.kind()) {
    case c10::TypeKind::IntType:
    case c10::TypeKind::FloatType:
    case c10::TypeKind::ComplexType:
    case c10::TypeKind::BoolType:
    case c10::TypeKind::NumberType: return true;
    case c10::TypeKind::UnionType: {
      const auto parts = type.containedTypes();
      return std::all_of(parts.begin(), parts.end(),
                         [](const c10::TypePtr& part) { return is_number(*part); });
    }
    default: return false;
  }
}

/// Whether a cast can only narrow: `T?` to `T`, `Any` and unions to what is checked where it is used.
bool is_honest_cast(const jit::Node& cast) {
  const c10::TypePtr from = cast.input(0)->type();
  const c10::TypePtr to = cast.output(0)->type();
  if (is_number(*to)) return true;
  if (!to->isSubtypeOf(*from)) return false;
  if (const auto optional = from->cast<c10::OptionalType>()) {
    if (*optional->getElementType() == *to) return true;
  }
  return !is_read_by_position(*to);
}

class OperatorAudit {
 public:
  OperatorAudit(std::string place, AuditReport& report) : place_(std::move(place)), report_(report) {}

  void block(jit::Block& block) {
    for (jit::Node* node : block.nodes()) {
      check(*node);
      for (jit::Block* inner : node->blocks()) this->block(*inner);
      if (node->kind() == c10::prim::fork) this->block(*node->g(c10::attr::Subgraph)->block());
    }
  }

 private:
  void check(const jit::Node& node) {
    const std::string name = name_of(node);
    if (name == "prim::unchecked_cast" && !is_honest_cast(node)) {
      error(node, "audit-cast",
            "it takes a value of type " + node.input(0)->type()->repr_str() + " for one of type " +
                node.output(0)->type()->repr_str() +
                " without a check, so that memory is read as what it is not",
            "do not use it; PyTorch writes such casts only where a check comes before");
    }
    if (std::binary_search(kLanguage.begin(), kLanguage.end(), name)) return;
    if (node.kind() == c10::prim::Print) {
      report_.warning_at(node.sourceRange(), "audit-print", place_,
                         "it prints: what a caller passes in shows in the output of the process",
                         "take the print out, or see to it that nobody reads the output");
      return;
    }
    const c10::FunctionSchema* schema = node.maybeSchema();
    if (may_be_called(name, schema != nullptr ? schema->overload_name() : std::string())) return;
    error(node, "audit-operator", operator_message(name), operator_hint(name));
  }

  void error(const jit::Node& node, const char* code, std::string message, std::string hint) {
    report_.error_at(node.sourceRange(), code, place_, std::move(message), std::move(hint));
  }

  std::string place_;
  AuditReport& report_;
};

}  // namespace

void audit_operators(const CompiledCode& code, AuditReport& report) {
  for (const CompiledUnit& unit : code.units()) {
    for (jit::Function* function : unit.functions) {
      const std::string place =
          unit.source.name + (unit.source.is_class ? "." + function->name() : std::string());
      OperatorAudit(place, report).block(*jit::toGraphFunction(*function).graph()->block());
    }
  }
}

}  // namespace torchship
