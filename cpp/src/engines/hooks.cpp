#include "engines/hooks.h"

#include <utility>

#include <torch/csrc/jit/api/function_impl.h>

namespace torchship {

Hooks::Hooks(const c10::ClassType& type, const std::optional<at::Device>& retarget) {
  const auto add = [&](const std::vector<torch::jit::Function*>& hooks, std::vector<Program>& programs) {
    for (torch::jit::Function* hook : hooks) {
      const Recorded& made = recorded_.emplace_back(record(*hook, retarget));
      programs.emplace_back(made.schema, made.graph);
    }
  };
  add(type.getForwardPreHooks(), before_);
  add(type.getForwardHooks(), after_);
}

void Hooks::run(const c10::IValue& self, const Program& forward,
                std::vector<c10::IValue>& stack) const {
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

}  // namespace torchship
