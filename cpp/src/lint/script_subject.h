#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "lint/subject.h"
#include "torchscript/compiled_code.h"
#include "torchscript/torchscript_file.h"

namespace torchship {

/// A TorchScript file, its code compiled class by class without the weights.
class ScriptSubject final : public Subject {
 public:
  /// Throws ArchiveError.
  ScriptSubject(const TorchScriptFile& archive, const ModelInfo& description);

  const TorchScriptFile& file;
  const CompiledCode code;

  bool is_complete() const override { return complete_; }
  std::shared_ptr<torch::jit::Graph> inlined(const std::string& method) const override;
  const ZipReader& zip() const override { return file.zip(); }
  const ZipEntry* record_of(const HeldTensor& tensor, bool is_constant) const override;

  /// Whether calls of the model may use a class or function.
  bool uses(const std::string& unit) const { return used_.contains(unit); }

 private:
  void find_used();
  void find_scopes();
  void reach(const std::string& method, bool training);
  /// The methods and hooks of the model itself.
  std::vector<torch::jit::Function*> own_functions() const;

  std::set<std::string> used_;
  std::set<const torch::jit::Function*> reached_;
  bool complete_ = true;
};

}  // namespace torchship
