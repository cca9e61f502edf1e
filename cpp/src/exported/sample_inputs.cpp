#include "exported/sample_inputs.h"

#include <ATen/core/Tensor.h>

#include "exported/torch_save.h"

namespace torchship {
namespace {

using Node = Pickle::Node;
using Type = Pickle::Type;

/// A pickle's values; tensors that share a storage share it here as well.
class SampleReader {
 public:
  explicit SampleReader(const TorchSaveFile& file) : file_(file), pickle_(file.pickle()) {
    collect(pickle_.root());
    tensors_ = load_tensors(stored_);
  }

  std::optional<SampleCall> read() const {
    const Node& root = pickle_.root();  // ((arguments), {name: argument})
    if (root.type != Type::tuple || root.children.size() != 2) return std::nullopt;
    const Node &positional = pickle_[root.children[0]], &named = pickle_[root.children[1]];
    if (positional.type != Type::tuple || named.type != Type::dict) return std::nullopt;
    SampleCall call;
    for (const std::size_t child : positional.children) {
      std::optional<Value> each = value(pickle_[child]);
      if (!each) return std::nullopt;
      call.positional.push_back(std::move(*each));
    }
    for (std::size_t i = 0; i + 1 < named.children.size(); i += 2) {
      std::optional<Value> each = value(pickle_[named.children[i + 1]]);
      if (!each) return std::nullopt;
      call.named.emplace_back(pickle_[named.children[i]].text, std::move(*each));
    }
    return call;
  }

 private:
  static std::string key_of(const Node& node) {
    return std::to_string(reinterpret_cast<std::uintptr_t>(&node));
  }

  void collect(const Node& node) {
    if (auto tensor = file_.tensor(node)) {
      stored_.emplace(key_of(node), std::move(*tensor));
    } else if (node.type == Type::tuple || node.type == Type::list || node.type == Type::dict) {
      for (const std::size_t child : node.children) collect(pickle_[child]);
    }
  }

  std::optional<Value> value(const Node& node) const {
    if (const auto tensor = tensors_.find(key_of(node)); tensor != tensors_.end()) {
      return Value(tensor->second);
    }
    switch (node.type) {
      case Type::none: return Value();
      case Type::boolean: return Value(node.integer != 0);
      case Type::integer: return Value(node.integer);
      case Type::floating: return Value(node.floating);
      case Type::string: return Value(node.text);
      case Type::tuple:
      case Type::list: return sequence(node);
      case Type::dict: return dict(node);
      default: return std::nullopt;
    }
  }

  std::optional<Value> sequence(const Node& node) const {
    std::vector<Value> items;
    for (const std::size_t child : node.children) {
      std::optional<Value> item = value(pickle_[child]);
      if (!item) return std::nullopt;
      items.push_back(std::move(*item));
    }
    return node.type == Type::list ? Value::list(std::move(items)) : Value::tuple(std::move(items));
  }

  std::optional<Value> dict(const Node& node) const {
    Value::Entries entries;
    for (std::size_t i = 0; i + 1 < node.children.size(); i += 2) {
      std::optional<Value> key = value(pickle_[node.children[i]]);
      std::optional<Value> item = value(pickle_[node.children[i + 1]]);
      if (!key || !item) return std::nullopt;
      entries.emplace_back(std::move(*key), std::move(*item));
    }
    return Value::dict(std::move(entries));
  }

  const TorchSaveFile& file_;
  const Pickle& pickle_;
  StoredTensors stored_;
  std::map<std::string, at::Tensor> tensors_;
};

}  // namespace

std::optional<SampleCall> read_sample_inputs(const ProgramArchive& archive) {
  const ZipEntry* record = archive.sample_inputs();
  if (record == nullptr) return std::nullopt;
  const TorchSaveFile file(archive.zip(), *record);
  return SampleReader(file).read();
}

}  // namespace torchship
