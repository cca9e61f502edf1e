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
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torchship/error.h>

#include "engines/intermediates.h"
#include "engines/program.h"
#include "engines/results.h"
#include "graphs/describe.h"
#include "graphs/profile.h"
#include "graphs/stages.h"
#include "graphs/visit.h"
#include "torchscript/convert.h"
#include "torchscript/message.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

/// What a program reads from the module: attributes and constants.
jit::ValueSet held_values(const Program& program) {
  jit::ValueSet held;
  for_each_node(*program.graph->block(), [&](jit::Node* node) {
    if (node->kind() == c10::prim::GetAttr || node->kind() == c10::prim::Constant) {
      held.insert(node->output());
    }
  });
  return held;
}

/// Whether a call may change what the module holds: an attribute, or a tensor of one in place.
/// Errs on the side of yes.
bool writes_state(const Program& program) {
  bool writes = false;
  std::vector<jit::Node*> mutations;
  for_each_node(*program.graph->block(), [&](jit::Node* node) {
    writes = writes || node->kind() == c10::prim::SetAttr ||
             node->kind() == c10::prim::CallMethod || node->kind() == c10::prim::fork;
    if (node->maybeSchema() != nullptr && node->schema().is_mutable()) {
      mutations.push_back(node);
    }
  });
  if (writes || mutations.empty()) {
    return writes;
  }
  const jit::AliasDb aliases(program.graph);
  const jit::ValueSet held = held_values(program);
  return std::any_of(mutations.begin(), mutations.end(),
                     [&](jit::Node* node) { return aliases.writesToAlias(node, held); });
}

void add_storages(const c10::IValue& value, Storages& storages) {
  if (value.isTensor()) {
    if (value.toTensor().defined() && value.toTensor().has_storage()) {
      storages.insert(value.toTensor().storage().unsafeGetStorageImpl());
    }
  } else if (value.isObject()) {
    for (const c10::IValue& slot : value.toObjectRef().slots()) {
      add_storages(slot, storages);
    }
  } else if (value.isList()) {
    for (const c10::IValue& item : value.toListRef()) {
      add_storages(item, storages);
    }
  } else if (value.isTuple()) {
    for (const c10::IValue& item : value.toTupleRef().elements()) {
      add_storages(item, storages);
    }
  } else if (value.isGenericDict()) {
    for (const auto& entry : value.toGenericDict()) {
      add_storages(entry.value(), storages);
    }
  }
}

/// The storages of every tensor that the module or the code of its methods holds.
Storages storages_of(const jit::Module& module,
                     const std::unordered_map<std::string, Program>& programs) {
  Storages storages;
  add_storages(module._ivalue(), storages);
  for (const auto& [name, program] : programs) {
    for (const c10::IValue& constant : program.code.constant_table()) {
      add_storages(constant, storages);
    }
  }
  return storages;
}

std::optional<at::Device> first_device(const Value& value) {
  const auto among = [](const auto& items, const auto& get) -> std::optional<at::Device> {
    for (const auto& item : items) {
      if (const auto device = first_device(get(item))) {
        return device;
      }
    }
    return std::nullopt;
  };
  switch (value.kind()) {
    case Kind::tensor: return value.tensor().device();
    case Kind::list:
    case Kind::tuple: return among(value.items(), [](const Value& item) { return item; });
    case Kind::dict: return among(value.entries(), [](const auto& entry) { return entry.second; });
    default: return std::nullopt;
  }
}

std::optional<at::Device> first_device(const BoundInputs& inputs) {
  for (const Value* input : inputs) {
    if (const auto device = input != nullptr ? first_device(*input) : std::nullopt) {
      return device;
    }
  }
  return std::nullopt;
}

/// "x: float64[1, 4] (traced with float32[1, 3])" for each input, to set beside a failure.
std::string describe_inputs(const MethodInfo& method, const BoundInputs& inputs) {
  std::string text;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i] == nullptr) {
      continue;
    }
    const ValueSpec& spec = method.inputs[i];
    text += (text.empty() ? "" : ", ") + spec.name + ": " + describe(*inputs[i]);
    if (spec.traced_dtype && spec.traced_shape) {
      text += " (traced with " + std::string(to_string(*spec.traced_dtype)) + "[";
      for (std::size_t k = 0; k < spec.traced_shape->size(); ++k) {
        text += (k == 0 ? "" : ", ") + std::to_string((*spec.traced_shape)[k]);
      }
      text += "])";
    }
  }
  return text.empty() ? "no inputs" : text;
}

class Interpreter final : public Engine {
 public:
  Interpreter(jit::Module module, const ModelInfo& info, const LoadOptions& options)
      : module_(std::move(module)),
        device_(options.device),
        retarget_(options.retarget ? std::optional(options.device) : std::nullopt),
        name_(info.path.string()) {
    for (const MethodInfo& method : info.methods) {
      add_program(method.name);
    }
    for (const auto& [name, program] : programs_) {
      if (writes_state(program)) {
        writers_.insert(name);
      }
    }
    if (std::any_of(before_.begin(), before_.end(), writes_state) ||
        std::any_of(after_.begin(), after_.end(), writes_state)) {
      writers_.insert("forward");
    }
    owned_ = storages_of(module_, programs_);
  }

  Value run(const MethodInfo& method, const BoundInputs& inputs) const override {
    const Turn turn = wait_for_turn(method.name);
    return guarded(method, inputs, [&] {
      const c10::IValue result = compute(programs_.at(method.name), method, inputs).front();
      const std::optional<at::Device> device = first_device(inputs);
      return to_value(result, [&](const at::Tensor& tensor) {
        return hand_out(tensor, owned_, device);
      });
    });
  }

