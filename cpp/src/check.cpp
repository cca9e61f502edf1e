#include "check.h"

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <utility>

#include <torchship/error.h>

#include "compare.h"
#include "planned/weights_format.h"
#include "signature.h"

namespace torchship {
namespace {

/// The samples of one model, and what they run on.
class Check {
 public:
  Check(const ModelFile& file, const ModelInfo& info, const LoadOptions& options,
        const Engine& engine)
      : file_(file), info_(info), options_(options), engine_(engine), name_(info.path.string()) {}

  CheckReport run() const {
    const std::vector<Sample> samples = file_.samples(info_);
    if (samples.empty()) {
      throw ArchiveError(name_ + ": holds no samples to check",
                         "torchship.trace(...).save(path) writes them");
    }
    CheckReport report;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      report.samples.push_back(check_sample(samples[i], i));
    }
    if (!report.passed()) {
      report.departure = find_departure(samples, report);
    }
    return report;
  }

 private:
  /// Calls `action` with an engine in the state that the file holds.
  template <typename Action>
  auto on_engine(const Action& action) const {
    const std::unique_ptr<const Engine> own =
        engine_.keeps_state() ? file_.load(info_, options_) : nullptr;
    return action(own != nullptr ? *own : engine_);
  }

  const MethodInfo& method_of(const Sample& sample) const {
    if (const MethodInfo* method = info_.find(sample.method)) {
      return *method;
    }
    throw ArchiveError(name_ + ": a sample is of the method '" + sample.method +
                       "', which the model does not have");
  }

  SampleCheck check_sample(const Sample& sample, std::size_t index) const {
    const MethodInfo& method = method_of(sample);
    SampleCheck result{.sample = index, .method = sample.method, .outputs = {}, .error = {}};
    try {
      const BoundInputs inputs = bind_inputs(name_, method, sample.inputs, {});
      const Value got =
          on_engine([&](const Engine& engine) { return engine.run(method, inputs); });
      result.outputs = compare(got, sample.output ? *sample.output : reference(method, inputs),
                               method.output, normwise_tolerance(options_.weights));
    } catch (const SignatureError& error) {
      result.error = error.message();
    } catch (const EngineError& error) {
      result.error = error.message();
    }
    return result;
  }

  /// Where a file has inputs alone, what they give operator by operator, as the model was recorded.
  Value reference(const MethodInfo& method, const BoundInputs& inputs) const {
    LoadOptions as_recorded = options_;
    as_recorded.optimize = false;
    as_recorded.weights = kFloat32Weights;
    return file_.load(info_, as_recorded)->run(method, inputs);
  }

  std::optional<Departure> find_departure(const std::vector<Sample>& samples,
                                          const CheckReport& report) const {
    const std::optional<Intermediates> recorded = file_.intermediates(info_);
    if (recorded && recorded->sample < samples.size() &&
        !report.samples[recorded->sample].passed()) {
      auto found = ask(samples[recorded->sample], [&](const Engine& engine, const auto&... call) {
        return first_departure(engine.intermediates(call...), recorded->values);
      });
      if (found) return found;
    }
    const auto failed = std::find_if(report.samples.begin(), report.samples.end(),
                                     [](const SampleCheck& sample) { return !sample.passed(); });
    return ask(samples[failed->sample], [](const Engine& engine, const auto&... call) {
      return furthest_kernel(
          engine.graph(Stage::optimized, call..., {.times = false, .errors = true}));
    });
  }

  /// What `question(engine, method, inputs)` says of a sample that failed; nothing where the sample
  /// cannot run, which its own error says.
  template <typename Question>
  std::optional<Departure> ask(const Sample& sample, const Question& question) const {
    const MethodInfo& method = method_of(sample);
    try {
      const BoundInputs inputs = bind_inputs(name_, method, sample.inputs, {});
      return on_engine([&](const Engine& engine) { return question(engine, method, inputs); });
    } catch (const SignatureError&) {
      return std::nullopt;
    } catch (const EngineError&) {
      return std::nullopt;
    }
  }

  static std::optional<Departure> first_departure(const std::vector<Intermediate>& here,
                                                  const std::vector<Intermediate>& recorded) {
    std::map<std::pair<std::size_t, std::size_t>, const Intermediate*> by_position;
    for (const Intermediate& value : recorded) {
      by_position.emplace(std::pair(value.node, value.output), &value);
    }
    for (const Intermediate& got : here) {
      const auto found = by_position.find({got.node, got.output});
      if (found == by_position.end() || found->second->operator_name != got.operator_name) {
        continue;
      }
      const Difference difference = compare_results(got.value, found->second->value);
      if (!difference.within) {
        return Departure{.operator_name = got.operator_name,
                         .node = got.node,
                         .source = got.source,
                         .absolute = difference.absolute,
                         .relative = difference.relative};
      }
    }
    return std::nullopt;
  }

  /// Of those that are further off than other orders of additions explain.
  static std::optional<Departure> furthest_kernel(const Graph& graph) {
    constexpr double kRounding = 1e-6;
    std::optional<Departure> furthest;
    double largest = kRounding;
    for (std::size_t i = 0; i < graph.body.nodes.size(); ++i) {
      const GraphNode& node = graph.body.nodes[i];
      if (node.error.value_or(0) <= largest) continue;
      largest = *node.error;
      furthest = Departure{.operator_name = node.operator_name, .node = i, .source = node.source};
      furthest->relative = largest;
    }
    return furthest;
  }

  static Difference compare_results(const at::Tensor& got, const at::Tensor& expected) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (got.scalar_type() != expected.scalar_type() || got.sizes() != expected.sizes()) {
      return {.absolute = kInfinity, .relative = kInfinity, .within = false};
    }
    return compare_tensors(got, expected, default_tolerance(expected.scalar_type()));
  }

  const ModelFile& file_;
  const ModelInfo& info_;
  const LoadOptions& options_;
  const Engine& engine_;
  std::string name_;
};

}  // namespace

bool SampleCheck::passed() const noexcept {
  return error.empty() && std::all_of(outputs.begin(), outputs.end(),
                                      [](const OutputCheck& output) { return output.passed; });
}

bool CheckReport::passed() const noexcept {
  return std::all_of(samples.begin(), samples.end(),
                     [](const SampleCheck& sample) { return sample.passed(); });
}

CheckReport check_model(const ModelFile& file, const ModelInfo& info, const LoadOptions& options,
                        const Engine& engine) {
  return Check(file, info, options, engine).run();
}

}  // namespace torchship
