#include "exported/boundary.h"

#include <algorithm>
#include <limits>
#include <map>

#include <torchship/error.h>

#include "archive/text.h"
#include "torchscript/types.h"

namespace torchship {
namespace {

using InputKind = ExportedInputSpec::Kind;
using OutputKind = ExportedOutputSpec::Kind;

/// torch reasons with sizes of at least 2 where it was not told otherwise, and does not check it.
constexpr std::int64_t kLeastReasoned = 2;

class BoundaryReader {
 public:
  BoundaryReader(const ExportedProgram& program, const std::string& place)
      : program_(program), place_(place) {}

  ProgramBoundary read() {
    boundary_.method.name = "forward";
    for (const ExportedInputSpec& input : program_.inputs) {
      if (input.kind == InputKind::user_input || input.kind == InputKind::constant) {
        inputs_.push_back(&input);
      }
    }
    note_symbols();
    read_inputs();
    read_output();
    relate_symbols();
    return std::move(boundary_);
  }

 private:
  /// Symbols that are sizes by themselves come first, in the order in which inputs have them.
  void note_symbols() {
    for (const ExportedInputSpec* input : inputs_) {
      const ExportedTensor* tensor = tensor_of(input->value);
      if (tensor == nullptr) continue;
      for (const SizeExpression& size : tensor->sizes) {
        if (size.is_symbol()) symbol_of(size);
      }
    }
  }

  void read_inputs() {
    Pytree call = parse_pytree(program_.in_tree, place_ + ": in_spec", program_.tuple_fields);
    const bool is_call = call.kind == Pytree::Kind::tuple && call.children.size() == 2 &&
                         call.children[0].kind == Pytree::Kind::tuple &&
                         call.children[1].kind == Pytree::Kind::dict;
    if (!is_call) throw ArchiveError(place_ + ": is called in a way that torchship does not know");
    const std::size_t positional = call.children[0].children.size();
    boundary_.inputs = std::move(call.children[0].children);
    std::vector<std::string> names;
    for (std::size_t i = 0; i < positional; ++i) names.push_back(name_of_argument(i));
    for (std::size_t i = 0; i < call.children[1].children.size(); ++i) {
      names.push_back(call.children[1].keys[i].string());
      boundary_.inputs.push_back(std::move(call.children[1].children[i]));
    }
    for (std::size_t i = 0; i < boundary_.inputs.size(); ++i) {
      ValueSpec spec = spec_of(boundary_.inputs[i], [&] { return next_input(); });
      spec.name = names[i];
      boundary_.method.inputs.push_back(std::move(spec));
    }
    if (next_input_ != inputs_.size()) mismatch("inputs");
    for (auto spec = boundary_.method.inputs.rbegin();
         spec != boundary_.method.inputs.rend() && spec->constant; ++spec) {
      spec->has_default = true;
    }
  }

  std::string name_of_argument(std::size_t index) const {
    // Positional arguments come first; torch 2.6 did not always say their names.
    return index < program_.argument_names.size() ? program_.argument_names[index]
                                                  : "input_" + std::to_string(index);
  }

  ValueSpec next_input() {
    if (next_input_ == inputs_.size()) mismatch("inputs");
    const ExportedInputSpec& input = *inputs_[next_input_++];
    return input.kind == InputKind::constant ? constant_spec(input.value)
                                             : named_spec(input.value, /*is_input=*/true);
  }

  void read_output() {
    boundary_.output = parse_pytree(program_.out_tree, place_ + ": out_spec", program_.tuple_fields);
    std::vector<const ExportedOutputSpec*> outputs;
    for (const ExportedOutputSpec& output : program_.outputs) {
      if (output.kind == OutputKind::user_output) outputs.push_back(&output);
    }
    std::size_t next = 0;
    boundary_.method.output = spec_of(boundary_.output, [&] {
      if (next == outputs.size()) mismatch("outputs");
      const ExportedArgument& value = outputs[next++]->value;
      ValueSpec spec = value.get<ExportedName>() != nullptr ? named_spec(value, /*is_input=*/false)
                                                            : constant_spec(value);
      spec.constant.reset();
      return spec;
    });
    if (next != outputs.size()) mismatch("outputs");
  }

  [[noreturn]] void mismatch(const char* what) const {
    throw ArchiveError(place_ + ": the tree of its " + what + " has another number of leaves than "
                       "the graph has " + what);
  }

  ValueSpec constant_spec(const ExportedArgument& value) const {
    ValueSpec spec;
    if (value.is_none()) {
      spec.constant.emplace();
      spec.kind = Kind::none;
      spec.type = "None";
      return spec;
    }
    if (const auto* integer = value.get<std::int64_t>()) spec.constant = Value(*integer);
    else if (const auto* number = value.get<double>()) spec.constant = Value(*number);
    else if (const auto* boolean = value.get<bool>()) spec.constant = Value(*boolean);
    else if (const auto* text = value.get<std::string>()) spec.constant = Value(*text);
    else if (const auto* number = value.get<std::complex<double>>()) spec.constant = Value(*number);
    else if (const auto* device = value.get<c10::Device>()) spec.constant = Value(device->str());
    else if (const auto* dtype = value.get<c10::ScalarType>()) {
      spec.constant = Value(static_cast<std::int64_t>(*dtype));
    } else {
      throw ArchiveError(place_ + ": a value at its boundary is of a kind that torchship does not "
                                  "know");
    }
    spec.kind = spec.constant->kind();
    spec.type = type_of(spec)->annotation_str();
    return spec;
  }

