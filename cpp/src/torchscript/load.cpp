#include "torchscript/load.h"

#include <ATen/core/grad_mode.h>
#include <torchship/error.h>

#include "torchscript/conform.h"
#include "torchscript/import.h"
#include "torchscript/message.h"

namespace torchship {

torch::jit::Module load_module(const TorchScriptFile& file, std::int64_t version,
                               const at::Device& device) {
  const at::NoGradGuard no_grad;
  try {
    torch::jit::Module module = import_module(file, version, device);
    require_conforming(module._ivalue(), file.name());
    module.eval();
    return module;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    const TorchMessage message = explain(error);
    throw ArchiveError(file.name() + ": " + message.text, message.hint);
  }
}

}  // namespace torchship
