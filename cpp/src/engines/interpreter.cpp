#include "engines/interpreter.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>

#include <c10/core/InferenceMode.h>
#include <torchship/error.h>

#include "accelerator/device_call.h"
#include "engines/captured.h"
#include "engines/fusion.h"
#include "engines/heap.h"
#include "engines/hooks.h"
#include "engines/inputs.h"
#include "engines/intermediates.h"
#include "engines/program.h"
#include "engines/replicas.h"
#include "engines/results.h"
#include "engines/state.h"
#include "graphs/describe.h"
#include "graphs/freeze.h"
#include "graphs/profile.h"
#include "graphs/stages.h"
#include "engines/lstm_guard.h"
#include "kernels/kernels.h"
#include "planned/planned_program.h"
#include "planned/weights_format.h"
#include "promises.h"
#include "torchscript/convert.h"
#include "torchscript/message.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

/// Results do not show that channels were last in memory on the way.
at::Tensor in_usual_order(const at::Tensor& tensor) {
  return tensor.dim() == 4 ? tensor.contiguous() : tensor;
}

class Interpreter final : public Engine {
 public:
  Interpreter(jit::Module module, const ModelInfo& info, const LoadOptions& options)
      : module_(std::move(module)),
        device_(options.device),
        retarget_(options.retarget ? std::optional(options.device) : std::nullopt),
        validate_(options.validate),
        own_streams_(options.own_streams),
        plans_(options.device.is_cpu() && options.optimize &&
               (options.engine == "planned" || options.engine == "auto")),
        planning_{.must_pay = options.engine == "auto" && options.weights == kFloat32Weights,
                  .weights = parse_weights(options.weights)},
        name_(info.path.string()) {
    for (const MethodInfo& method : info.methods) {
      add_method(method.name);
    }
    if (recorded_.contains("forward")) hooks_.emplace(*module_.type(), retarget_);
    for (const auto& [name, recorded] : recorded_) {
      if (writes_state(recorded)) {
        writers_.insert(name);
      }
    }
    if (hooks_ && std::any_of(hooks_->recorded().begin(), hooks_->recorded().end(), writes_state)) {
      writers_.insert("forward");
    }
    const ConstantAttributes attributes(module_, all_graphs());
    for (const auto& [name, recorded] : recorded_) {
      programs_.try_emplace(name, prepare(recorded, attributes, options.optimize));
    }
    owned_ = storages_of(module_, programs_);
    keep_memory_between_calls();
    for (const auto& [name, program] : programs_) {
      if (plans_ && !writers_.contains(name)) planned_.try_emplace(name, program.first(), planning_);
    }
    if (options.cuda_graphs) {
      for (const auto& [name, program] : programs_) {
        if (!writers_.contains(name)) captured_.try_emplace(name, device_);
      }
    }
    if (can_fuse(device_)) {
      for (const auto& [name, program] : programs_) {
        if (!writers_.contains(name)) fused_.try_emplace(name, program.first(), device_);
      }
    }
  }

  Value run(const MethodInfo& method, const BoundInputs& inputs) const override {
    validate(method, inputs);
    const Turn turn = wait_for_turn(method.name);
    return guarded(method, inputs, [&] {
      const Program& program = programs_.at(method.name).here();
      DeviceCall call(device_, own_streams_);
      const c10::IValue result = compute(call, program, method, inputs, /*may_fuse=*/true).front();
      const std::optional<at::Device> device = first_device(inputs);
      Value value = to_value(result, [&](const at::Tensor& tensor) {
        const at::Tensor mine =
            hand_out(program.channels_last ? in_usual_order(tensor) : tensor, owned_);
        return call.give(mine, device.value_or(mine.device()));
      });
      call.finish();
      return value;
    });
  }

  std::vector<Intermediate> intermediates(const MethodInfo& method,
                                          const BoundInputs& inputs) const override {
    validate(method, inputs);
    const Turn turn = wait_for_turn(method.name);
    return guarded(method, inputs, [&] {
      Recording recording(recorded_.at(method.name));
      DeviceCall call(device_, /*own_stream=*/false);
      return recording.finish(compute(call, recording.program(), method, inputs));
    });
  }

  Graph graph(Stage stage, const MethodInfo& method, const std::optional<BoundInputs>& inputs,
              Measures measures) const override {
    if (inputs) validate(method, *inputs);
    const Turn turn = wait_for_turn(method.name);
    Graph graph = guarded(method, inputs.value_or(BoundInputs()), [&] {
      jit::Function& function = module_.get_method(method.name).function();
      if (stage == Stage::initial) return initial_graph(function);
      if (stage == Stage::frozen) {
        return frozen_graph(function, module_._ivalue(), ConstantAttributes(module_, all_graphs()),
                            retarget_);
      }
      return executed_graph(method, inputs, measures);
    });
    graph.method = method.name;
    if (graph.engine.empty()) graph.engine = "interpreter";
    graph.device = device_.str();
    return graph;
  }

  bool keeps_state() const noexcept override { return !writers_.empty(); }

