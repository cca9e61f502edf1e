#include "torchscript/describe.h"

#include <charconv>
#include <string_view>

#include <torchship/error.h>

#include "archive/pickle.h"
#include "torchscript/code.h"
#include "torchscript/modules.h"
#include "torchscript/pickled_tensor.h"
#include "torchscript/torchscript_file.h"

namespace torchship {
namespace {

using Node = Pickle::Node;
using Type = Pickle::Type;

void count_constants(const TorchScriptFile& file, ModelInfo& info) {
  const Pickle pickle(file.read("constants.pkl"), file.place("constants.pkl"));
  TensorCounter counter;
  for (const std::size_t child : pickle.root().children) {
    if (const std::optional<PickledTensor> tensor = tensor_of(pickle, pickle[child])) {
      add(counter.count(*tensor), info.buffers);
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
  // LibTorch looks in this order too (PyTorchStreamReader::init).
  const std::string record = file.find(".data/version") != nullptr ? ".data/version" : "version";
  const std::string text = file.read(record);
  std::int64_t version = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), version).ec != std::errc()) {
    throw ArchiveError(file.place(record) + ": is not a number");
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
        const ZipEntry* const entry = file.find(record);
        return entry != nullptr ? std::optional(file.read_code(*entry)) : std::nullopt;
      },
      file.name());
  const Pickle pickle(file.read("data.pkl"), file.place("data.pkl"));
  if (pickle.root().type != Type::object ||
      pickle[pickle.root().children[0]].type != Type::global) {
    throw ArchiveError(file.place("data.pkl") + ": the archive holds no module",
                       "save a traced or scripted module");
  }
  info.class_name = class_name_of(pickle, pickle.root());
  info.methods = code.methods(info.class_name);
  info.default_method = choose_default(info.methods);
  describe_modules(pickle, code, file.place("data.pkl"), info);
  count_constants(file, info);
  add_traced_inputs(file, info);
  return info;
}

}  // namespace torchship
