#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <torch/csrc/jit/ir/ir.h>
#include <torchship/info.h>

#include "archive/zip.h"
#include "lint/module_tree.h"
#include "torchscript/source.h"

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

/// What the rules look at, whatever the format of the file: its graphs, its modules, its tensors.
class Subject {
 public:
  virtual ~Subject() = default;
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  const ModelInfo& info;

  /// In the order in which calls lead to them.
  const std::vector<Scope>& scopes() const { return scopes_; }
  /// Those around others first.
  const std::vector<ModuleNode>& modules() const { return modules_; }
  /// Tensors that are no part of a module, but constants of the code.
  const std::vector<HeldTensor>& constants() const { return constants_; }
  /// The modules of a class.
  std::vector<std::string> places(const std::string& class_name) const;

  /// Whether no code that the model uses is missing among the scopes.
  virtual bool is_complete() const { return true; }
  /// Whether every device in a graph is a number that the format has no other way to write.
  virtual bool names_all_devices() const { return false; }
  /// A method of the model with everything that it calls inlined; null where that is impossible.
  virtual std::shared_ptr<torch::jit::Graph> inlined(const std::string& method) const = 0;
  /// The records of tensors, and where a tensor's is among them; null where it is not.
  virtual const ZipReader& zip() const = 0;
  virtual const ZipEntry* record_of(const HeldTensor& tensor, bool is_constant) const = 0;

 protected:
  Subject(const ModelInfo& description, std::vector<ModuleNode> modules,
          std::vector<HeldTensor> constants);

  std::vector<Scope> scopes_;

 private:
  const std::vector<ModuleNode> modules_;
  const std::vector<HeldTensor> constants_;
  std::map<std::string, std::vector<std::size_t>> by_class_;
};

/// Whether a method of the model is one that its maker trains with.
bool is_for_training(const std::string& method);

}  // namespace torchship