  std::size_t retargeted() const noexcept override {
    std::size_t count = 0;
    for (const auto& [name, recorded] : recorded_) count += recorded.retargeted;
    if (!hooks_) return count;
    for (const Recorded& hook : hooks_->recorded()) count += hook.retargeted;
    return count;
  }

 private:
  struct Turn {
    std::unique_lock<std::shared_mutex> alone;
    std::shared_lock<std::shared_mutex> beside_readers;
  };

  void validate(const MethodInfo& method, const BoundInputs& inputs) const {
    if (validate_) require_promises(name_, method, inputs);
  }

  /// A method that changes the model's state runs alone; those that only read it, beside each other.
  Turn wait_for_turn(const std::string& method) const {
    if (!keeps_state()) {
      return {};
    }
    return writers_.contains(method)
               ? Turn{std::unique_lock(state_), std::shared_lock<std::shared_mutex>()}
               : Turn{std::unique_lock<std::shared_mutex>(), std::shared_lock(state_)};
  }

  /// What `work` returns; what LibTorch throws meanwhile becomes an EngineError with the inputs in it.
  template <typename Work>
  std::invoke_result_t<Work> guarded(const MethodInfo& method, const BoundInputs& inputs, const Work& work) const {
    try {
      return work();
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      fail(method, inputs, error);
    }
  }

  /// What runs in a call like this one, with what is to be seen of a run if there are inputs.
  Graph executed_graph(const MethodInfo& method, const std::optional<BoundInputs>& inputs,
                       Measures measures) const {
    const Program& plain = programs_.at(method.name).first();
    std::string unplanned;
    if (inputs && planned_.contains(method.name) && !is_hooked(method)) {
      const c10::InferenceMode inference;
      DeviceCall call(device_, /*own_stream=*/false);
      Graph plan = planned_.at(method.name).describe(arguments(call, plain, *inputs), measures);
      if (!plan.body.nodes.empty()) return plan;
      unplanned = plan.notes.at(0);
    }
    const Fusion fusion = inputs ? fusion_for(method, *inputs) : Fusion();
    jit::Graph& executed = fusion.graph ? *fusion.graph : *plain.executed;
    Graph graph = describe_graph(executed);
    graph.stage = Stage::optimized;
    if (!unplanned.empty()) graph.notes.push_back(unplanned);
    add_notes(method, fusion, graph.notes);
    if (!inputs) return graph;
    if (captured_.contains(method.name) && !is_hooked(method)) {
      graph.notes.push_back(captured_note(method, *inputs));
    }
    Profile seen(executed, device_);
    const Program probed(plain.schema, seen.graph());
    DeviceCall call(device_, /*own_stream=*/false);
    if (measures.times && !writers_.contains(method.name)) compute(call, plain, method, *inputs, true);
    compute(call, probed, method, *inputs);
    seen.annotate(graph, measures.times);
    return graph;
  }

  std::string captured_note(const MethodInfo& method, const BoundInputs& inputs) const {
    const c10::InferenceMode inference;
    DeviceCall call(device_, /*own_stream=*/false);
    return captured_.at(method.name)
        .describe(arguments(call, programs_.at(method.name).first(), inputs));
  }

  Fusion fusion_for(const MethodInfo& method, const BoundInputs& inputs) const {
    const auto fused = fused_.find(method.name);
    if (fused == fused_.end() || is_hooked(method)) return {};
    const c10::InferenceMode inference;
    DeviceCall call(device_, /*own_stream=*/false);
    return fused->second.fusion_for(arguments(call, programs_.at(method.name).first(), inputs));
  }

  void add_notes(const MethodInfo& method, const Fusion& fusion,
                 std::vector<std::string>& notes) const {
    if (!can_fuse(device_)) {
      notes.push_back("nothing is fused on " + device_.str() +
                      ": every operator is one call of LibTorch, which has no compiler for this "
                      "device in this process");
    } else if (writers_.contains(method.name)) {
      notes.emplace_back("nothing is fused: the method writes the state of the model");
    } else if (is_hooked(method)) {
      notes.emplace_back("nothing is fused: the module has hooks");
    } else if (fusion.graph != nullptr) {
      notes.emplace_back("kernels are used from the second call of a signature on, and only for "
                         "tensors of these dtypes and sizes; others go operator by operator");
    } else {
      notes.push_back("nothing is fused: " +
                      (fusion.reason.empty() ? "without inputs there are no kernels to tell"
                                             : fusion.reason));
    }
    if (is_hooked(method)) notes.emplace_back("hooks of the module run around this method");
  }

  std::vector<std::shared_ptr<jit::Graph>> all_graphs() const {
    std::vector<std::shared_ptr<jit::Graph>> graphs;
    for (const auto& [name, recorded] : recorded_) graphs.push_back(recorded.graph);
    if (!hooks_) return graphs;
    for (const Recorded& hook : hooks_->recorded()) graphs.push_back(hook.graph);
    return graphs;
  }

