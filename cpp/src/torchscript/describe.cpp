#include "torchscript/describe.h"

#include <charconv>
#include <set>
#include <string_view>
#include <tuple>
#include <unordered_map>

#include <torchship/error.h>

#include "archive/pickle.h"
#include "torchscript/code.h"
#include "torchscript/torchscript_file.h"

namespace torchship {
namespace {

using Node = Pickle::Node;
using Type = Pickle::Type;

struct Element {
  std::string_view storage;  ///< As the pickle names it: "torch FloatStorage".
  at::ScalarType dtype;
};

constexpr Element kElements[] = {
    {"torch FloatStorage", at::kFloat},         {"torch DoubleStorage", at::kDouble},
    {"torch HalfStorage", at::kHalf},           {"torch BFloat16Storage", at::kBFloat16},
    {"torch LongStorage", at::kLong},           {"torch IntStorage", at::kInt},
    {"torch ShortStorage", at::kShort},         {"torch CharStorage", at::kChar},
    {"torch ByteStorage", at::kByte},           {"torch BoolStorage", at::kBool},
    {"torch ComplexFloatStorage", at::kComplexFloat},
    {"torch ComplexDoubleStorage", at::kComplexDouble},
    {"torch QInt8Storage", at::kQInt8},         {"torch QUInt8Storage", at::kQUInt8},
    {"torch QInt32Storage", at::kQInt32},
};

std::optional<at::ScalarType> dtype_of(std::string_view storage) {
  for (const Element& element : kElements) {
    if (element.storage == storage) {
      return element.dtype;
    }
  }
  return std::nullopt;
}

/// A tensor as a pickle describes it; its bytes are elsewhere.
struct TensorRecord {
  std::string storage;  ///< The record that holds the bytes.
  std::optional<at::ScalarType> dtype;
  std::int64_t offset = 0;
  std::vector<std::int64_t> shape;
};

/// Lists and dicts come wrapped: `torch.jit._pickle.restore_type_tag(value, "Dict[str, Any]")`.
const Node& unwrap(const Pickle& pickle, const Node& node) {
  const bool tagged = node.type == Type::call && node.children.size() == 2 &&
                      pickle[node.children[0]].text == "torch.jit._pickle restore_type_tag" &&
                      !pickle[node.children[1]].children.empty();
  return tagged ? pickle[pickle[node.children[1]].children[0]] : node;
}

/// Understands `torch._utils._rebuild_tensor_v2(storage, offset, sizes, strides, ...)`, its
/// quantised form, and a parameter wrapped around either.
std::optional<TensorRecord> tensor_of(const Pickle& pickle, const Node& node,
                                      bool is_wrapped = false) {
  if (node.type != Type::call || node.children.size() < 2) {
    return std::nullopt;
  }
  const std::string& callable = pickle[node.children[0]].text;
  const Node& arguments = pickle[node.children[1]];
  if (callable.find("_rebuild_parameter") != std::string::npos && !arguments.children.empty()) {
    // Once only: a pickle may contain itself.
    return is_wrapped ? std::nullopt : tensor_of(pickle, pickle[arguments.children[0]], true);
  }
  if (callable.find("torch._utils _rebuild") != 0 || arguments.children.size() < 3) {
    return std::nullopt;
  }
  const Node& storage = pickle[arguments.children[0]];
  const Node& sizes = pickle[arguments.children[2]];
  if (storage.type != Type::persistent || sizes.type != Type::tuple) {
    return std::nullopt;
  }
  const Node& id = pickle[storage.children[0]];  // ("storage", class, record, device, elements)
  if (id.children.size() < 3) {
    return std::nullopt;
  }
  TensorRecord tensor;
  tensor.dtype = dtype_of(pickle[id.children[1]].text);
  tensor.storage = pickle[id.children[2]].text;
  tensor.offset = pickle[arguments.children[1]].integer;
  for (const std::size_t size : sizes.children) {
    tensor.shape.push_back(pickle[size].integer);
  }
  return tensor;
}

/// Sums up tensors, each one once however often it is shared.
class Counter {
 public:
  void add(const TensorRecord& tensor, const std::string& source, TensorCount& count) {
    if (!seen_.emplace(source, tensor.storage, tensor.offset, tensor.shape).second) {
      return;
    }
    std::int64_t elements = 1;
    for (const std::int64_t size : tensor.shape) {
      if (size < 0 || __builtin_mul_overflow(elements, size, &elements)) {
        return;  // Nonsense; loading refuses it.
      }
    }
    count.tensors += 1;
    count.elements += elements;
    count.bytes +=
        elements * (tensor.dtype ? static_cast<std::int64_t>(c10::elementSize(*tensor.dtype)) : 0);
  }

 private:
  std::set<std::tuple<std::string, std::string, std::int64_t, std::vector<std::int64_t>>> seen_;
};

/// Walks the module tree of data.pkl.
class ModuleWalk {
 public:
  ModuleWalk(const Pickle& pickle, Code& code, ModelInfo& info)
      : pickle_(pickle), code_(code), info_(info) {}

