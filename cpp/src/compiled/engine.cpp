#include "compiled/engine.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <string>

#include <ATen/EmptyTensor.h>
#include <ATen/ops/clone.h>
#include <ATen/ops/contiguous.h>
#include <torchship/error.h>

#include "accelerator/device_call.h"
#include "compiled/accept.h"
#include "engines/inputs.h"
#include "promises.h"
#include "torchscript/message.h"

namespace torchship {
namespace {

/// As compiled code reads it: its elements side by side.
bool is_simple(const at::Tensor& tensor) {
  return tensor.is_contiguous() && !tensor.is_conj() && !tensor.is_neg();
}

/// The caller's own; a tenth of what Tensor::clone() costs where there is little to copy.
at::Tensor copy_of(const at::Tensor& result) {
  if (!result.is_cpu() || !is_simple(result)) return result.clone();
  at::Tensor copy(at::detail::empty_cpu(result.sizes(), result.scalar_type()));
  std::memcpy(copy.mutable_data_ptr(), result.const_data_ptr(), result.nbytes());
  return copy;
}

class CompiledEngine final : public Engine {
 public:
  CompiledEngine(std::vector<CompiledMethod> methods,
                 std::function<std::unique_ptr<const Engine>()> load_interpreter,
                 const ModelInfo& info, const LoadOptions& options)
      : methods_(std::move(methods)),
        load_interpreter_(std::move(load_interpreter)),
        name_(info.path.string()),
        device_(options.device),
        own_streams_(options.own_streams),
        validate_(options.validate) {
    covers_all_ = std::all_of(info.methods.begin(), info.methods.end(), [&](const MethodInfo& each) {
      return std::any_of(methods_.begin(), methods_.end(), [&](const CompiledMethod& compiled) {
        return compiled.record.method.name == each.name;
      });
    });
  }

  Value run(const MethodInfo& method, const BoundInputs& inputs) const override {
    TensorList tensors;
    for (const CompiledMethod& compiled : methods_) {
      if (compiled.record.method.name != method.name) continue;
      tensors.clear();
      if (accept(compiled.record.method, inputs, tensors)) {
        return run_compiled(compiled, method, inputs, tensors);
      }
    }
    if (validate_) require_promises(name_, method, inputs);  // The file may have no interpreter to ask.
    return interpreter().run(method, inputs);
  }

  std::vector<Intermediate> intermediates(const MethodInfo& method,
                                          const BoundInputs& inputs) const override {
    return interpreter().intermediates(method, inputs);
  }

  Graph graph(Stage stage, const MethodInfo& method, const std::optional<BoundInputs>& inputs,
              Measures measures) const override {
    Graph graph = interpreter().graph(stage, method, inputs, measures);
    for (const CompiledMethod& compiled : methods_) {
      if (compiled.record.method.name != method.name) continue;
      graph.notes.push_back("calls go to the compiled engine " + compiled.record.info.id +
                            ", which does not show its operators: these are the interpreter's");
    }
    return graph;
  }

  bool keeps_state() const noexcept override {
    try {
      return !covers_all_ && interpreter().keeps_state();
    } catch (...) {
      return true;  // It cannot be loaded: calls will say so.
    }
  }

 private:
  Value run_compiled(const CompiledMethod& compiled, const MethodInfo& method,
                     const BoundInputs& inputs, TensorList& tensors) const {
    try {
      const at::Device device = tensors.empty() ? device_ : tensors.front().device();
      DeviceCall call(device_, own_streams_);
      for (at::Tensor& tensor : tensors) {
        if (tensor.device() != device_ || !device_.is_cpu()) tensor = call.take(tensor);
        if (!is_simple(tensor)) tensor = tensor.resolve_conj().resolve_neg().contiguous();
      }
      TensorList results = compiled.library->run(tensors, call.native_stream());
      for (const std::size_t index : compiled.record.copied) results[index] = copy_of(results[index]);
      if (!device.is_cpu() || !device_.is_cpu()) {
        for (at::Tensor& result : results) result = call.give(result, device);
      }
      call.finish();
      return build_result(compiled.record.method.output, std::move(results));
    } catch (const std::exception& error) {
      throw EngineError(name_ + ": " + method.name + ": the compiled engine " +
                            compiled.record.info.id + " failed: " + explain(error).text,
                        "the inputs were " + describe_inputs(method, inputs));
    }
  }

  const Engine& interpreter() const {
    std::call_once(loaded_, [&] { interpreter_ = load_interpreter_(); });
    return *interpreter_;
  }

  std::vector<CompiledMethod> methods_;
  std::function<std::unique_ptr<const Engine>()> load_interpreter_;
  std::string name_;
  at::Device device_;
  bool own_streams_;
  bool validate_;
  bool covers_all_ = false;
  mutable std::once_flag loaded_;
  mutable std::unique_ptr<const Engine> interpreter_;
};

}  // namespace

std::unique_ptr<const Engine> make_compiled(
    std::vector<CompiledMethod> methods,
    std::function<std::unique_ptr<const Engine>()> load_interpreter, const ModelInfo& info,
    const LoadOptions& options) {
  return std::make_unique<const CompiledEngine>(std::move(methods), std::move(load_interpreter),
                                                info, options);
}

}  // namespace torchship
