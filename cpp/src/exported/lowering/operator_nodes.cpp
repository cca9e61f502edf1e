#include <algorithm>

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/runtime/operator.h>

#include "archive/text.h"
#include "exported/lowering/call_operator.h"
#include "exported/lowering/lowering.h"
#include "lint/libraries.h"

namespace torchship {

namespace jit = torch::jit;

namespace {

using Operators = std::vector<std::shared_ptr<jit::Operator>>;

const jit::Operator* find_overload(const Operators& operators, const std::string& overload) {
  for (const auto& each : operators) {
    if (each->schema().overload_name() == overload) return each.get();
  }
  return nullptr;
}

bool is_number(const c10::Type& type) {
  switch (type.kind()) {
    case c10::TypeKind::IntType:
    case c10::TypeKind::FloatType:
    case c10::TypeKind::BoolType:
    case c10::TypeKind::ComplexType:
    case c10::TypeKind::NumberType: return true;
    default: return false;
  }
}

bool is_plain_number(const ExportedArgument& argument) {
  return argument.get<std::int64_t>() != nullptr || argument.get<double>() != nullptr ||
         argument.get<bool>() != nullptr || argument.get<std::complex<double>>() != nullptr;
}

/// By name; arguments without one are where the schema has them.
const ExportedArgument* find(const ExportedNode& node, const std::string& name,
                             std::size_t position) {
  for (const ExportedInput& input : node.inputs) {
    if (input.name == name) return &input.argument;
  }
  const bool is_unnamed = position < node.inputs.size() && node.inputs[position].name.empty();
  return is_unnamed ? &node.inputs[position].argument : nullptr;
}

/// Whether `other` takes numbers where `given` says, and is `schema` in all else.
bool takes_numbers(const c10::FunctionSchema& schema, const c10::FunctionSchema& other,
                   const std::vector<bool>& given) {
  if (schema.arguments().size() != other.arguments().size()) return false;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const c10::Argument &one = schema.arguments()[i], &two = other.arguments()[i];
    const bool fits = given[i] ? two.type()->kind() == c10::TypeKind::NumberType
                               : *one.type() == *two.type();
    if (one.name() != two.name() || !fits) return false;
  }
  return true;
}

/// Arguments of one operator, as LibTorch's interpreter takes them.
class Arguments {
 public:
  Arguments(Lowering& lowering, const ExportedNode& node, const LoweredNames& names)
      : lowering_(lowering), node_(node), names_(names) {}

  std::vector<jit::Value*> of(const c10::FunctionSchema& schema) {
    std::vector<jit::Value*> values;
    for (std::size_t i = 0; i < schema.arguments().size(); ++i) {
      const c10::Argument& argument = schema.arguments()[i];
      const ExportedArgument* given = find(node_, argument.name(), i);
      if (given != nullptr) {
        values.push_back(convert(*given, argument.type(), argument));
      } else if (argument.default_value()) {
        values.push_back(lowering_.constant(*argument.default_value()));
      } else {
        lowering_.refuse("argument '" + argument.name() + "' is missing");
      }
    }
    for (const ExportedInput& input : node_.inputs) {
      if (!input.name.empty() && !schema.argumentIndexWithName(input.name)) {
        lowering_.refuse("there is no argument " + quote(input.name) + " in " +
                         c10::toString(schema));
      }
    }
    return values;
  }

  /// Which tensors are given as numbers.
  std::vector<bool> numbers_for_tensors(const c10::FunctionSchema& schema) const {
    std::vector<bool> found;
    for (std::size_t i = 0; i < schema.arguments().size(); ++i) {
      const c10::Argument& argument = schema.arguments()[i];
      const ExportedArgument* given = find(node_, argument.name(), i);
      const bool takes_tensor = argument.type()->kind() == c10::TypeKind::TensorType;
      found.push_back(given != nullptr && takes_tensor && gives_number(*given));
    }
    return found;
  }

 private:
  bool gives_number(const ExportedArgument& given) const {
    if (is_plain_number(given)) return true;
    const auto* name = given.get<ExportedName>();
    return name != nullptr && is_number(*lowering_.named(name->name, names_)->type());
  }

