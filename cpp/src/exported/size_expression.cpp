#include "exported/size_expression.h"

#include <cctype>
#include <charconv>

namespace torchship {
namespace {

constexpr int kDeepest = 100;

using Terms = std::map<std::string, std::int64_t>;

/// A sum of multiples of symbols; nothing where an expression is no such sum, or is too large.
struct Sum {
  Terms terms;
  std::int64_t constant = 0;
};

std::optional<Sum> plus(const Sum& a, const Sum& b) {
  Sum sum = a;
  if (__builtin_add_overflow(a.constant, b.constant, &sum.constant)) return std::nullopt;
  for (const auto& [symbol, factor] : b.terms) {
    std::int64_t& slot = sum.terms[symbol];
    if (__builtin_add_overflow(slot, factor, &slot)) return std::nullopt;
  }
  std::erase_if(sum.terms, [](const auto& term) { return term.second == 0; });
  return sum;
}

std::optional<Sum> scaled(const Sum& sum, std::int64_t by) {
  Sum product = sum;
  if (__builtin_mul_overflow(product.constant, by, &product.constant)) return std::nullopt;
  for (auto& [symbol, factor] : product.terms) {
    if (__builtin_mul_overflow(factor, by, &factor)) return std::nullopt;
  }
  std::erase_if(product.terms, [](const auto& term) { return term.second == 0; });
  return product;
}

std::optional<Sum> times(const Sum& a, const Sum& b) {
  if (a.terms.empty()) return scaled(b, a.constant);
  if (b.terms.empty()) return scaled(a, b.constant);
  return std::nullopt;
}

/// Both spellings: calls such as Add(...), and infix operators between names, numbers and calls.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::optional<Sum> parse() {
    std::optional<Sum> sum = this->sum();
    blanks();
    return at_ == text_.size() ? sum : std::nullopt;
  }

 private:
  void blanks() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }

  bool take(char wanted) {
    blanks();
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  std::optional<Sum> sum() {
    if (++depth_ > kDeepest) return std::nullopt;
    const bool negative = take('-');
    std::optional<Sum> total = product();
    if (total && negative) total = scaled(*total, -1);
    while (total) {
      const bool minus = take('-');
      if (!minus && !take('+')) break;
      std::optional<Sum> next = product();
      if (next && minus) next = scaled(*next, -1);
      total = next ? plus(*total, *next) : std::nullopt;
    }
    --depth_;
    return total;
  }

  std::optional<Sum> product() {
    std::optional<Sum> total = atom();
    while (total && take('*')) {
      const std::optional<Sum> next = atom();
      total = next ? times(*total, *next) : std::nullopt;
    }
    return total;
  }

  std::optional<Sum> atom() {
    blanks();
    if (at_ >= text_.size()) return std::nullopt;
    if (take('(')) {
      std::optional<Sum> inner = sum();
      return take(')') ? inner : std::nullopt;
    }
    const auto letter = static_cast<unsigned char>(text_[at_]);
    if (std::isdigit(letter) != 0) return number();
    if (std::isalpha(letter) == 0 && letter != '_') return std::nullopt;
    const std::string_view name = word();
    if (!take('(')) return Sum{.terms = {{std::string(name), 1}}};
    return call(name);
  }

  std::optional<Sum> number() {
    Sum sum;
    const auto [end, error] =
        std::from_chars(text_.data() + at_, text_.data() + text_.size(), sum.constant);
    if (error != std::errc()) return std::nullopt;
    at_ = static_cast<std::size_t>(end - text_.data());
    return sum;
  }

  std::string_view word() {
    const std::size_t start = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 ||
                                  text_[at_] == '_')) {
      ++at_;
    }
    return text_.substr(start, at_ - start);
  }

  std::optional<Sum> call(std::string_view name) {
    if (name == "Symbol") return symbol();
    if (name != "Add" && name != "Mul" && name != "Integer") return std::nullopt;
    std::optional<Sum> total = Sum{.terms = {}, .constant = name == "Mul" ? 1 : 0};
    while (total) {
      const std::optional<Sum> next = sum();
      if (!next) return std::nullopt;
      total = name == "Mul" ? times(*total, *next) : plus(*total, *next);
      if (take(')')) return total;
      if (!take(',')) return std::nullopt;
    }
    return std::nullopt;
  }

  /// Symbol('s0', positive=True, integer=True): what is assumed of it says nothing new.
  std::optional<Sum> symbol() {
    if (!take('\'')) return std::nullopt;
    const std::string_view name = word();
    if (name.empty() || !take('\'')) return std::nullopt;
    const std::size_t end = text_.find(')', at_);
    if (end == std::string_view::npos) return std::nullopt;
    at_ = end + 1;
    return Sum{.terms = {{std::string(name), 1}}};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

std::string text_of(const Sum& sum) {
  std::string text;
  for (const auto& [symbol, factor] : sum.terms) {
    text += text.empty() ? (factor < 0 ? "-" : "") : (factor < 0 ? " - " : " + ");
    if (factor != 1 && factor != -1) {
      text += std::to_string(factor < 0 ? 0 - static_cast<std::uint64_t>(factor)
                                        : static_cast<std::uint64_t>(factor)) + "*";
    }
    text += symbol;
  }
  if (sum.constant > 0) text += " + " + std::to_string(sum.constant);
  if (sum.constant < 0) {
    text += " - " + std::to_string(0 - static_cast<std::uint64_t>(sum.constant));
  }
  return text;
}

}  // namespace

SizeExpression parse_size(std::string_view text) {
  SizeExpression size;
  const std::optional<Sum> sum = Parser(text).parse();
  if (!sum) {
    size.text = text;
    size.linear = false;
    return size;
  }
  size.terms = sum->terms;
  size.constant = sum->constant;
  if (!sum->terms.empty()) size.text = text_of(*sum);
  return size;
}

}  // namespace torchship
