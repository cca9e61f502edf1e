#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace torchship {

/// A size as torch.export writes it: a number, a symbol, or an expression of symbols.
///
/// Expressions are kept as far as they are sums of multiples of symbols, which is all that sizes of
/// inputs can be (torch.export.Dim); others have their text alone.
struct SizeExpression {
  std::string text;                           ///< "2*s45 + 1"; empty for a number.
  std::map<std::string, std::int64_t> terms;  ///< Factors by symbol, none of them 0.
  std::int64_t constant = 0;
  bool linear = true;                         ///< Whether terms and constant are all there is.

  std::optional<std::int64_t> number() const {
    return linear && terms.empty() ? std::optional(constant) : std::nullopt;
  }
  /// Whether it is a symbol and nothing else.
  bool is_symbol() const {
    return linear && constant == 0 && terms.size() == 1 && terms.begin()->second == 1;
  }
};

/// Reads an expression in either spelling: sympy's own ("2*s0 + 1"), or that of sympy.srepr, which
/// torch uses from 2.7 on ("Add(Mul(Integer(2), Symbol('s0', integer=True)), Integer(1))").
SizeExpression parse_size(std::string_view text);

}  // namespace torchship
