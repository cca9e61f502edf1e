#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <ATen/core/class_type.h>
#include <ATen/core/jit_type.h>

#include "lint/nodes.h"
#include "lint/rules.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

using Attribute = std::pair<std::string, std::string>;  ///< Class, and the attribute's name.

/// The attributes that the code reads. What an interface's method reads is among the scopes.
std::set<Attribute> read_attributes(const Subject& subject) {
  std::set<Attribute> read;
  for (const Scope& scope : subject.scopes()) {
    // All branches: what training alone reads is not useless.
    std::vector<const jit::Block*> blocks = {scope.graph->block()};
    while (!blocks.empty()) {
      const jit::Block* block = blocks.back();
      blocks.pop_back();
      for (const jit::Node* node : block->nodes()) {
        blocks.insert(blocks.end(), node->blocks().begin(), node->blocks().end());
        if (node->kind() != c10::prim::GetAttr) continue;
        const auto type = node->input(0)->type()->cast<c10::ClassType>();
        if (type != nullptr && type->name()) {
          read.emplace(type->name()->qualifiedName(), node->s(c10::attr::name));
        }
      }
    }
  }
  return read;
}

std::string to_text(const TensorCount& count) {
  return std::to_string(count.tensors) + (count.tensors == 1 ? " tensor" : " tensors") + " of " +
         std::to_string(count.bytes) + " bytes";
}

/// Tensors that nothing reads, by the outermost module that nothing reads, or by themselves.
class UnusedTensors {
 public:
  explicit UnusedTensors(const Subject& subject)
      : modules_(subject.modules()), read_(read_attributes(subject)) {
    find_roots();
    std::set<std::string> used_storages;
    for (const bool used : {true, false}) {
      for (std::size_t i = 0; i < modules_.size(); ++i) {
        for (const HeldTensor& held : modules_[i].tensors) {
          if (is_read(i, held.attribute) != used) continue;
          if (used) {
            used_storages.insert(held.tensor.storage);
          } else if (!used_storages.contains(held.tensor.storage)) {
            add(i, held);  // A tensor that is read under another name is not unused.
          }
        }
      }
    }
  }

  /// In the order of the file.
  const std::vector<std::pair<std::string, TensorCount>>& places() const { return places_; }

 private:
  /// For each module the outermost one around it, or itself, that no code reads.
  void find_roots() {
    roots_.resize(modules_.size());
    for (std::size_t i = 1; i < modules_.size(); ++i) {
      const std::size_t parent = modules_[i].parent;
      const bool reads = read_.contains({modules_[parent].class_name, modules_[i].attribute});
      roots_[i] = roots_[parent] ? roots_[parent] : reads ? std::nullopt : std::optional(i);
    }
  }

  bool is_read(std::size_t module, const std::string& attribute) const {
    return !roots_[module] && read_.contains({modules_[module].class_name, attribute});
  }

  void add(std::size_t module, const HeldTensor& held) {
    if (held.tensor.shape.empty()) return;  // Batch norm's count of batches, and the like.
    const std::string place = roots_[module] ? modules_[*roots_[module]].path
                                             : tensor_path(modules_[module], held.attribute);
    const auto [known, is_new] = index_.try_emplace(place, places_.size());
    if (is_new) places_.emplace_back(place, TensorCount());
    torchship::add(counter_.count(held.tensor), places_[known->second].second);
  }

  const std::vector<ModuleNode>& modules_;
  std::set<Attribute> read_;
  std::vector<std::optional<std::size_t>> roots_;
  TensorCounter counter_;
  std::map<std::string, std::size_t> index_;
  std::vector<std::pair<std::string, TensorCount>> places_;
};

}  // namespace

std::vector<Hit> find_unused_parameters(const Subject& subject) {
  // Code that cannot be seen may read anything.
  if (!subject.is_complete()) return {};
  std::vector<Hit> hits;
  const UnusedTensors unused(subject);
  for (const auto& [place, size] : unused.places()) {
    hits.push_back(hit(make_finding("unused-parameter", "note",
                                    "no code reads " + to_text(size) +
                                        ": dead weight, or a sign that a part of the model was "
                                        "lost",
                                    "leave it out of the module that is saved", place)));
  }
  return hits;
}

std::vector<Hit> find_large_constants(const Subject& subject) {
  constexpr std::int64_t kLarge = 1 << 20;
  constexpr std::size_t kMost = 3;  // More are one finding: a frozen model has all weights there.
  const char* const hint = "register the tensor as a parameter or buffer of the module";
  std::vector<Hit> hits;
  TensorCount all;
  TensorCounter counter;
  for (const HeldTensor& held : subject.constants()) {
    const TensorCount count = counter.count(held.tensor);
    if (count.bytes < kLarge) continue;
    add(count, all);
    hits.push_back(hit(make_finding(
        "large-constant", "note",
        "a constant of the code has " + std::to_string(count.bytes) +
            " bytes: it is no parameter, so that nothing can replace or share it",
        hint, held.attribute)));
  }
  if (hits.size() <= kMost) return hits;
  return {hit(make_finding("large-constant", "note",
                           "the code has " + to_text(all) +
                               " as constants: they are no parameters, so that nothing can replace "
                               "or share them",
                           hint, "constants"))};
}

}  // namespace torchship
