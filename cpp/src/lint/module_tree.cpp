#include "lint/module_tree.h"

#include <unordered_set>

#include <torchship/error.h>

#include "torchscript/modules.h"

namespace torchship {
namespace {

using Node = Pickle::Node;
using Type = Pickle::Type;

class TreeReader {
 public:
  TreeReader(const Pickle& pickle, const std::string& place) : pickle_(pickle), place_(place) {}

  std::vector<ModuleNode> read() {
    const Node& root = unwrap(pickle_, pickle_.root());
    if (root.type == Type::object) visit_object(root, 0, "", 0);
    return std::move(modules_);
  }

 private:
  /// Every object is taken for a module: what is one, its class says, which may be missing.
  void visit_object(const Node& object, std::size_t parent, const std::string& attribute,
                    int depth) {
    if (!seen_.insert(&object).second || object.children.size() < 2) return;
    const std::size_t index = modules_.size();
    ModuleNode module{.path = index == 0 ? std::string() : tensor_path(modules_[parent], attribute),
                      .class_name = class_name_of(pickle_, object),
                      .attribute = attribute,
                      .parent = parent,
                      .tensors = {},
                      .training = {}};
    count_text(module.path.size() + module.class_name.size());
    modules_.push_back(std::move(module));
    const Node& state = pickle_[object.children[1]];
    for (std::size_t i = 0; i + 1 < state.children.size(); i += 2) {
      const std::string& name = pickle_[state.children[i]].text;
      const Node& value = pickle_[state.children[i + 1]];
      if (name == "training" && value.type == Type::boolean) {
        modules_[index].training = value.integer != 0;
      }
      visit(value, index, name, depth + 1);
    }
  }

  void visit(const Node& wrapped, std::size_t module, const std::string& attribute, int depth) {
    constexpr int kDeepest = 1000;
    constexpr std::size_t kMostNodes = 50'000'000;
    const Node& node = unwrap(pickle_, wrapped);
    if (depth > kDeepest || ++visited_ > kMostNodes) {
      throw ArchiveError(place_ + ": the module tree is too deep or refers to itself");
    }
    if (std::optional<PickledTensor> tensor = tensor_of(pickle_, node)) {
      count_text(attribute.size());
      modules_[module].tensors.push_back({.attribute = attribute, .tensor = std::move(*tensor)});
    } else if (node.type == Type::object) {
      visit_object(node, module, attribute, depth);
    } else {
      // Calls too: lists of tensors are made by one.
      for (const std::size_t child : node.children) {
        visit(pickle_[child], module, attribute, depth + 1);
      }
    }
  }

  void count_text(std::size_t length) {
    constexpr std::size_t kMostText = 64 << 20;
    text_ += length;
    if (text_ > kMostText) throw ArchiveError(place_ + ": the names of its modules are too long");
  }

  const Pickle& pickle_;
  const std::string& place_;
  std::vector<ModuleNode> modules_;
  std::unordered_set<const Node*> seen_;
  std::size_t visited_ = 0;
  std::size_t text_ = 0;
};

}  // namespace

std::vector<ModuleNode> read_module_tree(const Pickle& pickle, const std::string& place) {
  return TreeReader(pickle, place).read();
}

std::string tensor_path(const ModuleNode& module, const std::string& attribute) {
  return module.path.empty() ? attribute : module.path + "." + attribute;
}

}  // namespace torchship
