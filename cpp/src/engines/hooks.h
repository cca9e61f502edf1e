#pragma once

#include <optional>
#include <vector>

#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>
#include <c10/core/Device.h>

#include "engines/program.h"

namespace torchship {

/// The hooks that were registered on a module before it was scripted; they belong to its `forward`.
class Hooks {
 public:
  /// `retarget` as in record().
  Hooks(const c10::ClassType& type, const std::optional<at::Device>& retarget);

  bool empty() const noexcept { return recorded_.empty(); }
  /// All of them.
  const std::vector<Recorded>& recorded() const noexcept { return recorded_; }

  /// Runs `forward` as torch.nn.Module calls it: a hook may replace the inputs or the result. Takes the
  /// arguments, the module first, off the stack and leaves the result.
  void run(const c10::IValue& self, const Program& forward, std::vector<c10::IValue>& stack) const;

 private:
  std::vector<Recorded> recorded_;
  std::vector<Program> before_;
  std::vector<Program> after_;
};

}  // namespace torchship
