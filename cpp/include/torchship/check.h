#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <torchship/export.h>
#include <torchship/info.h>

namespace torchship {

/// One output of one golden sample beside what the eager model gave.
struct OutputCheck {
  std::string name;        ///< As flatten() names it: "output", "scores", "boxes.0".
  double absolute = 0;     ///< Largest |got - expected|; infinite where only one of them is finite.
  double relative = 0;     ///< Largest |got - expected| / |expected|, where expected is not 0.
  /// Euclidean norm of got - expected over that of expected: how large errors are as a whole.
  double normwise = 0;
  Tolerance tolerance;
  bool passed = false;
  std::string problem;     ///< "expected float32[2, 3], got float32[2, 4]" and the like; else empty.
};

/// One golden sample run on this machine.
struct SampleCheck {
  std::size_t sample = 0;  ///< Index into ModelInfo::samples.
  std::string method;
  std::vector<OutputCheck> outputs;
  std::string error;       ///< Why the call failed; empty when it did not.

  TORCHSHIP_EXPORT bool passed() const noexcept;
};

/// The operator that makes a result another one: the first whose own result is not the recorded
/// one; or, where LibTorch gives what was recorded, the kernel of the engine "planned" that is
/// furthest from LibTorch's operators on the same numbers (GraphOptions::compare).
struct Departure {
  std::string operator_name;  ///< "aten::linear", "torchship::multiply"
  std::size_t node = 0;       ///< Position in the method's inlined graph, or among the kernels.
  std::string source;         ///< "net.py:12"; empty when the archive does not tell.
  double absolute = 0;
  double relative = 0;
};

/// The result of one operator of a method's inlined graph.
struct Intermediate {
  std::size_t node = 0;    ///< Position among the graph's top-level nodes.
  std::size_t output = 0;  ///< Which result of the node.
  std::string operator_name;
  std::string source;      ///< "net.py:12"; empty when the archive does not tell. Not recorded.
  at::Tensor value;
};

/// What Model::check() found.
struct CheckReport {
  std::vector<SampleCheck> samples;
  /// Of the first failing sample that has recorded intermediate results.
  std::optional<Departure> departure;

  TORCHSHIP_EXPORT bool passed() const noexcept;
};

/// The report for people: a line for each output, then what failed and where.
TORCHSHIP_EXPORT std::string to_string(const CheckReport& report);

}  // namespace torchship
