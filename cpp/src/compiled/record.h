#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <torchship/info.h>

namespace torchship {

/// A compiled engine of a file, as the file describes it.
struct CompiledRecord {
  EngineInfo info;
  std::string record;  ///< Where its package is in the file.
  /// The method as the engine computes it: inputs of exactly these dtypes and sizes; the tensors of
  /// the output, in the order of flatten(), are the engine's results.
  MethodInfo method;
  /// Results, by number, that are the engine's own memory and must be copied for the caller.
  std::vector<std::size_t> copied;
};

/// How many tensors there are in a value.
inline std::size_t count_tensors(const ValueSpec& spec) {
  std::size_t count = spec.kind == Kind::tensor ? 1 : 0;
  if (!spec.members) return count;
  for (const ValueSpec& member : *spec.members) count += count_tensors(member);
  return count;
}

}  // namespace torchship