  const ExportedTensor* tensor_of(const ExportedArgument& value) const {
    const ExportedName* name = value.get<ExportedName>();
    if (name == nullptr) return nullptr;
    const auto found = program_.graph.tensors.find(name->name);
    return found == program_.graph.tensors.end() ? nullptr : &found->second;
  }

  ValueSpec named_spec(const ExportedArgument& value, bool is_input) {
    const std::string& name = value.get<ExportedName>()->name;
    ValueSpec spec;
    if (const ExportedTensor* tensor = tensor_of(value)) {
      spec.kind = Kind::tensor;
      spec.dtype = tensor->dtype;
      spec.shape.emplace();
      for (const SizeExpression& size : tensor->sizes) {
        spec.shape->push_back(dimension_of(size, is_input));
      }
    } else if (program_.graph.integers.contains(name)) {
      spec.kind = Kind::integer;
    } else if (program_.graph.floats.contains(name)) {
      spec.kind = Kind::floating;
    } else if (program_.graph.booleans.contains(name)) {
      spec.kind = Kind::boolean;
    } else {
      throw ArchiveError(place_ + ": nothing describes the value " + quote(name));
    }
    spec.type = type_of(spec)->annotation_str();
    return spec;
  }

  Dimension dimension_of(const SizeExpression& size, bool is_input) {
    if (const auto number = size.number()) return {.size = *number};
    // Results may have sizes that depend on data, or on sizes in ways that have no name.
    if (!is_input && !symbols_.contains(size.text)) return {};
    return {.size = -1, .symbol = symbol_of(size)};
  }

  /// Expressions have a place among the symbols of their own, under the name of their text.
  int symbol_of(const SizeExpression& size) {
    std::vector<DimensionRange>& dimensions = boundary_.method.dimensions;
    const auto [slot, is_new] = symbols_.try_emplace(size.text, static_cast<int>(dimensions.size()));
    if (is_new) {
      dimensions.push_back(range_of(size));
      expressions_.push_back(&size);
    }
    return slot->second;
  }

  DimensionRange range_of(const SizeExpression& size) const {
    DimensionRange range;
    range.name = size.text;
    if (!size.linear || size.terms.size() != 1) return range;
    const auto& [symbol, factor] = *size.terms.begin();
    const ExportedRange known = limits_of(symbol);
    if (factor < 1) return range;
    const auto scaled = [&](std::int64_t value) -> std::optional<std::int64_t> {
      std::int64_t result = 0;
      const bool wrong = __builtin_mul_overflow(factor, value, &result) ||
                         __builtin_add_overflow(result, size.constant, &result);
      return wrong ? std::nullopt : std::optional(result);
    };
    range.min = std::max<std::int64_t>(scaled(known.min.value_or(0)).value_or(0), 0);
    if (known.max) range.max = scaled(*known.max);
    if (size.constant == 0) range.multiple_of = factor;
    return range;
  }

  ExportedRange limits_of(const std::string& symbol) const {
    const auto found = program_.ranges.find(symbol);
    if (found == program_.ranges.end()) return {};
    ExportedRange range = found->second;
    if (range.min && *range.min <= kLeastReasoned) range.min = std::min<std::int64_t>(*range.min, 1);
    if (range.min && *range.min < 0) range.min = 0;
    if (range.max && *range.max >= std::numeric_limits<std::int64_t>::max() - 1) range.max.reset();
    if (range.max && *range.max < range.min.value_or(0)) range.max = range.min;
    return range;
  }

  /// A size that is a multiple of one that another input has.
  void relate_symbols() {
    std::vector<DimensionRange>& dimensions = boundary_.method.dimensions;
    for (std::size_t i = 0; i < dimensions.size(); ++i) {
      const SizeExpression& size = *expressions_[i];
      if (!size.linear || size.is_symbol() || size.terms.size() != 1) continue;
      const auto& [symbol, factor] = *size.terms.begin();
      const auto base = symbols_.find(symbol);
      if (base == symbols_.end()) continue;
      dimensions[i].relation = {static_cast<std::size_t>(base->second), factor, size.constant};
    }
  }

  const ExportedProgram& program_;
  const std::string& place_;
  ProgramBoundary boundary_;
  std::vector<const ExportedInputSpec*> inputs_;  ///< Those that callers give.
  std::size_t next_input_ = 0;
  std::map<std::string, int> symbols_;            ///< By the text of the expression.
  std::vector<const SizeExpression*> expressions_;
};

}  // namespace

ProgramBoundary boundary_of(const ExportedProgram& program, const std::string& place) {
  return BoundaryReader(program, place).read();
}

}  // namespace torchship
