#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "compute/pointwise.h"
#include "planned/observation.h"
#include "planned/plan.h"

namespace torchship {

/// An operand of a pointwise operation: another value, or a number.
struct Term {
  enum class Kind : std::uint8_t { value, number };
  Kind kind = Kind::number;
  ValueId value = 0;
  float number = 0;
};

/// One pointwise operation that waits.
struct Pending {
  compute::Operation operation;
  std::vector<Term> terms = {};
  float first = 0;
  float second = 0;
  ValueId result = 0;  ///< Of the last one of an operator of LibTorch's; else a made-up one.
  const torch::jit::Node* node = nullptr;
};

/// Pointwise operations on elements of the same sizes that become one step.
struct ExpressionGroup {
  std::vector<std::int64_t> sizes;
  std::vector<Pending> members;
  std::set<ValueId> inputs;  ///< Arrays from outside.
};

/// The groups that wait for somebody to need their elements.
class Expressions {
 public:
  using Group = std::shared_ptr<ExpressionGroup>;

  /// Where `value` waits, or null.
  Group find(ValueId value) const;
  /// Adds an operation to the groups of its operands, which become one; operands that wait with
  /// other sizes must have been flushed before.
  void add(Pending pending, const std::vector<std::int64_t>& sizes);
  /// Takes a group out.
  void remove(const Group& group);
  /// Some group that is there, or null.
  Group any() const { return groups_.empty() ? nullptr : groups_.begin()->second; }

 private:
  std::map<ValueId, Group> groups_;  ///< By member.
};

/// A program for the group that stores `stored`, and its inputs in order.
struct CompiledExpressions {
  compute::PointwiseProgram program;
  std::vector<ValueId> inputs;
};
CompiledExpressions compile(const ExpressionGroup& group, const std::vector<ValueId>& stored);

}  // namespace torchship
