#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace torchship {

/// A pickle taken apart without running any of it: a tree of nodes, children by index.
///
/// Reads the opcodes that PyTorch's own pickler writes (torch/csrc/jit/serialization/pickler.h).
/// Nothing is imported, called or built: classes and functions are names. Memory is bounded by a
/// multiple of the pickle's size, and so is the work of walking the tree: values may be shared, but
/// no value holds itself, and nesting is limited.
class Pickle {
 public:
  enum class Type : std::uint8_t {
    none, boolean, integer, floating, string,
    global,      ///< text = "module name"
    tuple, list,
    dict,        ///< children: key, value, key, value, ...
    call,        ///< children: callable, arguments
    object,      ///< children: class, then the state if there is one
    persistent,  ///< children: the persistent id
  };

  struct Node {
    Type type = Type::none;
    std::int64_t integer = 0;  ///< Of an integer or a boolean.
    double floating = 0;
    std::string text;
    std::vector<std::size_t> children;
  };

  /// How often values may be met again in one tree. Who walks a tree wants it bounded; the source
  /// positions of a long function refer to the same text once for each of its operators.
  enum class Sharing : std::uint8_t { bounded, any };

  /// Throws ArchiveError naming `source` when the bytes are no pickle, or one that PyTorch does not
  /// write.
  Pickle(std::string_view bytes, const std::string& source, Sharing sharing = Sharing::bounded);

  const Node& root() const { return nodes_[root_]; }
  const Node& operator[](std::size_t index) const { return nodes_[index]; }
  /// How many nodes there are, also such that the root does not lead to.
  std::size_t size() const { return nodes_.size(); }

 private:
  friend class PickleReader;
  std::vector<Node> nodes_;
  std::size_t root_ = 0;
};

}  // namespace torchship
