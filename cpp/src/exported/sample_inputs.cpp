#include "exported/sample_inputs.h"

#include <algorithm>

#include <ATen/core/Tensor.h>

#include "exported/torch_save.h"

namespace torchship {
namespace {

using Node = Pickle::Node;
using Type = Pickle::Type;

/// A pickle's values; tensors that share a storage share it here as well.
class SampleReader {
 public:
  explicit SampleReader(const TorchSaveFile& file) : file_(file), pickle_(file.pickle()) {}

  /// ((arguments), {name: argument}) of tensors, plain values and their containers.
  bool is_call() const {
    const Node& root = pickle_.root();
    return root.type == Type::tuple && root.children.size() == 2 &&
           pickle_[root.children[0]].type == Type::tuple && is_plain(root) &&
           has_names(pickle_[root.children[1]]);
  }

  /// Of what is_call().
  SampleCall read() {
    collect(pickle_.root());
    tensors_ = load_tensors(stored_);
    const Node& root = pickle_.root();
    SampleCall call;
    call.positional = values(pickle_[root.children[0]]);
    for (auto& [name, argument] : entries(pickle_[root.children[1]])) {
      call.named.emplace_back(name.string(), std::move(argument));
    }
    return call;
  }

 private:
  static std::string key_of(const Node& node) {
    return std::to_string(reinterpret_cast<std::uintptr_t>(&node));
  }

  bool has_names(const Node& named) const {
    if (named.type != Type::dict) return false;
    for (std::size_t i = 0; i + 1 < named.children.size(); i += 2) {
      if (pickle_[named.children[i]].type != Type::string) return false;
    }
    return true;
  }

  static bool is_container(const Node& node) {
    return node.type == Type::tuple || node.type == Type::list || node.type == Type::dict;
  }

  bool is_plain(const Node& node) const {
    if (is_container(node)) {
      return std::all_of(node.children.begin(), node.children.end(),
                         [&](std::size_t child) { return is_plain(pickle_[child]); });
    }
    return node.type == Type::none || node.type == Type::boolean || node.type == Type::integer ||
           node.type == Type::floating || node.type == Type::string || file_.tensor(node);
  }

  void collect(const Node& node) {
    if (auto tensor = file_.tensor(node)) stored_.emplace(key_of(node), std::move(*tensor));
    if (!is_container(node)) return;
    for (const std::size_t child : node.children) collect(pickle_[child]);
  }

  Value value(const Node& node) const {
    switch (node.type) {
      case Type::boolean: return node.integer != 0;
      case Type::integer: return node.integer;
      case Type::floating: return node.floating;
      case Type::string: return node.text;
      case Type::tuple: return Value::tuple(values(node));
      case Type::list: return Value::list(values(node));
      case Type::dict: return Value::dict(entries(node));
      default: break;
    }
    const auto tensor = tensors_.find(key_of(node));
    return tensor == tensors_.end() ? Value() : Value(tensor->second);
  }

  std::vector<Value> values(const Node& sequence) const {
    std::vector<Value> items;
    for (const std::size_t child : sequence.children) items.push_back(value(pickle_[child]));
    return items;
  }

  Value::Entries entries(const Node& dict) const {
    Value::Entries found;
    for (std::size_t i = 0; i + 1 < dict.children.size(); i += 2) {
      found.emplace_back(value(pickle_[dict.children[i]]), value(pickle_[dict.children[i + 1]]));
    }
    return found;
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
  SampleReader reader(file);
  return reader.is_call() ? std::optional(reader.read()) : std::nullopt;
}

bool has_sample_inputs(const ProgramArchive& archive) {
  const ZipEntry* record = archive.sample_inputs();
  if (record == nullptr) return false;
  const TorchSaveFile file(archive.zip(), *record);
  return SampleReader(file).is_call();
}

}  // namespace torchship
