#include "torchscript/modules.h"

#include <set>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <torchship/error.h>

#include "torchscript/pickled_tensor.h"

namespace torchship {
namespace {

using Node = Pickle::Node;
using Type = Pickle::Type;

class ModuleWalk {
 public:
  ModuleWalk(const Pickle& pickle, Code& code, const std::string& place, ModelInfo& info)
      : pickle_(pickle), code_(code), place_(place), info_(info) {}

  void start() { visit_module(unwrap(pickle_, pickle_.root()), Scope{}); }

 private:
  /// Where the walk is.
  struct Scope {
    const Scope* parent = nullptr;
    std::string_view attribute = {};  ///< Of the parent; empty for an item of a list.
    std::size_t module = 0;           ///< Index into info.modules.
    int depth = 0;

    Scope inside(std::string_view name) const { return {this, name, module, depth + 1}; }
  };

  void visit(const Node& wrapped, bool is_parameter, const Scope& scope) {
    const Node& node = unwrap(pickle_, wrapped);
    if (scope.depth > kDeepest || ++visited_ > kMostNodes) {
      refuse("the module tree is too deep or refers to itself");
    }
    if (const std::optional<PickledTensor> tensor = tensor_of(pickle_, node)) {
      add_tensor(*tensor, is_parameter, info_.modules[scope.module]);
    } else if (node.type == Type::object && node.children.size() > 1) {
      visit_object(node, scope);
    } else if (node.type != Type::call) {
      for (const std::size_t child : node.children) {
        visit(pickle_[child], false, scope.inside({}));
      }
    }
  }

  /// Shared objects are walked where they are met first.
  void visit_object(const Node& node, const Scope& scope) {
    if (!seen_.insert(&node).second) {
      return;
    }
    if (class_of(class_name_of(pickle_, node)).is_module) {
      visit_module(node, scope);
    } else {
      visit_attributes(node, scope);
    }
  }

  void visit_module(const Node& node, Scope scope) {
    seen_.insert(&node);
    std::string class_name = class_name_of(pickle_, node);
    count_text(class_name.size());
    scope.module = info_.modules.size();
    info_.modules.push_back({.path = path_of(scope),
                             .class_name = std::move(class_name),
                             .parameters = {},
                             .buffers = {}});
    visit_attributes(node, scope);
  }

  /// "encoder.layers.0": items of lists have no name of their own.
  std::string path_of(const Scope& scope) {
    std::vector<std::string_view> names;
    for (const Scope* each = &scope; each != nullptr; each = each->parent) {
      if (!each->attribute.empty()) {
        count_text(each->attribute.size() + 1);
        names.push_back(each->attribute);
      }
    }
    std::string path;
    for (auto name = names.rbegin(); name != names.rend(); ++name) {
      path.append(path.empty() ? "" : ".").append(*name);
    }
    return path;
  }

  void count_text(std::size_t length) {
    text_ += length;
    if (text_ > kMostText) {
      refuse("the names of its modules are too long");
    }
  }

  void visit_attributes(const Node& node, const Scope& scope) {
    if (node.children.size() < 2) {
      return;
    }
    const Node& state = pickle_[node.children[1]];
    const std::set<std::string>& parameters = class_of(class_name_of(pickle_, node)).parameters;
    for (std::size_t i = 0; i + 1 < state.children.size(); i += 2) {
      const std::string& attribute = pickle_[state.children[i]].text;
      visit(pickle_[state.children[i + 1]], parameters.contains(attribute),
            scope.inside(attribute));
    }
  }

  void add_tensor(const PickledTensor& tensor, bool is_parameter, ModuleSize& module) {
    const TensorCount count = counter_.count(tensor);
    add(count, is_parameter ? info_.parameters : info_.buffers);
    add(count, is_parameter ? module.parameters : module.buffers);
  }

  struct ClassFacts {
    bool is_module = true;
    std::set<std::string> parameters;
  };

  const ClassFacts& class_of(const std::string& name) {
    const auto [slot, is_new] = classes_.try_emplace(name);
    if (is_new) {
      const std::vector<std::string> parameters = code_.parameters(name);
      slot->second = {.is_module = code_.is_module(name),
                      .parameters = {parameters.begin(), parameters.end()}};
    }
    return slot->second;
  }

  [[noreturn]] void refuse(const std::string& what) const {
    throw ArchiveError(place_ + ": " + what);
  }

  static constexpr int kDeepest = 1000;
  static constexpr std::size_t kMostNodes = 50'000'000;
  static constexpr std::size_t kMostText = 64 << 20;

  const Pickle& pickle_;
  Code& code_;
  const std::string& place_;
  ModelInfo& info_;
  TensorCounter counter_;
  std::size_t visited_ = 0;
  std::size_t text_ = 0;  ///< Characters of paths and class names so far.
  std::unordered_set<const Node*> seen_;
  std::unordered_map<std::string, ClassFacts> classes_;
};

}  // namespace

std::string class_name_of(const Pickle& pickle, const Node& object) {
  std::string name = pickle[object.children[0]].text;
  const std::size_t space = name.find(' ');
  if (space != std::string::npos) {
    name[space] = '.';
  }
  return name;
}

void describe_modules(const Pickle& pickle, Code& code, const std::string& place, ModelInfo& info) {
  ModuleWalk(pickle, code, place, info).start();
}

}  // namespace torchship
