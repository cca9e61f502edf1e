#include "torchscript/source_range_guard.h"

#include <cstdint>
#include <unordered_map>
#include <vector>

#include <torchship/error.h>

#include "archive/pickle.h"

namespace torchship {
namespace {

using Node = Pickle::Node;
using Type = Pickle::Type;

/// Checks ("FORMAT_WITH_STRING_TABLE", (text, ...), ((offset, range, tag), ...)), where a range is
/// (source, start, end) and a source ([texts that make it up], text of its name, line).
class SourceRangeGuard {
 public:
  SourceRangeGuard(const Pickle& pickle, const std::string& place)
      : pickle_(pickle), place_(place), texts_(child(pickle.root(), 1).children) {}

  void check() {
    for (const std::size_t entry : child(pickle_.root(), 2).children) {
      const Node& range = child(pickle_[entry], 1);
      const Node& source = child(range, 0);
      const std::size_t identity = range.children[0];
      number(child(source, 1), texts_.size());
      // One beyond the end is what PyTorch itself writes where there is no text.
      const std::uint64_t end = number(child(range, 2), length_of(identity, source) + 2);
      number(child(range, 1), end + 1);
    }
  }

 private:
  [[noreturn]] void refuse() const {
    throw ArchiveError(place_ + ": its source positions lead nowhere");
  }

  const Node& child(const Node& node, std::size_t index) const {
    if (index >= node.children.size()) refuse();
    return pickle_[node.children[index]];
  }

  std::uint64_t number(const Node& node, std::uint64_t limit) const {
    if (node.type != Type::integer || node.integer < 0) refuse();
    const auto value = static_cast<std::uint64_t>(node.integer);
    if (value >= limit) refuse();
    return value;
  }

  /// All operators of a file refer to the same few sources.
  std::uint64_t length_of(std::size_t identity, const Node& source) {
    const auto [known, is_new] = lengths_.try_emplace(identity, 0);
    if (is_new) known->second = length_of(source);
    return known->second;
  }

  std::uint64_t length_of(const Node& source) const {
    const Node& arguments = child(child(source, 0), 1);  // Of build_intlist.
    std::uint64_t length = 0;
    for (const std::size_t index : child(arguments, 0).children) {
      length += pickle_[texts_[number(pickle_[index], texts_.size())]].text.size();
    }
    return length;
  }

  const Pickle& pickle_;
  const std::string& place_;
  const std::vector<std::size_t>& texts_;
  std::unordered_map<std::size_t, std::uint64_t> lengths_;
};

}  // namespace

void guard_source_ranges(const std::string& bytes, const std::string& place) {
  const Pickle pickle(bytes, place, Pickle::Sharing::any);
  for (std::size_t i = 0; i < pickle.size(); ++i) {
    const Node& node = pickle[i];
    const bool list = node.text == "torch.jit._pickle build_intlist";
    if (node.type == Type::persistent || (node.type == Type::global && !list)) {
      throw ArchiveError(place + ": holds something else than source positions");
    }
  }
  const Node& root = pickle.root();
  if (!root.children.empty() && pickle[root.children[0]].text == "FORMAT_WITH_STRING_TABLE") {
    SourceRangeGuard(pickle, place).check();
  }
}

}  // namespace torchship
