#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "planned/lower/lowerings.h"
#include "team.h"

namespace torchship {
namespace {

using compute::Operation;

/// Builds the pointwise operations of one operator of LibTorch's.
class Builder {
 public:
  Builder(Planner& planner, std::size_t index)
      : planner_(planner), operation_(planner.operation(index)) {}

  std::size_t arguments() const { return operation_.inputs.size(); }
  std::string_view name() const { return operation_.node->kind().toQualString(); }

  /// An operand: a float32 tensor of the host, or a number. Nothing for others.
  std::optional<Term> term(std::size_t i) const {
    const ValueId id = operation_.inputs[i];
    if (const auto number = planner_.number(id)) {
      // A tensor of one element in a dimension of its own shapes the result.
      return Term{.kind = Term::Kind::number, .value = 0, .number = static_cast<float>(*number)};
    }
    if (planner_.tensor(id) != nullptr && planner_.is_array(id)) return value(id);
    return std::nullopt;
  }

  std::optional<double> number(std::size_t i) const {
    return i < arguments() ? planner_.number(operation_.inputs[i]) : std::nullopt;
  }
  double number_or(std::size_t i, double other) const { return number(i).value_or(other); }
  bool is_none(std::size_t i) const { return planner_.is_none(operation_.inputs[i]); }
  std::optional<std::string> text(std::size_t i) const {
    return i < arguments() ? planner_.text(operation_.inputs[i]) : std::nullopt;
  }

  /// A result on the way.
  Term between(Operation operation, std::vector<Term> terms, double first = 0, double second = 0) {
    const ValueId id = planner_.new_value();
    pending_.push_back(make(operation, std::move(terms), first, second, id));
    return value(id);
  }

  /// The operator's result.
  bool give(Operation operation, std::vector<Term> terms, double first = 0, double second = 0) {
    pending_.push_back(make(operation, std::move(terms), first, second, operation_.outputs[0]));
    const Sizes sizes = planner_.tensor(operation_.outputs[0])->sizes;
    for (Pending& pending : pending_) planner_.add_expression(std::move(pending), sizes);
    return true;
  }

 private:
  static Term value(ValueId id) { return {.kind = Term::Kind::value, .value = id, .number = 0}; }

  Pending make(Operation operation, std::vector<Term> terms, double first, double second,
               ValueId result) const {
    return {.operation = operation,
            .terms = std::move(terms),
            .first = static_cast<float>(first),
            .second = static_cast<float>(second),
            .result = result,
            .node = operation_.node};
  }

