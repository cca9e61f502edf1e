#include <torchship/lint.h>
#include <torchship/model.h>

#include "audit/audit.h"
#include "call_gate.h"
#include "check.h"
#include "device.h"
#include "engines/choose.h"
#include "engines/engine.h"
#include "examples.h"
#include "libtorch_version.h"
#include "model_file.h"
#include "outputs.h"
#include "signature.h"
#include "verification.h"

namespace torchship {

class Model::Impl {
 public:
  Impl(const Source& archive, const LoadOptions& options)
      : options_(options), gate_(options) {
    require_matching_libtorch();
    for (const std::filesystem::path& library : options.operator_libraries) {
      load_operator_library(library);
    }
    require_device(options.device);
    require_device_options(options);
    file_ = open_model(archive, options.map ? File::Access::map : File::Access::read);
    if (options.policy == Policy::strict) require_audited(file_->audit(), file_->name());
    load();
    default_method_ = info_.find(info_.default_method);
    name_ = info_.path.string();
    if (engine_->retargeted() > 0) {
      require_same_answers();
    }
    if (options.warm_up && !engine_->keeps_state()) {
      torchship::warm_up(info_, file_->samples(info_),
                         [&](const MethodInfo& method, const std::vector<Value>& inputs) {
                           run(method, inputs, {});
                         });
    }
  }

  const ModelInfo& info() const noexcept { return info_; }
  at::Device device() const noexcept { return options_.device; }

  const MethodInfo& default_method() const {
    if (default_method_ == nullptr) {
      throw SignatureError(name_ + ": has no method that plain calls could go to",
                           "call one by name: " + method_names());
    }
    return *default_method_;
  }

  const MethodInfo& method(std::string_view name) const {
    if (const MethodInfo* found = info_.find(name)) {
      return *found;
    }
    throw SignatureError(name_ + ": has no method '" + std::string(name) + "'",
                         "its methods are " + method_names());
  }

  Value run(const MethodInfo& method, const std::vector<Value>& inputs,
            const NamedValues& named) const {
    const BoundInputs bound = bind_inputs(name_, method, inputs, named);
    const CallGate::Turn turn(gate_);
    return engine_->run(method, bound);
  }

  void run_into(const MethodInfo& method, const std::vector<Value>& inputs,
                const std::vector<at::Tensor>& outputs, const NamedValues& named) const {
    hand_over(run(method, inputs, named), outputs, name_ + ": " + method.name);
  }

  std::vector<Value> example_inputs(const MethodInfo& method) const {
    if (auto inputs = torchship::example_inputs(method, file_->samples(info_))) return *inputs;
    throw SignatureError(name_ + ": " + method.name + ": the archive has no sample of it, and does "
                                                      "not tell the sizes of its inputs");
  }

  const EngineChoice& engine() const noexcept { return choice_; }

  std::vector<Intermediate> intermediates(const MethodInfo& method,
                                          const std::vector<Value>& inputs) const {
    const CallGate::Turn turn(gate_);
    return engine_->intermediates(method, bind_inputs(name_, method, inputs, {}));
  }

  Graph graph(Stage stage, const GraphOptions& options) const {
    const CallGate::Turn turn(gate_);
    const MethodInfo& which = options.method.empty() ? default_method() : method(options.method);
    const Measures measures{.times = options.profile, .errors = options.compare};
    if ((options.profile || options.compare) && stage != Stage::optimized) {
      throw SignatureError(name_ + ": only what runs can be profiled, or compared",
                           "both belong to stage optimized");
    }
    if (stage != Stage::optimized) return engine_->graph(stage, which, std::nullopt, {});
    if (options.inputs) {
      return engine_->graph(stage, which,
                            bind_inputs(name_, which, *options.inputs, options.named), measures);
    }
    for (const Sample& sample : file_->samples(info_)) {
      // A sample must not move a model's state.
      if (sample.method == which.name && !engine_->keeps_state()) {
        return engine_->graph(stage, which, bind_inputs(name_, which, sample.inputs, {}), measures);
      }
    }
    if (options.profile || options.compare) {
      throw SignatureError(name_ + ": " + which.name + ": a " +
                           (options.profile ? "profile" : "comparison") + " needs inputs to run on");
    }
    return engine_->graph(stage, which, std::nullopt, {});
  }

  CheckReport check() const {
    const CallGate::Turn turn(gate_);
    return check_model(*file_, info_, options_, *engine_);
  }

 private:
  void load() {
    Verification verification(*file_, options_);
    try {
      info_ = file_->info();
      ChosenEngine chosen = load_engine(*file_, info_, options_);
      choice_ = std::move(chosen.choice);
      engine_ = std::move(chosen.engine);
    } catch (...) {
      verification.finish();  // Damage is the better reason.
      throw;
    }
    verification.finish();
  }

  /// A model with other devices than it was saved with must still prove itself, where it can.
  void require_same_answers() const {
    if (info_.samples.empty()) return;
    const CheckReport report = check();
    if (report.passed()) return;
    throw ArchiveError(name_ + ": " + std::to_string(engine_->retargeted()) +
                           " places of its code name another device than " +
                           options_.device.str() + "; with that one its samples fail: " +
                           first_failure(report),
                       "trace it on " + options_.device.str() +
                           ", or load it with retarget=false to keep its devices");
  }

  std::string method_names() const {
    std::string names;
    for (const MethodInfo& method : info_.methods) {
      names += (names.empty() ? "" : ", ") + method.name;
    }
    return names.empty() ? "none" : names;
  }

  LoadOptions options_;
  CallGate gate_;
  std::unique_ptr<const ModelFile> file_;  ///< Stays open for check().
  ModelInfo info_;
  std::string name_;  ///< How messages name the model.
  EngineChoice choice_;
  std::unique_ptr<const Engine> engine_;
  const MethodInfo* default_method_ = nullptr;
};

Model::Model(const Source& archive, const LoadOptions& options)
    : impl_(std::make_shared<const Impl>(archive, options)) {}

const ModelInfo& Model::info() const noexcept { return impl_->info(); }

at::Device Model::device() const noexcept { return impl_->device(); }

Value Model::operator()(const std::vector<Value>& inputs) const {
  return impl_->run(impl_->default_method(), inputs, {});
}

Value Model::run(const NamedValues& inputs) const {
  return impl_->run(impl_->default_method(), {}, inputs);
}

Value Model::call(std::string_view method, const std::vector<Value>& inputs,
                  const NamedValues& named) const {
  return impl_->run(impl_->method(method), inputs, named);
}

void Model::call_into(std::string_view method, const std::vector<Value>& inputs,
                      const std::vector<at::Tensor>& outputs, const NamedValues& named) const {
  impl_->run_into(impl_->method(method), inputs, outputs, named);
}

std::vector<Value> Model::example_inputs(std::string_view method) const {
  return impl_->example_inputs(impl_->method(method));
}

const EngineChoice& Model::engine() const noexcept { return impl_->engine(); }

CheckReport Model::check() const { return impl_->check(); }

Graph Model::graph(Stage stage, const GraphOptions& options) const {
  return impl_->graph(stage, options);
}

Graph Model::graph_for(const std::vector<Value>& inputs) const {
  return impl_->graph(Stage::optimized, {.method = {}, .inputs = inputs, .named = {}});
}

std::vector<Intermediate> Model::intermediates(std::string_view method,
                                               const std::vector<Value>& inputs) const {
  return impl_->intermediates(impl_->method(method), inputs);
}

}  // namespace torchship
