#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <torch/csrc/jit/ir/ir.h>
#include <torchship/info.h>

#include "lint/module_tree.h"
#include "torchscript/compiled_code.h"
#include "torchscript/source.h"
#include "torchscript/torchscript_file.h"

namespace torchship {

/// A method of a class that calls of the model lead to.
struct Scope {
  std::string class_name;
  std::string function;  ///< "forward"
  std::string method;    ///< The first of the model's own methods that leads here.
  bool training = false; ///< Whether only methods for training, such as R torch's, lead here.
  /// Calls of functions inlined, calls of methods not.
  std::shared_ptr<torch::jit::Graph> graph;
};

/// What the rules look at.
class Subject {
 public:
  /// Throws ArchiveError.
  Subject(const TorchScriptFile& archive, const ModelInfo& description);

  const TorchScriptFile& file;
  const ModelInfo& info;
  const CompiledCode code;
  const std::vector<ModuleNode> modules;

  /// In the order in which calls lead to them.
  const std::vector<Scope>& scopes() const { return scopes_; }
  /// Whether no code that the model uses is missing among the scopes.
  bool is_complete() const { return complete_; }
  /// Whether calls of the model may use a class or function.
  bool uses(const std::string& unit) const { return used_.contains(unit); }
  /// The modules of a class.
  std::vector<std::string> places(const std::string& class_name) const;
  /// A method of the model with everything that it calls inlined; null where that is impossible.
  std::shared_ptr<torch::jit::Graph> inlined(const std::string& method) const;

 private:
  void find_used();
  void find_scopes();
  void reach(const std::string& method, bool training);
  /// The methods and hooks of the model itself.
  std::vector<torch::jit::Function*> own_functions() const;

  std::map<std::string, std::vector<std::size_t>> by_class_;
  std::set<std::string> used_;
  std::set<const torch::jit::Function*> reached_;
  std::vector<Scope> scopes_;
  bool complete_ = true;
};

/// Whether a method of the model is one that its maker trains with.
bool is_for_training(const std::string& method);

}  // namespace torchship
