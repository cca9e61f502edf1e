#include "torchscript/compiled_code.h"

#include <optional>
#include <utility>

#include <ATen/core/class_type.h>
#include <caffe2/serialize/versions.h>
#include <torch/csrc/jit/api/compilation_unit.h>
#include <torch/csrc/jit/operator_upgraders/upgraders_entry.h>
#include <torch/csrc/jit/serialization/import_source.h>
#include <torchship/error.h>

#include "archive/text.h"
#include "torchscript/constant_table.h"
#include "torchscript/guard.h"
#include "torchscript/message.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

using Failures = std::map<std::size_t, std::string>;  ///< Index of a unit -> why it fails.

/// Which units a unit uses, and the order in which they can be compiled: what is used comes first.
class Dependencies {
 public:
  Dependencies(const std::vector<CompiledUnit>& units,
               const std::map<std::string, std::size_t>& by_name)
      : uses_(units.size()), visited_(units.size()) {
    for (std::size_t i = 0; i < units.size(); ++i) {
      for (std::string name : units[i].source.mentions) {
        // What follows the class in a chain is an attribute of it: __torch__.Colour.RED.
        while (!by_name.contains(name) && name.rfind('.') != std::string::npos) {
          name.resize(name.rfind('.'));
        }
        const auto found = by_name.find(name);
        if (found != by_name.end() && found->second != i) uses_[i].push_back(found->second);
      }
    }
    for (std::size_t i = 0; i < units.size(); ++i) visit(i);
  }

  const std::vector<std::size_t>& order() const { return order_; }

  /// Who uses what fails, fails with it.
  void spread(Failures& failures, const std::vector<CompiledUnit>& units) const {
    for (bool changed = true; changed;) {
      changed = false;
      for (const std::size_t i : order_) {
        if (failures.contains(i)) continue;
        for (const std::size_t used : uses_[i]) {
          if (!failures.contains(used)) continue;
          failures[i] = "it uses " + units[used].source.name + ", which cannot be compiled";
          changed = true;
          break;
        }
      }
    }
  }

 private:
  /// Depth first, with a stack of its own: chains of classes may be long.
  void visit(std::size_t start) {
    std::vector<std::pair<std::size_t, std::size_t>> stack;  // Unit, and how many uses are done.
    if (!std::exchange(visited_[start], true)) stack.emplace_back(start, 0);
    while (!stack.empty()) {
      auto& [unit, done] = stack.back();
      if (done == uses_[unit].size()) {
        order_.push_back(unit);
        stack.pop_back();
      } else if (const std::size_t next = uses_[unit][done++];
                 !std::exchange(visited_[next], true)) {
        stack.emplace_back(next, 0);
      }
    }
  }

  std::vector<std::vector<std::size_t>> uses_;
  std::vector<char> visited_;
  std::vector<std::size_t> order_;
};

/// One go at compiling everything that has not failed so far.
class Attempt {
 public:
  Attempt(const TorchScriptFile& file, const std::vector<c10::IValue>& constants,
          std::uint64_t version)
      : result_(std::make_shared<jit::CompilationUnit>()),
        importer_(
            result_, &constants,
            [&file](const std::string& module) { return read_source(file, record_of(module)); },
            version) {
    jit::populate_upgraders_graph_map();  // Once a process, as torch::jit::load does.
  }

  /// The first unit that fails, with the reason. What LibTorch leaves behind then, half compiled,
  /// refers to things that are gone: nothing of this attempt may be used any more.
  std::optional<std::pair<std::size_t, std::string>> run(const std::vector<CompiledUnit>& units,
                                                         const std::vector<std::size_t>& order,
                                                         const Failures& failures) {
    for (const std::size_t i : order) {
      if (failures.contains(i) || !units[i].source.is_class) continue;
      try {
        importer_.loadType(c10::QualifiedName(units[i].source.name));
      } catch (const std::exception& error) {
        return std::pair(i, explain(error).text);
      }
    }
    return std::nullopt;
  }

  std::shared_ptr<jit::CompilationUnit> take() { return std::move(result_); }

 private:
  static std::string record_of(std::string module) {
    for (char& letter : module) letter = letter == '.' ? '/' : letter;
    return "code/" + module + ".py";
  }

