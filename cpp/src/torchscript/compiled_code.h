#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/ivalue.h>

#include "torchscript/code_units.h"
#include "torchscript/torchscript_file.h"

namespace torch::jit {
struct CompilationUnit;
struct Function;
}  // namespace torch::jit

namespace torchship {

/// A class or function of the code with its graphs.
struct CompiledUnit {
  CodeUnit source;
  /// The class's methods and hooks, or the function itself: graph functions, not inlined. Empty for
  /// interfaces, named tuples and enumerations, and where `error` is set.
  std::vector<torch::jit::Function*> functions;
  std::string error;  ///< Why LibTorch cannot compile it here; empty when it can.
  bool is_cause = false;  ///< With an error: whether it is its own, and not that of what it uses.
};

/// All code of an archive, compiled so that it can be looked at. Nothing of the file is run, no
/// weight is read, and no object is made: data.pkl is not touched, and constants have no bytes.
///
/// Graphs carry the positions of the user's own source: user_line() works on their nodes. What
/// needs operators that this process lacks, or what LibTorch refuses, does not keep the rest from
/// being seen: classes fail one by one, and with each those that use it.
class CompiledCode {
 public:
  /// `version` is the file format's, ModelInfo::format_version. Throws ArchiveError when
  /// guard_torchscript() refuses the file.
  CompiledCode(const TorchScriptFile& file, std::int64_t version);
  ~CompiledCode();
  CompiledCode(const CompiledCode&) = delete;
  CompiledCode& operator=(const CompiledCode&) = delete;

  /// In the order of the file.
  const std::vector<CompiledUnit>& units() const { return units_; }
  /// The class or function of that name, or null.
  const CompiledUnit* find(const std::string& name) const;

 private:
  std::vector<CompiledUnit> units_;
  std::map<std::string, std::size_t> by_name_;
  std::vector<c10::IValue> constants_;
  std::shared_ptr<torch::jit::CompilationUnit> compiled_;  ///< Owns the functions.
};

}  // namespace torchship
