#pragma once

#include <vector>

#include <torchship/check.h>
#include <torchship/info.h>
#include <torchship/value.h>

namespace torchship {

/// How far one result is from another.
struct Difference {
  double absolute = 0;
  double relative = 0;
  double normwise = 0;
  bool within = true;  ///< Of the tolerance.
};

/// The tolerance that holds where the archive gives none; docs/archive-format.md has the table.
Tolerance default_tolerance(at::ScalarType dtype);

/// Compares tensors of one dtype and one shape on the CPU.
Difference compare_tensors(const at::Tensor& got, const at::Tensor& expected,
                           const Tolerance& tolerance);

/// Compares a method's result with the recorded one: kinds, structure, dtypes, shapes and values.
/// One entry for each leaf, or for each place where the structure differs. `spec` may say
/// tolerances; where it does not, and numbers are not whole, they may be off by `normwise` as well.
std::vector<OutputCheck> compare(const Value& got, const Value& expected, const ValueSpec& spec,
                                 double normwise = 0);

}  // namespace torchship