  std::shared_ptr<jit::CompilationUnit> result_;
  jit::SourceImporter importer_;
};

Failures first_failures(const std::vector<CompiledUnit>& units, std::uint64_t version) {
  using caffe2::serialize::kMaxSupportedFileFormatVersion;
  using caffe2::serialize::kMinSupportedFileFormatVersion;
  Failures failures;
  for (std::size_t i = 0; i < units.size(); ++i) {
    if (version < kMinSupportedFileFormatVersion || version > kMaxSupportedFileFormatVersion) {
      failures[i] = "LibTorch does not know version " + std::to_string(version) +
                    " of the file format";
    } else if (!units[i].source.missing.empty()) {
      failures[i] = "it uses " + units[i].source.missing.front().name +
                    ", which this process does not have";
    }
  }
  return failures;
}

/// Tries again without what failed, and without what uses that.
class Compiler {
 public:
  Compiler(const TorchScriptFile& file, const std::vector<c10::IValue>& constants,
           std::uint64_t version, const std::vector<CompiledUnit>& units,
           const std::map<std::string, std::size_t>& by_name)
      : file_(file),
        constants_(constants),
        version_(version),
        units_(units),
        dependencies_(units, by_name),
        causes_(first_failures(units, version)),
        failures_(causes_) {}

  std::shared_ptr<jit::CompilationUnit> compile() {
    constexpr int kMostAttempts = 32;
    for (int attempts = 0; attempts < kMostAttempts; ++attempts) {
      dependencies_.spread(failures_, units_);
      Attempt attempt(file_, constants_, version_);
      const auto failure = attempt.run(units_, dependencies_.order(), failures_);
      if (!failure) return attempt.take();
      causes_.insert(*failure);
      failures_.insert(*failure);
    }
    for (std::size_t i = 0; i < units_.size(); ++i) {
      failures_.try_emplace(i, "too much of the code beside it cannot be compiled");
    }
    return std::make_shared<jit::CompilationUnit>();
  }

  const std::string* failure(std::size_t unit) const {
    const auto found = failures_.find(unit);
    return found == failures_.end() ? nullptr : &found->second;
  }

  bool is_cause(std::size_t unit) const { return causes_.contains(unit); }

 private:
  const TorchScriptFile& file_;
  const std::vector<c10::IValue>& constants_;
  std::uint64_t version_;
  const std::vector<CompiledUnit>& units_;
  Dependencies dependencies_;
  Failures causes_;
  Failures failures_;
};

/// The class's methods and hooks, or the function.
std::vector<jit::Function*> functions_of(const CodeUnit& unit, const jit::CompilationUnit& code) {
  if (!unit.is_class) {
    jit::Function* function = code.find_function(c10::QualifiedName(unit.name));
    return function != nullptr ? std::vector{function} : std::vector<jit::Function*>();
  }
  std::vector<jit::Function*> functions;
  if (const c10::ClassTypePtr type = code.get_class(c10::QualifiedName(unit.name))) {
    for (const auto& list :
         {type->methods(), type->getForwardPreHooks(), type->getForwardHooks()}) {
      for (jit::Function* function : list) {
        if (function->isGraphFunction()) functions.push_back(function);
      }
    }
  }
  return functions;
}

}  // namespace

CompiledCode::CompiledCode(const TorchScriptFile& file, std::int64_t version) {
  guard_torchscript(file);
  const auto format = static_cast<std::uint64_t>(version);
  for (CodeUnit& unit : read_code_units(file, format)) {
    if (by_name_.emplace(unit.name, units_.size()).second) {
      units_.push_back({.source = std::move(unit), .functions = {}, .error = {}});
    }
  }
  constants_ = constant_table(file);
  Compiler compiler(file, constants_, format, units_, by_name_);
  compiled_ = compiler.compile();
  for (std::size_t i = 0; i < units_.size(); ++i) {
    if (const std::string* reason = compiler.failure(i)) {
      units_[i].error = *reason;
      units_[i].is_cause = compiler.is_cause(i);
    } else {
      units_[i].functions = functions_of(units_[i].source, *compiled_);
    }
  }
}

CompiledCode::~CompiledCode() = default;

const CompiledUnit* CompiledCode::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &units_[found->second];
}

}  // namespace torchship