  void visit(const Node& wrapped, bool is_parameter, int depth) {
    const Node& node = unwrap(pickle_, wrapped);
    if (depth > kDeepest || ++visited_ > kMost) {
      throw ArchiveError("the module tree is too deep or refers to itself");
    }
    if (const std::optional<TensorRecord> tensor = tensor_of(pickle_, node)) {
      counter_.add(*tensor, "data", is_parameter ? info_.parameters : info_.buffers);
    } else if (node.type == Type::object && node.children.size() > 1) {
      visit_object(class_name(node), pickle_[node.children[1]], depth);
    } else if (node.type != Type::call) {
      for (const std::size_t child : node.children) {
        visit(pickle_[child], false, depth + 1);
      }
    }
  }

  std::string class_name(const Node& object) const {
    std::string name = pickle_[object.children[0]].text;
    const std::size_t space = name.find(' ');
    if (space != std::string::npos) {
      name[space] = '.';
    }
    return name;
  }

 private:
  void visit_object(const std::string& class_name, const Node& state, int depth) {
    const std::set<std::string>& parameters = parameters_of(class_name);
    for (std::size_t i = 0; i + 1 < state.children.size(); i += 2) {
      const std::string& attribute = pickle_[state.children[i]].text;
      visit(pickle_[state.children[i + 1]], parameters.contains(attribute), depth + 1);
    }
  }

  const std::set<std::string>& parameters_of(const std::string& class_name) {
    const auto [slot, is_new] = parameters_.try_emplace(class_name);
    if (is_new) {
      const std::vector<std::string> names = code_.parameters(class_name);
      slot->second.insert(names.begin(), names.end());
    }
    return slot->second;
  }

  static constexpr int kDeepest = 1000;
  static constexpr std::size_t kMost = 50'000'000;

  const Pickle& pickle_;
  Code& code_;
  ModelInfo& info_;
  Counter counter_;
  std::size_t visited_ = 0;
  std::unordered_map<std::string, std::set<std::string>> parameters_;
};

void count_constants(const TorchScriptFile& file, ModelInfo& info) {
  const Pickle pickle(file.read("constants.pkl"), file.place("constants.pkl"));
  Counter counter;
  for (const std::size_t child : pickle.root().children) {
    if (const std::optional<TensorRecord> tensor = tensor_of(pickle, pickle[child])) {
      counter.add(*tensor, "constants", info.buffers);
    }
  }
}

/// The tracer leaves its example inputs in the file: dtypes and shapes come from there.
void add_traced_inputs(const TorchScriptFile& file, ModelInfo& info) {
  if (file.find("traced_inputs.pkl") == nullptr) {
    return;
  }
  const Pickle pickle(file.read("traced_inputs.pkl"), file.place("traced_inputs.pkl"));
  const Node& root = unwrap(pickle, pickle.root());  // {"forward": [tensor, ...]}
  for (std::size_t i = 0; i + 1 < root.children.size(); i += 2) {
    const Node& inputs = unwrap(pickle, pickle[root.children[i + 1]]);
    for (MethodInfo& method : info.methods) {
      if (method.name != pickle[root.children[i]].text ||
          method.inputs.size() != inputs.children.size()) {
        continue;
      }
      for (std::size_t k = 0; k < method.inputs.size(); ++k) {
        if (const auto tensor = tensor_of(pickle, pickle[inputs.children[k]])) {
          method.inputs[k].traced_dtype = tensor->dtype;
          method.inputs[k].traced_shape = tensor->shape;
        }
      }
    }
  }
}

std::string choose_default(const std::vector<MethodInfo>& methods) {
  // R torch names its methods evalforward and trainforward; its first versions put an X before.
  for (const std::string_view wanted : {"forward", "evalforward", "Xevalforward"}) {
    for (const MethodInfo& method : methods) {
      if (method.name == wanted) {
        return method.name;
      }
    }
  }
  std::string only;
  for (const MethodInfo& method : methods) {
    if (!method.name.starts_with("__")) {
      if (!only.empty()) {
        return {};
      }
      only = method.name;
    }
  }
  return only;
}

std::int64_t read_version(const TorchScriptFile& file) {
  const std::string text = file.read("version");
  std::int64_t version = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), version).ec != std::errc()) {
    throw ArchiveError(file.place("version") + ": is not a number");
  }
  return version;
}

}  // namespace

ModelInfo describe_torchscript(const TorchScriptFile& file) {
  ModelInfo info;
  info.format = "torchscript";
  info.format_version = read_version(file);
  Code code(
      [&](const std::string& record) -> std::optional<std::string> {
        return file.find(record) != nullptr ? std::optional(file.read(record)) : std::nullopt;
      },
      file.name());
  const Pickle pickle(file.read("data.pkl"), file.place("data.pkl"));
  if (pickle.root().type != Type::object ||
      pickle[pickle.root().children[0]].type != Type::global) {
    throw ArchiveError(file.place("data.pkl") + ": the archive holds no module",
                       "save a traced or scripted module");
  }
  ModuleWalk walk(pickle, code, info);
  info.class_name = walk.class_name(pickle.root());
  info.methods = code.methods(info.class_name);
  info.default_method = choose_default(info.methods);
  walk.visit(pickle.root(), false, 0);
  count_constants(file, info);
  add_traced_inputs(file, info);
  return info;
}

}  // namespace torchship
