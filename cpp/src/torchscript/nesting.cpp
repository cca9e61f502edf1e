#include "torchscript/nesting.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include <torch/csrc/jit/frontend/lexer.h>
#include <torchship/error.h>

#include "torchscript/message.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

constexpr std::size_t kDeepest = 500;   ///< Brackets and blocks that are open at once.
constexpr std::size_t kLongest = 2000;  ///< Words and operators of one expression without a comma.

/// Follows brackets, blocks and the lengths of expressions, token by token.
class NestingMeter {
 public:
  /// False where the nesting is too deep.
  bool take(int kind) {
    switch (kind) {
      case '(':
      case '[':
      case '{': lengths_.push_back(0); break;
      case ')':
      case ']':
      case '}':
        if (lengths_.size() > 1) lengths_.pop_back();
        break;
      case ',':
      case jit::TK_NEWLINE: lengths_.back() = 0; break;
      case jit::TK_INDENT: ++blocks_; break;
      case jit::TK_DEDENT: blocks_ -= blocks_ > 0 ? 1 : 0; break;
      case jit::TK_DEF: branches_ = 0; break;
      case jit::TK_ELIF: ++branches_; break;  // One more block inside the one before.
      default: ++lengths_.back(); break;
    }
    return lengths_.size() + blocks_ + branches_ <= kDeepest && lengths_.back() <= kLongest;
  }

 private:
  std::vector<std::size_t> lengths_{0};  ///< Of the expressions inside each open bracket.
  std::size_t blocks_ = 0;
  std::size_t branches_ = 0;
};

/// Whether there are fewer words than may be nested: most classes are short.
bool is_short(std::string_view code) {
  const auto opens = [](char c) { return c == '(' || c == '[' || c == '{' || c == '\n'; };
  return code.size() <= kLongest &&
         static_cast<std::size_t>(std::count_if(code.begin(), code.end(), opens)) < kDeepest;
}

}  // namespace

void refuse_deep_nesting(const std::string& code, const std::string& place) {
  if (is_short(code)) return;
  try {
    NestingMeter meter;
    jit::Lexer lexer(std::make_shared<jit::Source>(code));
    while (lexer.cur().kind != jit::TK_EOF) {
      if (!meter.take(lexer.next().kind)) {
        throw ArchiveError(place + ": its code is nested deeper than any that PyTorch writes");
      }
    }
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw ArchiveError(place + ": cannot be parsed: " + explain(error).text);
  }
}

}  // namespace torchship