  std::vector<Intermediate> intermediates(const MethodInfo& method,
                                          const BoundInputs& inputs) const override {
    const Turn turn = wait_for_turn(method.name);
    return guarded(method, inputs, [&] {
      Recording recording(programs_.at(method.name));
      return recording.finish(compute(recording.program(), method, inputs));
    });
  }

  Graph graph(Stage stage, const MethodInfo& method, const std::optional<BoundInputs>& inputs,
              bool profile) const override {
    const Turn turn = wait_for_turn(method.name);
    Graph graph = guarded(method, inputs.value_or(BoundInputs()), [&] {
      jit::Function& function = module_.get_method(method.name).function();
      if (stage == Stage::initial) return initial_graph(function);
      if (stage == Stage::frozen) return frozen_graph(function, module_._ivalue(), retarget_);
      return executed_graph(method, inputs, profile);
    });
    graph.method = method.name;
    graph.engine = "interpreter";
    graph.device = device_.str();
    return graph;
  }

  bool keeps_state() const noexcept override { return !writers_.empty(); }

  std::size_t retargeted() const noexcept override {
    std::size_t count = 0;
    for (const auto& [name, program] : programs_) count += program.retargeted;
    for (const auto* hooks : {&before_, &after_}) {
      for (const Program& hook : *hooks) count += hook.retargeted;
    }
    return count;
  }

 private:
  struct Turn {
    std::unique_lock<std::shared_mutex> alone;
    std::shared_lock<std::shared_mutex> beside_readers;
  };

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

  /// The method's program as it runs, with what is to be seen of a run on inputs, if there are any.
  Graph executed_graph(const MethodInfo& method, const std::optional<BoundInputs>& inputs,
                       bool profile) const {
    const Program& program = programs_.at(method.name);
    Graph graph = describe_graph(*program.executed);
    graph.stage = Stage::optimized;
    graph.notes.push_back(std::string("interpreter: every operator is one call of LibTorch; ") +
                          why_not_fused());
    if (!inputs) return graph;
    Profile seen(*program.executed, device_);
    const Program probed(program.schema, seen.graph());
    if (profile && !writers_.contains(method.name)) compute(program, method, *inputs);
    compute(probed, method, *inputs);
    seen.annotate(graph, profile);
    return graph;
  }

  std::string why_not_fused() const {
    return device_.is_cpu() ? "nothing is fused on the CPU, for which LibTorch as it is shipped has no "
                              "code generator"
                            : "nothing is fused";
  }

  void add_program(const std::string& name) {
    const auto method = module_.find_method(name);
    if (!method) {
      throw ArchiveError(name_ + ": the method '" + name + "' is described, but was not loaded");
    }
    programs_.emplace(name, make_program(method->function(), retarget_));
    if (name == "forward") {
      add_hooks(*module_.type());
    }
  }

  /// Hooks that were registered on the module before it was scripted belong to `forward`.
  void add_hooks(const c10::ClassType& type) {
    for (jit::Function* hook : type.getForwardPreHooks()) {
      before_.push_back(make_program(*hook, retarget_));
    }
    for (jit::Function* hook : type.getForwardHooks()) {
      after_.push_back(make_program(*hook, retarget_));
    }
  }

  /// What the program leaves on the stack: its result, and whatever else it returns.
  std::vector<c10::IValue> compute(const Program& program, const MethodInfo& method,
                                   const BoundInputs& inputs) const {
    const c10::InferenceMode inference;
    std::vector<c10::IValue> stack;
    stack.reserve(inputs.size() + 1);
    stack.emplace_back(module_._ivalue());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const c10::Argument& argument = program.schema.arguments()[i + 1];
      stack.push_back(inputs[i] == nullptr ? argument.default_value().value_or(c10::IValue())
                                           : to_ivalue(*inputs[i], argument.type(), device_));
    }
    try {
      if (method.name == "forward" && !(before_.empty() && after_.empty())) {
        run_hooked(program, stack);
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

  /// State that a call replaced is the model's own from then on. Only writers, who run alone, pay.
  void note_state(const std::string& method) const {
    if (writers_.contains(method)) {
      owned_ = storages_of(module_, programs_);
    }
  }

  /// As torch.nn.Module calls them: a hook may replace the inputs or the result.
  void run_hooked(const Program& forward, std::vector<c10::IValue>& stack) const {
    const c10::IValue self = module_._ivalue();
    c10::IValue inputs =
        c10::ivalue::Tuple::create(std::vector<c10::IValue>(stack.begin() + 1, stack.end()));
    for (const Program& hook : before_) {
      c10::IValue replaced = hook.call({self, inputs});
      if (!replaced.isNone()) {
        inputs = replaced.isTuple() ? std::move(replaced)
                                    : c10::IValue(c10::ivalue::Tuple::create({replaced}));
      }
    }
    stack = {self};
    for (const c10::IValue& input : inputs.toTupleRef().elements()) {
      stack.push_back(input);
    }
    forward.run(stack);
    for (const Program& hook : after_) {
      c10::IValue replaced = hook.call({self, inputs, stack.front()});
      if (!replaced.isNone()) {
        stack.front() = std::move(replaced);
      }
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
  std::string name_;
  std::unordered_map<std::string, Program> programs_;
  std::vector<Program> before_;
  std::vector<Program> after_;
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
