#pragma once

#include <vector>

#include <ATen/core/ivalue.h>
#include <torchship/check.h>

#include "engines/program.h"

namespace torchship {

/// A program that returns the result of every operator as well as its own.
///
/// Each tensor is cloned right after the top-level node that gave it: operators that come later and
/// work in place do not change the record. Weights and constants are no results.
class Recording {
 public:
  explicit Recording(const Recorded& original);

  const Program& program() const noexcept { return program_; }
  /// Labels what the program left on the stack. To be called outside of inference mode.
  std::vector<Intermediate> finish(const std::vector<c10::IValue>& stack);

 private:
  std::vector<Intermediate> labels_;  ///< In the order of the additional results.
  Program program_;
};

}  // namespace torchship