  jit::Value* convert(const ExportedArgument& given, const c10::TypePtr& type,
                      const c10::Argument& argument) {
    if (type->kind() == c10::TypeKind::OptionalType) {
      return given.is_none() ? lowering_.constant(c10::IValue())
                             : convert(given, type->expectRef<c10::OptionalType>().getElementType(),
                                       argument);
    }
    if (const auto* list = type->castRaw<c10::ListType>()) return to_list(given, *list, argument);
    if (const auto* number = given.get<std::int64_t>()) {
      if (type->kind() == c10::TypeKind::FloatType) {
        return lowering_.constant(static_cast<double>(*number));
      }
      if (type->kind() == c10::TypeKind::ComplexType) {
        return lowering_.constant(c10::complex<double>(static_cast<double>(*number)));
      }
      if (type->kind() == c10::TypeKind::BoolType) return lowering_.constant(*number != 0);
    }
    if (const auto* flag = given.get<bool>(); flag && type->kind() == c10::TypeKind::IntType) {
      return lowering_.constant(static_cast<std::int64_t>(*flag));
    }
    if (const auto* text = given.get<std::string>();
        text && type->kind() == c10::TypeKind::DeviceObjType) {
      return device(*text);
    }
    return fitted(lowering_.value_of(given, names_), type, argument);
  }

  jit::Value* device(const std::string& text) {
    try {
      return lowering_.constant(c10::Device(text));
    } catch (const std::exception&) {
      lowering_.refuse("there is no device " + quote(text));
    }
  }

  /// A value where one of another type is wanted.
  jit::Value* fitted(jit::Value* value, const c10::TypePtr& type, const c10::Argument& argument) {
    if (value->type()->isSubtypeOf(*type)) return value;
    const c10::TypeKind from = value->type()->kind();
    jit::Graph& graph = lowering_.graph();
    if (type->kind() == c10::TypeKind::TensorType) {
      if (is_number(*value->type())) return insert_wrapped_number(graph, value);
      // A tensor that is not there, where the schema does not say that it need not be.
      if (from == c10::TypeKind::NoneType) return value;
    }
    const bool is_tensor = from == c10::TypeKind::TensorType;
    if (type->kind() == c10::TypeKind::FloatType &&
        (is_tensor || from == c10::TypeKind::IntType || from == c10::TypeKind::BoolType)) {
      return graph.insert(c10::aten::Float, {value});
    }
    if (type->kind() == c10::TypeKind::IntType && (is_tensor || from == c10::TypeKind::BoolType)) {
      return graph.insert(c10::aten::Int, {value});
    }
    if (type->kind() == c10::TypeKind::BoolType &&
        (is_tensor || from == c10::TypeKind::IntType || from == c10::TypeKind::FloatType)) {
      return graph.insert(c10::aten::Bool, {value});
    }
    // For LibTorch's types a bool is no number, for its operators it is one. With a dtype beside it,
    // it may be an integer just as well, which TorchScript has words for.
    if (type->kind() == c10::TypeKind::NumberType && from == c10::TypeKind::BoolType) {
      const ExportedArgument* dtype = find(node_, "dtype", node_.inputs.size());
      return dtype != nullptr && !dtype->is_none() ? graph.insert(c10::aten::Int, {value}) : value;
    }
    if (type->kind() == c10::TypeKind::NumberType && is_tensor) {
      return graph.insert(c10::Symbol::fromQualString("aten::item"), {value});
    }
    lowering_.refuse("argument '" + argument.name() + "' is of type " + value->type()->repr_str() +
                     ", but the operator takes " + type->repr_str());
  }

