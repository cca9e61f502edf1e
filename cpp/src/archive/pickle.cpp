#include "archive/pickle.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <unordered_map>

#include <torchship/error.h>

namespace torchship {

/// The pickle machine: a stack of node indices, marks and a memo.
class PickleReader {
 public:
  PickleReader(Pickle& pickle, std::string_view bytes, const std::string& source)
      : nodes_(pickle.nodes_), bytes_(bytes), source_(source) {}

  std::size_t run() {
    while (!step(byte())) {
    }
    return pop();
  }

 private:
  using Type = Pickle::Type;
  using Node = Pickle::Node;

  [[noreturn]] void fail(const std::string& why) const {
    throw ArchiveError(source_ + ": damaged pickle at byte " + std::to_string(at_) + ": " + why);
  }

  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size() - at_) {
      fail("it ends too early");
    }
    const std::string_view taken = bytes_.substr(at_, count);
    at_ += count;
    return taken;
  }

  std::uint8_t byte() { return static_cast<std::uint8_t>(take(1)[0]); }

  std::uint64_t little_endian(std::size_t width) {
    std::uint64_t value = 0;
    const std::string_view raw = take(width);
    for (std::size_t i = 0; i < width; ++i) {
      value |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(raw[i])) << (8 * i);
    }
    return value;
  }

  std::string_view line() {
    const std::size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) {
      fail("a line does not end");
    }
    const std::string_view taken = take(end - at_);
    take(1);
    return taken;
  }

  std::size_t pop() {
    if (stack_.empty() || (!marks_.empty() && stack_.size() <= marks_.back())) {
      fail("its stack is empty");
    }
    const std::size_t top = stack_.back();
    stack_.pop_back();
    return top;
  }

  Node& top() {
    if (stack_.empty()) {
      fail("its stack is empty");
    }
    return nodes_[stack_.back()];
  }

  void push(Node node) {
    stack_.push_back(nodes_.size());
    nodes_.push_back(std::move(node));
  }

  void push_integer(std::int64_t value, Type type = Type::integer) {
    push(Node{.type = type, .integer = value, .floating = 0, .text = {}, .children = {}});
  }

  void push_text(std::string_view text, Type type = Type::string) {
    push(Node{.type = type, .integer = 0, .floating = 0, .text = std::string(text), .children = {}});
  }

  void push_parent(Type type, std::vector<std::size_t> children) {
    push(Node{.type = type, .integer = 0, .floating = 0, .text = {},
              .children = std::move(children)});
  }

  /// Everything above the last mark.
  std::vector<std::size_t> pop_marked() {
    if (marks_.empty() || marks_.back() > stack_.size()) {
      fail("a mark is missing");
    }
    std::vector<std::size_t> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()),
                                   stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }

  void push_tuple(std::size_t count) {
    std::vector<std::size_t> items(count);
    for (std::size_t i = count; i-- > 0;) {
      items[i] = pop();
    }
    push_parent(Type::tuple, std::move(items));
  }

  /// The two topmost items become children of a new node.
  void push_pair(Type type) {
    const std::size_t second = pop();
    const std::size_t first = pop();
    push_parent(type, {first, second});
  }

  void extend(Type wanted, const std::vector<std::size_t>& items) {
    Node& target = top();
    // A dict or list may be a restored one: REDUCE wraps its class; the items are kept either way.
    if (target.type != wanted && target.type != Type::call && target.type != Type::object) {
      fail("items for something that holds none");
    }
    target.children.insert(target.children.end(), items.begin(), items.end());
  }

  void build() {
    const std::size_t state = pop();
    Node& target = top();
    if (target.type != Type::object && target.type != Type::call) {
      fail("a state for something that is no object");
    }
    target.children.push_back(state);
  }

  void push_memo(std::uint64_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) {
      fail("it refers to something it did not define");
    }
    stack_.push_back(found->second);
  }

  void store_memo(std::uint64_t key) {
    // LibTorch keeps its memo in an array as long as the largest key.
    if (key > bytes_.size() + 0xffff) {
      fail("a memo of the number " + std::to_string(key));
    }
    if (stack_.empty()) {
      fail("its stack is empty");
    }
    memo_[key] = stack_.back();
  }

  void push_global() {
    std::string name(line());
    name += ' ';
    name += line();
    push_text(name, Type::global);
  }

  void push_double() {
    std::uint64_t bits = 0;
    for (const char raw : take(8)) {
      bits = (bits << 8) | static_cast<std::uint8_t>(raw);
    }
    push(Node{.type = Type::floating, .integer = 0, .floating = std::bit_cast<double>(bits),
              .text = {}, .children = {}});
  }

  void push_long() {
    const std::size_t width = byte();
    if (width > 8) {
      fail("an integer of more than 64 bits");
    }
    std::uint64_t value = little_endian(width);
    if (width > 0 && width < 8 && (value >> (8 * width - 1)) != 0) {
      value |= ~std::uint64_t{0} << (8 * width);
    }
    push_integer(static_cast<std::int64_t>(value));
  }

  /// Runs one opcode; true at the end of the pickle.
  bool step(std::uint8_t opcode) {
    switch (opcode) {
      case 0x80: take(1); break;                                            // PROTO
      case '.': return true;                                                // STOP
      case '(': marks_.push_back(stack_.size()); break;                     // MARK
      case 'N': push_parent(Type::none, {}); break;                         // NONE
      case 0x88: push_integer(1, Type::boolean); break;                     // NEWTRUE
      case 0x89: push_integer(0, Type::boolean); break;                     // NEWFALSE
      case 'J': push_integer(static_cast<std::int32_t>(little_endian(4))); break;  // BININT
      case 'K': push_integer(byte()); break;                                // BININT1
      case 'M': push_integer(static_cast<std::int64_t>(little_endian(2))); break;  // BININT2
      case 0x8a: push_long(); break;                                        // LONG1
      case 'G': push_double(); break;                                       // BINFLOAT
      case 'X': push_text(take(little_endian(4))); break;                   // BINUNICODE
      case 0x8d: push_text(take(little_endian(8))); break;                  // BINUNICODE8
      case 'T': push_text(take(little_endian(4))); break;                   // BINSTRING
      case 'U': push_text(take(byte())); break;                             // SHORT_BINSTRING
      case 'c': push_global(); break;                                       // GLOBAL
      case ')': push_parent(Type::tuple, {}); break;                        // EMPTY_TUPLE
      case 't': push_parent(Type::tuple, pop_marked()); break;              // TUPLE
      case 0x85: push_tuple(1); break;                                      // TUPLE1
      case 0x86: push_tuple(2); break;                                      // TUPLE2
      case 0x87: push_tuple(3); break;                                      // TUPLE3
      case ']': push_parent(Type::list, {}); break;                         // EMPTY_LIST
      case '}': push_parent(Type::dict, {}); break;                         // EMPTY_DICT
      case 'e': extend(Type::list, pop_marked()); break;                    // APPENDS
      case 'a': { const std::size_t item = pop(); extend(Type::list, {item}); break; }  // APPEND
      case 'u': extend(Type::dict, pop_marked()); break;                    // SETITEMS
      case 's': {                                                           // SETITEM
        const std::size_t value = pop();
        const std::size_t key = pop();
        extend(Type::dict, {key, value});
        break;
      }
      case 'R': push_pair(Type::call); break;                               // REDUCE
      case 0x81: { pop(); push_parent(Type::object, {pop()}); break; }      // NEWOBJ
      case 'b': build(); break;                                             // BUILD
      case 'Q': push_parent(Type::persistent, {pop()}); break;              // BINPERSID
      case 'q': store_memo(byte()); break;                                  // BINPUT
      case 'r': store_memo(little_endian(4)); break;                        // LONG_BINPUT
      case 'h': push_memo(byte()); break;                                   // BINGET
      case 'j': push_memo(little_endian(4)); break;                         // LONG_BINGET
      case '0': pop(); break;                                               // POP
      default: fail("an opcode that PyTorch does not write: " + std::to_string(opcode));
    }
    return false;
  }

  std::vector<Node>& nodes_;
  std::string_view bytes_;
  const std::string& source_;
  std::size_t at_ = 0;
  std::vector<std::size_t> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, std::size_t> memo_;
};

