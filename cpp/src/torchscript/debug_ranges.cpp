#include "torchscript/debug_ranges.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "archive/pickle.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

using Node = Pickle::Node;
using Type = Pickle::Type;

/// A piece of the user's source or, for traced code, the list of Python's frames.
struct Origin {
  std::vector<std::size_t> texts;  ///< Indices into the texts that make it up.
  std::optional<std::string> file;  ///< May be empty, which LibTorch prints as ":0:0".
  std::size_t line = 0;
};

struct Range {
  std::size_t code = 0;    ///< Where in the code it begins to hold.
  std::size_t origin = 0;  ///< Index.
  std::size_t start = 0;
  std::size_t end = 0;
};

struct Record {
  std::vector<std::string> texts;
  std::vector<Origin> origins;
  std::vector<Range> ranges;
};

/// Either ("FORMAT_WITH_STRING_TABLE", (text, ...), ((offset, range, tag), ...)) or, in the files
/// of PyTorch before 1.10, ((offset, range), ...) or ((offset, tag, range), ...). A range is
/// (source, start, end); a source is ([texts], text of its name, line) or (text, name, line).
class RecordReader {
 public:
  explicit RecordReader(const Pickle& pickle) : pickle_(pickle) {}

  Record read() {
    const Node& root = pickle_.root();
    has_table_ = child(root, 0).text == "FORMAT_WITH_STRING_TABLE";
    if (has_table_) {
      for (const std::size_t text : child(root, 1).children) {
        record_.texts.push_back(pickle_[text].text);
      }
    }
    for (const std::size_t entry : (has_table_ ? child(root, 2) : root).children) {
      add_range(pickle_[entry]);
    }
    std::stable_sort(record_.ranges.begin(), record_.ranges.end(),
                     [](const Range& a, const Range& b) { return a.code < b.code; });
    return std::move(record_);
  }

 private:
  const Node& child(const Node& node, std::size_t index) const {
    static const Node kNothing;
    return index < node.children.size() ? pickle_[node.children[index]] : kNothing;
  }

  static std::size_t number(const Node& node) {
    return static_cast<std::size_t>(std::max<std::int64_t>(node.integer, 0));
  }

  void add_range(const Node& entry) {
    const Node& second = child(entry, 1);
    const Node& range = second.type == Type::tuple ? second : child(entry, 2);
    if (range.children.size() != 3) return;
    record_.ranges.push_back({.code = number(child(entry, 0)),
                              .origin = origin_of(range.children[0]),
                              .start = number(child(range, 1)),
                              .end = number(child(range, 2))});
  }

  /// All operators of a function refer to one and the same source.
  std::size_t origin_of(std::size_t identity) {
    const auto [known, is_new] = numbers_.try_emplace(identity, record_.origins.size());
    if (is_new) record_.origins.push_back(read_origin(pickle_[identity]));
    return known->second;
  }

  Origin read_origin(const Node& source) {
    Origin origin{.texts = {}, .file = {}, .line = number(child(source, 2))};
    if (!has_table_) {
      origin.texts.push_back(record_.texts.size());
      record_.texts.push_back(child(source, 0).text);
      if (!child(source, 1).text.empty()) origin.file = child(source, 1).text;
      return origin;
    }
    const Node& arguments = child(child(source, 0), 1);  // Of build_intlist.
    for (const std::size_t index : child(arguments, 0).children) {
      origin.texts.push_back(number(pickle_[index]));
    }
    const std::size_t file = number(child(source, 1));
    origin.file = file < record_.texts.size() ? record_.texts[file] : std::string();
    return origin;
  }

  const Pickle& pickle_;
  bool has_table_ = false;
  std::unordered_map<std::size_t, std::size_t> numbers_;  ///< Of the origins, by pickle node.
  Record record_;
};

/// Texts are put together when one is asked for: written out, they can be many times the file.
class DebugRanges final : public jit::SourceRangeUnpickler {
 public:
  explicit DebugRanges(Record record) : record_(std::move(record)) {}

  std::optional<jit::SourceRange> findSourceRangeThatGenerated(
      const jit::SourceRange& range) override {
    const auto after = std::upper_bound(
        record_.ranges.begin(), record_.ranges.end(), range.start(),
        [](std::size_t code, const Range& each) { return code < each.code; });
    if (after == record_.ranges.begin()) return std::nullopt;
    const Range& found = *(after - 1);
    std::shared_ptr<jit::Source> source = source_of(record_.origins[found.origin]);
    const std::size_t end = std::min(found.end, source->size());
    return jit::SourceRange(std::move(source), std::min(found.start, end), end);
  }

 private:
  std::shared_ptr<jit::Source> source_of(const Origin& origin) const {
    constexpr std::size_t kLongest = 16 << 20;
    std::string text;
    for (const std::size_t index : origin.texts) {
      if (index < record_.texts.size() && text.size() + record_.texts[index].size() <= kLongest) {
        text += record_.texts[index];
      }
    }
    return std::make_shared<jit::Source>(text, origin.file, origin.line);
  }

  Record record_;
};

}  // namespace

std::shared_ptr<jit::SourceRangeUnpickler> read_debug_ranges(const std::string& pickle,
                                                             const std::string& place) {
  const Pickle tree(pickle, place, Pickle::Sharing::any);
  return std::make_shared<DebugRanges>(RecordReader(tree).read());
}

}  // namespace torchship
