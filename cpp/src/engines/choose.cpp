#include "engines/choose.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>

#include <torchship/error.h>

#include "check.h"
#include "compiled/accept.h"
#include "compiled/engine.h"
#include "compiled/target.h"
#include "planned/weights_format.h"

namespace torchship {
namespace {

constexpr const char* kInterpreter = "interpreter";
constexpr const char* kPlanned = "planned";
constexpr const char* kCompiled = "compiled";

/// Code that waits for a place is a call that waits: as many as there are cores run at once.
std::size_t concurrent_calls(const LoadOptions& options) {
  const unsigned cores = std::max(std::thread::hardware_concurrency(), 1U);
  return options.max_concurrent_calls > 0
             ? static_cast<std::size_t>(options.max_concurrent_calls)
             : std::clamp(cores, 1U, 64U);
}

/// Whether an engine with these inputs leaves nothing for another one.
bool is_covered(const CompiledRecord& record, const std::vector<CompiledMethod>& by) {
  return std::any_of(by.begin(), by.end(), [&](const CompiledMethod& other) {
    return other.record.method.name == record.method.name &&
           covers(other.record.method, record.method);
  });
}

std::size_t count_symbols(const CompiledRecord& record) { return record.method.dimensions.size(); }

/// Code for fixed sizes before code for many, newer instructions before older, then the faster.
bool is_before(const CompiledRecord& a, const CompiledRecord& b, const LoadOptions& options) {
  const auto rank = [](const CompiledRecord& record) {
    const auto level = record.info.target.find("isa");
    return level == record.info.target.end() ? std::string() : level->second;
  };
  if (count_symbols(a) != count_symbols(b)) return count_symbols(a) < count_symbols(b);
  // "native" is after no level: it was made for this very CPU.
  const std::string level_a = rank(a), level_b = rank(b);
  if (level_a != level_b) return level_a == "native" || (level_b != "native" && level_a > level_b);
  return expected_ratio(a.info, options) < expected_ratio(b.info, options);
}

/// Picks among a file's compiled engines and loads them.
class Selection {
 public:
  Selection(const ModelFile& file, const ModelInfo& info, const LoadOptions& options)
      : file_(file), info_(info), options_(options) {}

  ChosenEngine make() {
    if (parse_weights(options_.weights) != compute::Format::float32) return with_other_weights();
    if (options_.engine == kInterpreter) return interpreter("it was asked for");
    if (options_.engine == kPlanned) return planned("it was asked for");
    if (wants_any() && options_.engine == "auto" && !options_.optimize) {
      return interpreter("without optimize, operators run as they were recorded");
    }
    require_known_name();
    std::vector<const CompiledRecord*> candidates;
    for (const CompiledRecord& record : file_.compiled()) candidates.push_back(&record);
    std::stable_sort(candidates.begin(), candidates.end(),
                     [&](const auto* a, const auto* b) { return is_before(*a, *b, options_); });
    for (const CompiledRecord* record : candidates) consider(*record);
    if (!methods_.empty()) return compiled();
    if (options_.engine != "auto" || file_.is_code_alone()) refuse();
    return interpreter(candidates.empty() ? "the archive holds no compiled engine"
                                          : "none of the archive's engines can be used here");
  }

 private:
  bool wants_any() const { return options_.engine == "auto" || options_.engine == kCompiled; }

  void require_known_name() const {
    if (wants_any()) return;
    std::string names = "\"auto\", \"interpreter\", \"planned\"";
    if (!info_.engines.empty()) names += ", \"compiled\"";
    for (const EngineInfo& engine : info_.engines) {
      if (engine.id == options_.engine) return;
      names += ", \"" + engine.id + "\"";
    }
    throw EngineError(info_.path.string() + ": has no engine '" + options_.engine + "'",
                      "there are " + names);
  }

  void consider(const CompiledRecord& record) {
    if (!wants_any() && record.info.id != options_.engine) return;
    if (const std::string reason = misfit(record.info, options_); !reason.empty()) {
      return pass_over(record, reason);
    }
    if (const std::string reason = slower(record.info, options_);
        options_.engine == "auto" && !reason.empty()) {
      return pass_over(record, reason);
    }
    if (is_covered(record, methods_)) {
      return pass_over(record, "another engine does what it does");
    }
    try {
      const CompiledMethod method{record, file_.load_compiled(record, {.device = options_.device, .concurrent_calls = concurrent_calls(options_)})};
      require_described(method);
      const std::string reason = record.info.checked ? "" : failure(method);
      if (!reason.empty()) return pass_over(record, reason);
      methods_.push_back(method);
    } catch (const EngineError& error) {
      pass_over(record, error.message());
    }
  }