  /// What is executed: the recorded method, frozen, with our kernels where they are made for.
  Program prepare(const Recorded& recorded, const ConstantAttributes& attributes,
                  bool optimize) const {
    if (!optimize) return Program(recorded.schema, recorded.graph);
    const std::shared_ptr<jit::Graph> graph =
        freeze(*recorded.graph, module_._ivalue(), attributes, retarget_).graph;
    const std::shared_ptr<jit::Graph> frozen = plans_ ? with_lstm_checks(graph->copy()) : nullptr;
    // The fuser of LibTorch knows its own operators.
    const bool channels_last = device_.is_cpu() && !can_fuse(device_) && use_kernels(graph);
    Program program(recorded.schema, graph);
    program.channels_last = channels_last;
    program.frozen = frozen;
    return program;
  }

  void add_method(const std::string& name) {
    const auto method = module_.find_method(name);
    if (!method) {
      throw ArchiveError(name_ + ": the method '" + name + "' is described, but was not loaded");
    }
    recorded_.emplace(name, record(method->function(), retarget_));
  }

  bool is_hooked(const MethodInfo& method) const {
    return hooks_ && !hooks_->empty() && method.name == "forward";
  }

  /// What a program takes off the stack: the module, then the inputs.
  std::vector<c10::IValue> arguments(DeviceCall& call, const Program& program,
                                     const BoundInputs& inputs) const {
    const auto take = [&](const at::Tensor& tensor) { return call.take(tensor); };
    std::vector<c10::IValue> stack;
    stack.reserve(inputs.size() + 1);
    stack.push_back(program.uses_self ? c10::IValue(module_._ivalue()) : c10::IValue());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const c10::Argument& argument = program.schema.arguments()[i + 1];
      stack.push_back(inputs[i] == nullptr ? argument.default_value().value_or(c10::IValue())
                                           : to_ivalue(*inputs[i], argument.type(), take));
    }
    return stack;
  }

  /// What the program leaves on the stack: its result, and whatever else it returns.
  std::vector<c10::IValue> compute(DeviceCall& call, const Program& program,
                                   const MethodInfo& method, const BoundInputs& inputs,
                                   bool may_fuse = false) const {
    const c10::InferenceMode inference;
    std::vector<c10::IValue> stack = arguments(call, program, inputs);
    try {
      if (is_hooked(method)) {
        hooks_->run(module_._ivalue(), program, stack);
      } else if (may_fuse && !planned_.empty() && planned_.contains(method.name)) {
        planned_.at(method.name).run(stack);
      } else if (may_fuse && !captured_.empty() && captured_.contains(method.name)) {
        captured_.at(method.name).run(stack, [&](std::vector<c10::IValue>& arguments) {
          run_by_operator(program, method.name, arguments);
        });
      } else if (may_fuse) {
        run_by_operator(program, method.name, stack);
      } else {
        program.run(stack);
      }
    } catch (...) {
      note_state(method.name);
      throw;
    }
    note_state(method.name);
    return stack;
  }

  /// In kernels of several operators each, where LibTorch makes some.
  void run_by_operator(const Program& program, const std::string& method,
                       std::vector<c10::IValue>& stack) const {
    if (!fused_.empty() && fused_.contains(method)) {
      fused_.at(method).run(stack);
    } else {
      program.run(stack);
    }
  }

  /// State that a call replaced is the model's own from then on. Only writers, who run alone, pay.
  void note_state(const std::string& method) const {
    if (keeps_state() && writers_.contains(method)) {
      owned_ = storages_of(module_, programs_);
    }
  }

  [[noreturn]] void fail(const MethodInfo& method, const BoundInputs& inputs,
                         const std::exception& error) const {
    const TorchMessage message = explain(error);
    std::string hint = "the inputs were " + describe_inputs(method, inputs);
    if (!message.source.empty()) {
      hint += "; it failed at " + message.source;
    }
    if (!message.hint.empty()) {
      hint += "; " + message.hint;
    }
    throw EngineError(name_ + ": " + method.name + " failed: " + message.text, hint);
  }

  jit::Module module_;
  at::Device device_;
  std::optional<at::Device> retarget_;  ///< Takes the place of other devices that the code names.
  bool validate_;
  bool own_streams_;
  bool plans_;     ///< Whether calls go to plans where they can.
  Planning planning_;
  std::string name_;
  std::unordered_map<std::string, Recorded> recorded_;
  std::optional<Hooks> hooks_;  ///< Of `forward`.
  std::unordered_map<std::string, ReplicatedProgram> programs_;  ///< What runs.
  mutable std::unordered_map<std::string, FusedPrograms> fused_;  ///< Empty where LibTorch cannot.
  mutable std::unordered_map<std::string, CapturedCalls> captured_;  ///< Empty where nobody asked.
  mutable std::unordered_map<std::string, PlannedProgram> planned_;  ///< Empty where nobody asked.
  std::set<std::string> writers_;  ///< Methods that change what the module holds.
  mutable Storages owned_;         ///< Changed by writers alone, under the lock.
  mutable std::shared_mutex state_;
};

}  // namespace

std::unique_ptr<const Engine> make_interpreter(jit::Module module, const ModelInfo& info,
                                               const LoadOptions& options) {
  try {
    return std::make_unique<const Interpreter>(std::move(module), info, options);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw ArchiveError(info.path.string() + ": " + explain(error).text);
  }
}

}  // namespace torchship
