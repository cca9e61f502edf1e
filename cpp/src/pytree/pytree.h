#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <torchship/info.h>

namespace torchship {

/// A tree of containers as torch.utils._pytree writes it to JSON; its leaves are values, and None.
struct Pytree {
  enum class Kind : std::uint8_t { leaf, list, tuple, dict };

  Kind kind = Kind::leaf;
  std::string class_name;  ///< Of a named tuple, and of what Python registered besides.
  /// The keys of a dict or the fields of a named tuple, one for each child; else empty.
  std::vector<Value> keys;
  std::vector<Pytree> children;
};

/// Names of the fields of named tuples, by class.
using TupleFields = std::map<std::string, std::vector<std::string>>;

/// Containers that Python code registered are taken for dicts where they name their members, else for
/// tuples. Throws ArchiveError, which `place` begins.
Pytree parse_pytree(const std::string& text, const std::string& place,
                    const TupleFields& fields = {});

/// The spec of a tree; `leaf` gives those of the leaves, in order. Types are those of TorchScript:
/// a list or dict with members of several types holds anything.
ValueSpec spec_of(const Pytree& tree, const std::function<ValueSpec()>& leaf);

}  // namespace torchship