  /// The file says how many tensors a library takes and gives: it must be right before the first call.
  static void require_described(const CompiledMethod& method) {
    std::size_t inputs = 0;
    for (const ValueSpec& input : method.record.method.inputs) inputs += count_tensors(input);
    const std::size_t outputs = count_tensors(method.record.method.output);
    const CompiledLibrary& library = *method.library;
    if (library.inputs() == inputs && library.outputs() == outputs) return;
    throw EngineError("its library takes " + std::to_string(library.inputs()) + " tensors and gives " +
                      std::to_string(library.outputs()) + ", but the file says " +
                      std::to_string(inputs) + " and " + std::to_string(outputs));
  }

  /// What an engine that could not prove itself where it was compiled does wrong here.
  std::string failure(const CompiledMethod& method) const {
    if (!has_sample(method.record.method)) {
      return "it was never checked, and there is no sample to check it with";
    }
    const auto engine = make_compiled({method}, load_interpreter(), info_, options_);
    const CheckReport report = check_model(file_, info_, options_, *engine);
    return report.passed() ? "" : "its results are not the samples': " + first_failure(report);
  }

  /// Whether there is a sample that goes to the engine, and not to the interpreter.
  bool has_sample(const MethodInfo& taken) const {
    const std::vector<Sample> samples = file_.samples(info_);
    return std::any_of(samples.begin(), samples.end(), [&](const Sample& sample) {
      BoundInputs inputs;
      for (const Value& value : sample.inputs) inputs.push_back(&value);
      TensorList tensors;
      return sample.method == taken.name && accept(taken, inputs, tensors);
    });
  }

  std::function<std::unique_ptr<const Engine>()> load_interpreter() const {
    return [&file = file_, &info = info_, &options = options_] { return file.load(info, options); };
  }

  void pass_over(const CompiledRecord& record, const std::string& reason) {
    passed_over_.push_back({.engine = record.info.id, .reason = reason});
  }

  /// Plans where they can be made; the interpreter does the rest for them.
  ChosenEngine interpreter(const std::string& reason) {
    const bool plans = options_.engine == "auto" && options_.device.is_cpu() && options_.optimize;
    EngineChoice choice{.name = plans ? kPlanned : kInterpreter, .reason = reason,
                        .passed_over = passed_over_};
    if (passed_over_.empty()) {
      for (const EngineInfo& engine : info_.engines) {
        choice.passed_over.push_back({.engine = engine.id, .reason = reason});
      }
    }
    std::unique_ptr<const Engine> engine = file_.load(info_, options_);
    return {.choice = std::move(choice), .engine = std::move(engine)};
  }

  /// The engine whose kernels read them.
  ChosenEngine with_other_weights() {
    if (options_.engine != "auto" && options_.engine != kPlanned) {
      throw EngineError(info_.path.string() + ": the engine '" + options_.engine +
                            "' cannot use weights of " + options_.weights,
                        "the engine 'planned' can, on the CPU");
    }
    return planned(options_.weights + " weights were asked for");
  }

  ChosenEngine planned(const std::string& reason) {
    if (!options_.device.is_cpu() || !options_.optimize) {
      throw EngineError(info_.path.string() + ": the engine 'planned' is for the CPU, and optimizes",
                        "it was asked for on " + options_.device.str() +
                            (options_.optimize ? "" : " without optimize") +
                            "; engine=\"auto\" takes one that can");
    }
    // Loaded first: GCC 12 destroys half-made results twice when what follows throws.
    std::unique_ptr<const Engine> engine = file_.load(info_, options_);
    return {.choice = {.name = kPlanned, .reason = reason, .passed_over = {}}, .engine = std::move(engine)};
  }

  ChosenEngine compiled() {
    std::string reason;
    for (const CompiledMethod& method : methods_) {
      const EngineInfo& info = method.record.info;
      reason += (reason.empty() ? "" : ", ") + info.id;
      if (!info.ratio) continue;
      char text[64];
      std::snprintf(text, sizeof(text), " (%.2g of %s's time where it was compiled)", *info.ratio,
                    info.beside.c_str());
      reason += text;
    }
    return {{.name = kCompiled, .reason = "it fits this process: " + reason,
             .passed_over = passed_over_},
            make_compiled(std::move(methods_), load_interpreter(), info_, options_)};
  }

  [[noreturn]] void refuse() const {
    std::string reasons;
    for (const PassedOver& passed : passed_over_) {
      const std::string whose = wants_any() ? passed.engine + ": " : "";
      reasons += (reasons.empty() ? "" : "; ") + whose + passed.reason;
    }
    throw EngineError(info_.path.string() + ": the engine '" + options_.engine +
                          "' cannot be used: " +
                          (reasons.empty() ? "the archive holds no compiled engine" : reasons),
                      file_.is_code_alone() ? "the file is compiled code alone: there is no other engine"
                                            : "engine=\"auto\" takes one that can");
  }

  const ModelFile& file_;
  const ModelInfo& info_;
  const LoadOptions& options_;
  std::vector<CompiledMethod> methods_;
  std::vector<PassedOver> passed_over_;
};

}  // namespace

ChosenEngine load_engine(const ModelFile& file, const ModelInfo& info, const LoadOptions& options) {
  return Selection(file, info, options).make();
}

}  // namespace torchship
