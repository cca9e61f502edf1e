#include "exported/guards.h"

#include <array>
#include <cctype>
#include <charconv>

namespace torchship {
namespace {

using Expression = GuardExpression;
using Maybe = std::optional<GuardExpression>;

constexpr int kDeepest = 100;

Maybe made(std::string operation, std::vector<Expression> operands) {
  Expression expression;
  expression.kind = Expression::Kind::operation;
  expression.operation = std::move(operation);
  expression.operands = std::move(operands);
  return expression;
}

/// Python's grammar, as far as torch writes it: the looser an operator binds, the earlier its rule.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Maybe parse() {
    Maybe whole = either();
    blanks();
    return at_ == text_.size() ? whole : std::nullopt;
  }

 private:
  void blanks() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }

  bool take(std::string_view wanted) {
    blanks();
    if (!text_.substr(at_).starts_with(wanted)) return false;
    const bool is_word = std::isalpha(static_cast<unsigned char>(wanted.back())) != 0;
    const std::size_t end = at_ + wanted.size();
    if (is_word && end < text_.size() && std::isalnum(static_cast<unsigned char>(text_[end])) != 0) {
      return false;
    }
    at_ = end;
    return true;
  }

  /// `part op part op part`, from the left.
  template <std::size_t Count>
  Maybe chain(const std::array<std::string_view, Count>& operations, Maybe (Parser::*part)()) {
    Maybe left = (this->*part)();
    while (left) {
      std::string_view found;
      for (const std::string_view each : operations) {
        if (found.empty() && take(each)) found = each;
      }
      if (found.empty()) break;
      Maybe right = (this->*part)();
      if (!right) return std::nullopt;
      left = made(std::string(found), {std::move(*left), std::move(*right)});
    }
    return left;
  }

  Maybe either() {
    if (++depth_ > kDeepest) return std::nullopt;
    Maybe expression = chain(std::array<std::string_view, 1>{"or"}, &Parser::both);
    --depth_;
    return expression;
  }

  Maybe both() { return chain(std::array<std::string_view, 1>{"and"}, &Parser::negation); }

  Maybe negation() {
    if (!take("not")) return comparison();
    if (++depth_ > kDeepest) return std::nullopt;
    Maybe inner = negation();
    --depth_;
    return inner ? made("not", {std::move(*inner)}) : std::nullopt;
  }

  Maybe comparison() {
    Maybe left = sum();
    if (!left) return std::nullopt;
    for (const std::string_view each : {"==", "!=", "<=", ">=", "<", ">"}) {
      if (!take(each)) continue;
      Maybe right = sum();
      return right ? made(std::string(each), {std::move(*left), std::move(*right)}) : std::nullopt;
    }
    return left;
  }

  Maybe sum() { return chain(std::array<std::string_view, 2>{"+", "-"}, &Parser::product); }

  Maybe product() {
    return chain(std::array<std::string_view, 3>{"*", "//", "%"}, &Parser::factor);
  }

  Maybe factor() {
    if (!take("-")) return atom();
    if (++depth_ > kDeepest) return std::nullopt;
    Maybe inner = factor();
    --depth_;
    return inner ? made("neg", {std::move(*inner)}) : std::nullopt;
  }

  Maybe atom() {
    blanks();
    if (take("(")) {
      Maybe inner = either();
      return take(")") ? inner : std::nullopt;
    }
    for (const char* function : {"min", "max"}) {
      if (take(function)) return call(function);
    }
    if (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])) != 0) {
      Expression expression;
      const std::optional<std::int64_t> read = number();
      if (!read) return std::nullopt;
      expression.number = *read;
      return expression;
    }
    return take("L") ? input() : std::nullopt;
  }

  Maybe call(const std::string& function) {
    if (!take("(")) return std::nullopt;
    std::vector<Expression> operands;
    do {
      Maybe operand = either();
      if (!operand) return std::nullopt;
      operands.push_back(std::move(*operand));
    } while (take(","));
    return take(")") && operands.size() == 2 ? made(function, std::move(operands)) : std::nullopt;
  }

  std::optional<std::int64_t> number() {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc()) return std::nullopt;
    at_ = static_cast<std::size_t>(end - text_.data());
    return value;
  }

  /// ['x'][0].size()[1]
  Maybe input() {
    Expression expression;
    expression.kind = Expression::Kind::value;
    expression.path = "L";
    while (at_ < text_.size() && text_[at_] == '[') {
      const std::size_t end = text_.find(']', at_);
      if (end == std::string_view::npos) return std::nullopt;
      expression.path += text_.substr(at_, end + 1 - at_);
      at_ = end + 1;
    }
    constexpr std::string_view kSize = ".size()[";
    if (!text_.substr(at_).starts_with(kSize)) return expression;
    at_ += kSize.size();
    const std::optional<std::int64_t> dimension = number();
    if (!dimension || !take("]")) return std::nullopt;
    expression.kind = Expression::Kind::size;
    expression.number = *dimension;
    return expression;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

std::optional<GuardExpression> parse_guard(std::string_view text) { return Parser(text).parse(); }

}  // namespace torchship
