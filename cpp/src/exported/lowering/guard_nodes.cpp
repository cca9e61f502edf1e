#include "exported/lowering/guard_nodes.h"

#include <algorithm>

#include "exported/guards.h"

namespace torchship {

namespace jit = torch::jit;

namespace {

using Kind = GuardExpression::Kind;

const char* operator_of(const std::string& operation) {
  static const std::map<std::string, const char*> kOperators = {
      {"+", "aten::add"},       {"-", "aten::sub"},       {"*", "aten::mul"},
      {"//", "aten::floordiv"}, {"%", "aten::remainder"}, {"==", "aten::eq"},
      {"!=", "aten::ne"},       {"<", "aten::lt"},        {"<=", "aten::le"},
      {">", "aten::gt"},        {">=", "aten::ge"},       {"neg", "aten::neg"},
      {"min", "prim::min"},     {"max", "prim::max"},     {"and", "aten::__and__"},
      {"or", "aten::__or__"},   {"not", "aten::__not__"}};
  const auto found = kOperators.find(operation);
  return found == kOperators.end() ? nullptr : found->second;
}

bool compares(const std::string& operation) {
  return operation == "==" || operation == "!=" || operation[0] == '<' || operation[0] == '>';
}

bool is_logic(const std::string& operation) {
  return operation == "and" || operation == "or" || operation == "not";
}

class GuardLowering {
 public:
  GuardLowering(const GuardedInputs& inputs, const std::vector<DimensionRange>& dimensions,
                Lowering& lowering)
      : inputs_(inputs), dimensions_(dimensions), lowering_(lowering) {}

  void lower(const std::string& text) {
    const std::optional<GuardExpression> guard = parse_guard(text);
    if (!guard || !is_condition(*guard) || is_promised(*guard)) return;
    lowering_.require(value_of(*guard),
                      "the program was exported for other sizes: they must meet " + words(text));
  }

 private:
  /// "x.size()[0] >= 4" for "L['x'].size()[0] >= 4".
  static std::string words(std::string text) {
    for (std::size_t at = text.find("L['"); at != std::string::npos; at = text.find("L['", at)) {
      const std::size_t end = text.find("']", at);
      if (end == std::string::npos) break;
      text = text.substr(0, at) + text.substr(at + 3, end - at - 3) + text.substr(end + 2);
    }
    return text;
  }

  /// Whether it is true or false of sizes that there are.
  bool is_condition(const GuardExpression& guard) const {
    if (guard.kind != Kind::operation) return false;
    if (is_logic(guard.operation)) {
      return std::all_of(guard.operands.begin(), guard.operands.end(),
                         [&](const GuardExpression& each) { return is_condition(each); });
    }
    return compares(guard.operation) &&
           std::all_of(guard.operands.begin(), guard.operands.end(),
                       [&](const GuardExpression& each) { return is_number(each); });
  }

  bool is_number(const GuardExpression& guard) const {
    if (guard.kind == Kind::number) return true;
    if (guard.kind == Kind::operation) {
      return !compares(guard.operation) && !is_logic(guard.operation) &&
             std::all_of(guard.operands.begin(), guard.operands.end(),
                         [&](const GuardExpression& each) { return is_number(each); });
    }
    const auto input = inputs_.find(guard.path);
    if (input == inputs_.end()) return false;
    if (guard.kind == Kind::size) return size_of(guard) != nullptr;
    return input->second.value->type()->kind() == c10::TypeKind::IntType;
  }

  const SizeExpression* size_of(const GuardExpression& guard) const {
    const auto input = inputs_.find(guard.path);
    if (guard.kind != Kind::size || input == inputs_.end() || input->second.tensor == nullptr) {
      return nullptr;
    }
    const auto& sizes = input->second.tensor->sizes;
    const auto index = static_cast<std::size_t>(guard.number);
    return index < sizes.size() ? &sizes[index] : nullptr;
  }

  /// Two sizes of one symbol are one size, and a symbol's range is compared before the call.
  bool is_promised(const GuardExpression& guard) const {
    if (!compares(guard.operation)) return false;
    const SizeExpression* left = size_of(guard.operands[0]);
    const SizeExpression* right = size_of(guard.operands[1]);
    if (left == nullptr) return false;
    if (right != nullptr) {
      return guard.operation == "==" && left->linear && right->linear && left->text == right->text;
    }
    if (guard.operands[1].kind != Kind::number) return false;
    const std::int64_t limit = guard.operands[1].number;
    for (const DimensionRange& range : dimensions_) {
      if (range.name != left->text) continue;
      if (guard.operation == ">=") return range.min >= limit;
      if (guard.operation == "<=") return range.max && *range.max <= limit;
      if (guard.operation == "!=") return range.min > limit || (range.max && *range.max < limit);
    }
    return false;
  }

  jit::Value* value_of(const GuardExpression& guard) {
    jit::Graph& graph = lowering_.graph();
    if (guard.kind == Kind::number) return lowering_.constant(guard.number);
    if (guard.kind == Kind::operation) {
      std::vector<jit::NamedValue> operands;
      for (const GuardExpression& each : guard.operands) operands.emplace_back(value_of(each));
      return graph.insert(c10::Symbol::fromQualString(operator_of(guard.operation)), operands);
    }
    jit::Value* const input = inputs_.at(guard.path).value;
    if (guard.kind == Kind::value) return input;
    return graph.insert(c10::aten::size, {input, lowering_.constant(guard.number)});
  }

  const GuardedInputs& inputs_;
  const std::vector<DimensionRange>& dimensions_;
  Lowering& lowering_;
};

}  // namespace

void lower_guards(const std::vector<std::string>& guards, const GuardedInputs& inputs,
                  const std::vector<DimensionRange>& dimensions, Lowering& lowering) {
  GuardLowering each(inputs, dimensions, lowering);
  for (const std::string& guard : guards) each.lower(guard);
}

}  // namespace torchship