/// Measures the trees of all nodes, once each, without recursion.
class PickleMeter {
 public:
  PickleMeter(const Pickle& pickle, Pickle::Sharing sharing)
      : pickle_(pickle),
        most_(sharing == Pickle::Sharing::any ? std::numeric_limits<std::size_t>::max() : kMostMet),
        trees_(pickle.size()) {}

  /// What is wrong with the tree below any node; empty if nothing is.
  std::string_view fault() {
    for (std::size_t node = 0; node < pickle_.size(); ++node) {
      if (const std::string_view fault = measure(node); !fault.empty()) {
        return fault;
      }
    }
    return {};
  }

 private:
  struct Tree {
    std::size_t height = 0;  ///< 0 until it is known.
    std::size_t count = 1;   ///< Nodes, shared ones as often as they are met.
    std::size_t next = 0;    ///< The child to look at next.
    bool open = false;       ///< On the way down to the current node.
  };

  std::string_view measure(std::size_t node) {
    std::vector<std::size_t> path;
    const auto enter = [&](std::size_t index) {
      trees_[index].open = true;
      path.push_back(index);
    };
    if (trees_[node].height == 0) enter(node);
    while (!path.empty()) {
      Tree& tree = trees_[path.back()];
      const std::vector<std::size_t>& children = pickle_[path.back()].children;
      if (tree.next == children.size()) {
        tree.height += 1;
        tree.open = false;
        path.pop_back();
        continue;
      }
      const Tree& child = trees_[children[tree.next]];
      if (child.open) return "a value holds itself";
      if (child.height == 0) {
        enter(children[tree.next]);
        continue;
      }
      add(tree, child);
      if (tree.height >= kDeepest) return "its values are nested too deep";
      if (tree.count > most_) return "its values repeat too often";
      tree.next += 1;
    }
    return {};
  }

  static void add(Tree& tree, const Tree& child) {
    tree.height = std::max(tree.height, child.height);
    tree.count = std::min(tree.count + child.count, std::numeric_limits<std::size_t>::max() / 2);
  }

  static constexpr std::size_t kDeepest = 1000;
  static constexpr std::size_t kMostMet = 50'000'000;

  const Pickle& pickle_;
  std::size_t most_;
  std::vector<Tree> trees_;
};

Pickle::Pickle(std::string_view bytes, const std::string& source, Sharing sharing) {
  root_ = PickleReader(*this, bytes, source).run();
  if (const std::string_view fault = PickleMeter(*this, sharing).fault(); !fault.empty()) {
    throw ArchiveError(source + ": damaged pickle: " + std::string(fault));
  }
}

}  // namespace torchship
