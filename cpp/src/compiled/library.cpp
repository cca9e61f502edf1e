#include "compiled/library.h"

#include <string>
#include <utility>

#include <ATen/DynamicLibrary.h>
#include <torch/csrc/inductor/aoti_runner/model_container_runner.h>
#include <torch/csrc/inductor/aoti_torch/utils.h>
#include <torchship/error.h>

#include "few.h"
#include "torchscript/message.h"

namespace torchship {
namespace {

namespace inductor = torch::inductor;
using torch::aot_inductor::tensor_handle_to_tensor_pointer;
using torch::aot_inductor::tensor_pointer_to_tensor_handle;

using Handles = Few<AtenTensorHandle, 8>;

/// LibTorch's runner opens the library and finds its functions; they are called here, which saves
/// the copies of its own run().
class Runner final : public inductor::AOTIModelContainerRunner {
 public:
  Runner(const Unpacked& file, const LibraryUse& use)
      : AOTIModelContainerRunner(file.path().string(), use.concurrent_calls, use.device.str(),
                                 file.kernels().string(), /*run_single_threaded=*/false) {
    check(get_num_outputs_func_(container_handle_, &outputs_));
    const auto count = reinterpret_cast<decltype(&AOTInductorModelContainerGetNumInputs)>(
        model_so_->sym("AOTInductorModelContainerGetNumInputs"));
    check(count(container_handle_, &inputs_));
  }

  std::size_t inputs() const noexcept { return inputs_; }
  std::size_t outputs() const noexcept { return outputs_; }

  void call(std::span<const at::Tensor> inputs, void* stream, TensorList& results) const {
    Handles given(inputs.size()), made(outputs_);
    // The library takes the handles and frees them, also where it fails.
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      given[i] = tensor_pointer_to_tensor_handle(new at::Tensor(inputs[i]));
    }
    const AOTIRuntimeError failed =
        run_func_(container_handle_, given.data(), given.size(), made.data(), made.size(),
                  static_cast<AOTInductorStreamHandle>(stream), proxy_executor_handle_);
    results.reserve(outputs_);
    for (std::size_t i = 0; i < made.size(); ++i) {
      if (made[i] == nullptr) continue;
      const std::unique_ptr<at::Tensor> tensor(tensor_handle_to_tensor_pointer(made[i]));
      results.push_back(std::move(*tensor));
    }
    check(failed);
    if (results.size() != outputs_) throw std::runtime_error("it left out a result");
  }

 private:
  void check(AOTIRuntimeError failed) const {
    if (failed == AOTI_RUNTIME_SUCCESS) return;
    throw std::runtime_error(last_error(*this));
  }

  /// LibTorch before 2.13 does not ask the library why it failed.
  template <typename Self>
  static std::string last_error(const Self& self) {
    const char* reason = nullptr;
    if constexpr (requires { self.get_last_error_func_; }) {
      if (self.get_last_error_func_ != nullptr) self.get_last_error_func_(&reason);
    }
    return reason != nullptr && *reason != '\0' ? reason : "the compiled code failed";
  }

  std::size_t inputs_ = 0;
  std::size_t outputs_ = 0;
};

class LoadedLibrary final : public CompiledLibrary {
 public:
  LoadedLibrary(Unpacked file, const LibraryUse& use)
      : file_(std::move(file)), runner_(file_, use) {
    file_.clean_up();
  }

  std::size_t inputs() const noexcept override { return runner_.inputs(); }
  std::size_t outputs() const noexcept override { return runner_.outputs(); }

  TensorList run(std::span<const at::Tensor> inputs, void* stream) const override {
    TensorList results;
    runner_.call(inputs, stream, results);
    return results;
  }

 private:
  Unpacked file_;  ///< Outlives the runner.
  Runner runner_;
};

}  // namespace

std::unique_ptr<const CompiledLibrary> load_library(const LibraryBytes& bytes,
                                                    const LibraryUse& use) {
  std::string reasons;
  for (const UnpackPlace place :
       {UnpackPlace::cache, UnpackPlace::memory, UnpackPlace::temporary}) {
    try {
      return std::make_unique<const LoadedLibrary>(Unpacked::to(place, bytes), use);
    } catch (const ArchiveError&) {
      throw;  // The bytes themselves are refused.
    } catch (const EngineError& error) {
      reasons += (reasons.empty() ? "" : "; ") + error.message();
    } catch (const std::exception& error) {
      reasons += (reasons.empty() ? "" : "; ") + explain(error).text;
    }
  }
  throw EngineError("the compiled library cannot be loaded: " + reasons);
}

}  // namespace torchship