  jit::Value* to_list(const ExportedArgument& given, const c10::ListType& type,
                      const c10::Argument& argument) {
    const c10::TypePtr& item = type.getElementType();
    const auto* list = given.get<ExportedArgument::List>();
    std::vector<jit::Value*> items;
    if (list != nullptr) {
      for (const ExportedArgument& each : *list) items.push_back(convert(each, item, argument));
    } else {
      // One number for each dimension, where all are the same.
      jit::Value* const only = convert(given, item, argument);
      items.assign(static_cast<std::size_t>(argument.N().value_or(1)), only);
    }
    jit::Graph& graph = lowering_.graph();
    if (const auto constant = constant_list(items, item)) return lowering_.constant(*constant);
    return graph.insertNode(graph.createList(item, items))->output();
  }

  /// Lists of numbers that are known are constants themselves.
  static std::optional<c10::IValue> constant_list(const std::vector<jit::Value*>& items,
                                                  const c10::TypePtr& item) {
    if (!is_number(*item) || item->kind() == c10::TypeKind::NumberType) return std::nullopt;
    c10::impl::GenericList list(item);
    for (const jit::Value* each : items) {
      const std::optional<c10::IValue> known = jit::toIValue(each);
      if (!known || each->type()->kind() != item->kind()) return std::nullopt;
      list.push_back(*known);
    }
    return c10::IValue(list);
  }

  Lowering& lowering_;
  const ExportedNode& node_;
  const LoweredNames& names_;
};

bool is_overload(const jit::Node& node, const c10::FunctionSchema& schema) {
  const c10::FunctionSchema* found = node.maybeSchema();
  return found != nullptr && found->name() == schema.name() &&
         found->overload_name() == schema.overload_name();
}

/// Results one by one: an operator that gives one list of tensors gives all of them.
std::vector<jit::Value*> unpacked(jit::Graph& graph, const ExportedNode& node, jit::Node& made) {
  std::vector<jit::Value*> values;
  for (std::size_t i = 0; i < made.outputs().size(); ++i) {
    jit::Value* const output = made.outputs()[i];
    const auto* list = i < node.outputs.size() ? node.outputs[i].get<ExportedArgument::List>()
                                               : nullptr;
    if (list == nullptr || output->type()->kind() != c10::TypeKind::ListType) {
      values.push_back(output);
      continue;
    }
    jit::Node* const parts =
        graph.insertNode(graph.createListUnpack(output, list->size()));
    values.insert(values.end(), parts->outputs().begin(), parts->outputs().end());
  }
  return values;
}

}  // namespace

bool Lowering::lower_operator(const ExportedNode& node, LoweredNames& names) {
  const std::optional<OperatorTarget> target = parse_target(node.target);
  if (!target || target->name.starts_with("higher_order::")) return false;
  const c10::Symbol symbol = c10::Symbol::fromQualString(target->name);
  const Operators& overloads = jit::getAllOperatorsFor(symbol);
  const jit::Operator* found = find_overload(overloads, target->overload);
  if (found == nullptr) {
    refuse("this process has no such operator",
           target->name.starts_with("aten::")
               ? "the file needs another version of LibTorch than this one"
               : "it comes from " +
                     (library_of(target->name).empty() ? "a library of the model's maker"
                                                       : library_of(target->name)) +
                     "; load the library's shared object: --op-library FILE, or "
                     "operator_libraries in LoadOptions");
  }
  Arguments arguments(*this, node, names);
  const c10::FunctionSchema* schema = &found->schema();
  const std::vector<bool> numbers = arguments.numbers_for_tensors(*schema);
  if (std::find(numbers.begin(), numbers.end(), true) != numbers.end()) {
    for (const auto& other : overloads) {
      if (takes_numbers(*schema, other->schema(), numbers)) {
        schema = &other->schema();
        break;
      }
    }
  }
  const std::vector<jit::Value*> values = arguments.of(*schema);
  const std::size_t results = schema->returns().size();
  jit::Node* made = graph_.insertNode(graph_.create(symbol, values, results));
  if (!is_overload(*made, *schema)) {
    made->destroy();
    made = graph_.insertNode(
        create_call(graph_, {schema->name(), schema->overload_name()}, values, results));
  }
  for (std::size_t i = 0; i < results; ++i) {
    made->outputs()[i]->setType(schema->returns()[i].type());
  }
  name_outputs(node, unpacked(graph_, node, *made), names);
  return true;
}

}  // namespace torchship