  Planner& planner_;
  const ObservedOperation& operation_;
  std::vector<Pending> pending_;
};

bool is_number(const Term& term) { return term.kind == Term::Kind::number; }

/// a + alpha b, with numbers folded into an affine function.
bool give_sum(Builder& builder, const Term& a, const Term& b, double alpha) {
  if (is_number(a) && is_number(b)) return false;
  if (is_number(b)) return builder.give(Operation::affine, {a}, 1, alpha * b.number);
  if (is_number(a)) return builder.give(Operation::affine, {b}, alpha, a.number);
  if (alpha == 1) return builder.give(Operation::add, {a, b});
  if (alpha == -1) return builder.give(Operation::subtract, {a, b});
  const Term scaled = builder.between(Operation::affine, {b}, alpha, 0);
  return builder.give(Operation::add, {a, scaled});
}

bool lower_sum(Builder& builder, double sign) {
  const auto a = builder.term(0), b = builder.term(1);
  const auto alpha = builder.arguments() > 2 ? builder.number(2) : std::optional(1.0);
  return a && b && alpha && give_sum(builder, *a, *b, sign * *alpha);
}

bool lower_reversed_difference(Builder& builder) {
  const auto a = builder.term(0), b = builder.term(1);
  const auto alpha = builder.arguments() > 2 ? builder.number(2) : std::optional(1.0);
  if (!a || !b || !alpha) return false;
  if (is_number(*b)) return builder.give(Operation::affine, {*a}, -*alpha, b->number);
  return give_sum(builder, *b, *a, -*alpha);
}

bool lower_product(Builder& builder) {
  const auto a = builder.term(0), b = builder.term(1);
  if (!a || !b || (is_number(*a) && is_number(*b))) return false;
  if (is_number(*b)) return builder.give(Operation::affine, {*a}, b->number, 0);
  if (is_number(*a)) return builder.give(Operation::affine, {*b}, a->number, 0);
  return builder.give(Operation::multiply, {*a, *b});
}

bool lower_quotient(Builder& builder) {
  if (builder.arguments() > 2) return false;  // Rounded.
  const auto a = builder.term(0), b = builder.term(1);
  if (!a || !b || (is_number(*a) && is_number(*b))) return false;
  // A multiplication is faster, and off by half a unit in the last place.
  if (is_number(*b)) return builder.give(Operation::affine, {*a}, 1.0 / b->number, 0);
  return builder.give(Operation::divide, {*a, *b});
}

bool lower_power(Builder& builder) {
  const auto a = builder.term(0);
  const auto exponent = builder.number(1);
  if (!a || is_number(*a) || !exponent) return false;
  if (*exponent == 2) return builder.give(Operation::square, {*a});
  if (*exponent == 0.5) return builder.give(Operation::square_root, {*a});
  if (*exponent == -0.5) return builder.give(Operation::reciprocal_square_root, {*a});
  if (*exponent == -1) return builder.give(Operation::reciprocal, {*a});
  return builder.give(Operation::power_of, {*a}, *exponent);
}

bool lower_gelu(Builder& builder) {
  const auto a = builder.term(0);
  if (!a || is_number(*a)) return false;
  const bool tanh = builder.text(1).value_or("none") == "tanh";
  return builder.give(tanh ? Operation::gelu_tanh : Operation::gelu, {*a});
}

bool lower_bounds(Builder& builder, std::optional<double> low, std::optional<double> high) {
  const auto a = builder.term(0);
  if (!a || is_number(*a)) return false;
  if (low && high) return builder.give(Operation::hardtanh, {*a}, *low, *high);
  if (low) return builder.give(Operation::clamp_least, {*a}, *low);
  return high && builder.give(Operation::clamp_most, {*a}, *high);
}

bool lower_clamp(Builder& builder) {
  for (std::size_t i = 1; i < builder.arguments(); ++i) {
    if (!builder.is_none(i) && !builder.number(i)) return false;
  }
  return lower_bounds(builder, builder.number(1), builder.number(2));
}

bool lower_elu(Builder& builder) {
  const auto a = builder.term(0);
  if (!a || is_number(*a) || builder.number_or(2, 1) != 1 || builder.number_or(3, 1) != 1)
    return false;
  return builder.give(Operation::elu, {*a}, builder.number_or(1, 1));
}

bool lower_softplus(Builder& builder) {
  const auto a = builder.term(0);
  if (!a || is_number(*a)) return false;
  return builder.give(Operation::softplus, {*a}, builder.number_or(1, 1), builder.number_or(2, 20));
}

using Lower = std::function<bool(Builder&)>;

/// Operators of one tensor, without options.
Lower unary(Operation operation) {
  return [operation](Builder& builder) {
    const auto a = builder.term(0);
    return a && !is_number(*a) && builder.give(operation, {*a});
  };
}

Lower binary(Operation operation) {
  return [operation](Builder& builder) {
    const auto a = builder.term(0), b = builder.term(1);
    return a && b && !(is_number(*a) && is_number(*b)) && builder.give(operation, {*a, *b});
  };
}

const std::unordered_map<std::string_view, Lower>& lowerings() {
  static const std::unordered_map<std::string_view, Lower> kLowerings = {
      {"aten::add", [](Builder& b) { return lower_sum(b, 1); }},
      {"aten::sub", [](Builder& b) { return lower_sum(b, -1); }},
      {"aten::rsub", lower_reversed_difference},
      {"aten::mul", lower_product},
      {"aten::div", lower_quotient},
      {"aten::pow", lower_power},
      {"aten::square", unary(Operation::square)},
      {"aten::maximum", binary(Operation::maximum)},
      {"aten::minimum", binary(Operation::minimum)},
      {"aten::neg",
       [](Builder& b) {
         const auto a = b.term(0);
         return a && !is_number(*a) && b.give(Operation::affine, {*a}, -1, 0);
       }},
      {"aten::abs", unary(Operation::absolute)},
      {"aten::sqrt", unary(Operation::square_root)},
      {"aten::rsqrt", unary(Operation::reciprocal_square_root)},
      {"aten::reciprocal", unary(Operation::reciprocal)},
      {"aten::exp", unary(Operation::exponential)},
      {"aten::expm1", unary(Operation::expm1)},
      {"aten::log", unary(Operation::logarithm)},
      {"aten::log1p", unary(Operation::log1p)},
      {"aten::erf", unary(Operation::error_function)},
      {"aten::sin", unary(Operation::sine)},
      {"aten::cos", unary(Operation::cosine)},
      {"aten::floor", unary(Operation::floor)},
      {"aten::ceil", unary(Operation::ceil)},
      {"aten::trunc", unary(Operation::truncate)},
      {"aten::relu", unary(Operation::relu)},
      {"aten::relu6", [](Builder& b) { return lower_bounds(b, 0.0, 6.0); }},
      {"aten::hardtanh",
       [](Builder& b) { return lower_bounds(b, b.number_or(1, -1), b.number_or(2, 1)); }},
      {"aten::clamp", lower_clamp},
      {"aten::clamp_min",
       [](Builder& b) { return b.number(1) && lower_bounds(b, b.number(1), std::nullopt); }},
      {"aten::clamp_max",
       [](Builder& b) { return b.number(1) && lower_bounds(b, std::nullopt, b.number(1)); }},
      {"aten::leaky_relu",
       [](Builder& b) {
         const auto a = b.term(0);
         return a && !is_number(*a) && b.give(Operation::leaky_relu, {*a}, b.number_or(1, 0.01));
       }},
      {"aten::elu", lower_elu},
      {"aten::gelu", lower_gelu},
      {"aten::silu", unary(Operation::silu)},
      {"aten::sigmoid", unary(Operation::sigmoid)},
      {"aten::tanh", unary(Operation::tanh)},
      {"aten::hardswish", unary(Operation::hardswish)},
      {"aten::hardsigmoid", unary(Operation::hardsigmoid)},
      {"aten::softplus", lower_softplus},
      {"aten::mish", unary(Operation::mish)},
  };
  return kLowerings;
}

/// Strides for results: those of the first operand of all sizes whose elements lie side by side.
Sizes strides_like(const std::vector<Array>& inputs, const Sizes& sizes) {
  for (const Array& input : inputs) {
    if (input.sizes == sizes && memory_order(sizes, input.strides)) return input.strides;
  }
  return usual_strides(sizes);
}

/// Strides over `sizes`, 0 where the array is repeated.
void spread(const Array& array, const Sizes& sizes, std::int64_t* strides) {
  const std::size_t missing = sizes.size() - array.sizes.size();
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const bool repeats = i < missing || (array.sizes[i - missing] == 1 && sizes[i] != 1);
    strides[i] = repeats || sizes[i] == 1 ? 0 : array.strides[i - missing];
  }
}

}  // namespace

