#include "torchscript/load.h"

#include <ATen/core/grad_mode.h>
#include <caffe2/serialize/read_adapter_interface.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torchship/error.h>

#include "torchscript/conform.h"
#include "torchscript/message.h"

namespace torchship {
namespace {

/// Lets LibTorch read from the descriptor that was checked, whatever its name points to by now.
class FileAdapter final : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit FileAdapter(const File& file) : file_(file) {}

  size_t size() const override { return file_.size(); }

  size_t read(uint64_t position, void* buffer, size_t count, const char*) const override {
    file_.read(position, std::span(static_cast<char*>(buffer), count));
    return count;
  }

 private:
  const File& file_;
};

}  // namespace

torch::jit::Module load_module(const File& file, const at::Device& device) {
  const at::NoGradGuard no_grad;
  try {
    torch::jit::Module module = torch::jit::load(std::make_shared<FileAdapter>(file), device);
    require_conforming(module._ivalue(), file.path().string());
    module.eval();
    return module;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    const TorchMessage message = explain(error);
    throw ArchiveError(file.path().string() + ": " + message.text, message.hint);
  }
}

}  // namespace torchship