bool is_pointwise(const torch::jit::Node& node) {
  return lowerings().contains(node.kind().toQualString());
}

bool lower_pointwise(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  if (operation.outputs.size() != 1) return false;
  const TensorMeta* const result = planner.tensor(operation.outputs[0]);
  constexpr auto kMost = static_cast<std::size_t>(compute::PointwiseCall::kMostDimensions);
  if (result == nullptr || !planner.is_array(operation.outputs[0]) ||
      result->sizes.size() > kMost) {
    return false;
  }
  for (const ValueId input : operation.inputs) {
    // Other dtypes are converted, which these kernels do not know; numbers are no matter.
    if (planner.tensor(input) && !planner.is_array(input) && !planner.number(input)) return false;
  }
  Builder builder(planner, index);
  return lowerings().at(builder.name())(builder);
}

Step pointwise_step(Planner& planner, const Sizes& sizes,
                    const std::shared_ptr<const CompiledExpressions>& made,
                    const std::vector<ValueId>& stored) {
  std::vector<Array> operands;
  for (const ValueId input : made->inputs) operands.push_back(planner.array(input));
  const Sizes strides = strides_like(operands, sizes);
  const std::size_t inputs = operands.size();
  for (const ValueId value : stored) {
    operands.push_back(planner.make_array(sizes, strides));
    planner.bind(value, operands.back());
  }
  compute::PointwiseCall call;
  call.dimensions = static_cast<int>(sizes.size());
  std::copy(sizes.begin(), sizes.end(), call.sizes);
  for (std::size_t i = 0; i < operands.size(); ++i) spread(operands[i], sizes, call.strides[i]);
  compute::collapse(call, static_cast<int>(operands.size()));
  planner.need_scratch(planner.kernels().pointwise_scratch(made->program));

  const double elements = static_cast<double>(operands.back().numel());
  const double work = elements * static_cast<double>(made->program.instructions.size());
  Step step{.kernel = "pointwise",
            .operators = {},
            .run = {},
            .reads = {},
            .writes = {},
            .operations = work,
            .detail = ""};
  for (std::size_t i = 0; i < operands.size(); ++i) {
    (i < inputs ? step.reads : step.writes).push_back(operands[i].buffer);
  }
  const bool is_large = work > 1 << 16;
  const auto run = planner.kernels().pointwise;
  step.run = [=, operands = std::move(operands)](Frame& frame) {
    const float* from[compute::PointwiseCall::kMostOperands];
    float* to[compute::PointwiseCall::kMostOperands];
    for (std::size_t i = 0; i < inputs; ++i) from[i] = frame.at(operands[i]);
    for (std::size_t i = inputs; i < operands.size(); ++i) to[i - inputs] = frame.at(operands[i]);
    run_team(is_large ? frame.threads() : 1, [&](compute::Share share) {
      run(made->program, call, from, to, share, frame.scratch(share.index));
    });
  };
  return step;
}

}  // namespace torchship
