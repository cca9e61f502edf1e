#include "torchscript/text_guard.h"

#include <algorithm>
#include <limits>
#include <set>
#include <string_view>
#include <unordered_map>

#include <torch/csrc/jit/frontend/parser.h>
#include <torch/csrc/jit/frontend/tree_views.h>
#include <torchship/error.h>

namespace torchship {
namespace {

namespace jit = torch::jit;

constexpr double kLongest = 16 << 20;
constexpr double kNumber = 64;  ///< Characters of a number.
constexpr double kEndless = std::numeric_limits<double>::infinity();

/// Operators whose result is a text, by how long it can be.
const std::set<std::string_view> kSums = {
    "add",   "lower", "upper", "swapcase", "capitalize", "title", "strip", "lstrip",
    "rstrip", "slice", "annotate", "unchecked_cast", "__getitem__"};
/// Each argument takes the place of one mark: a text as it is, a number as a few digits.
const std::set<std::string_view> kFormats = {"format", "percentFormat"};
const std::set<std::string_view> kProducts = {"replace", "join"};
const std::set<std::string_view> kWidths = {"ljust", "rjust", "center", "zfill", "expandtabs"};
const std::set<std::string_view> kNumbers = {"str", "hex", "oct", "bin", "chr"};

/// Bounds the lengths of the texts of one function that may be constants; 0 for what is no text, or
/// none that is known before the function runs.
class TextMeter {
 public:
  /// `attribute` bounds what `self.name` may be.
  explicit TextMeter(double attribute) : attribute_(attribute) {}

  /// False where a text can become too long.
  bool take(const jit::TreeRef& tree) {
    if (tree->isAtom()) return true;
    if (tree->kind() == jit::TK_ASSIGN && jit::Assign(tree).rhs().present()) {
      const double length = of(jit::Assign(tree).rhs().get().tree());
      for (const jit::Expr& target : jit::Assign(tree).lhs_list()) assign(target.tree(), length);
      return length <= kLongest;
    }
    if (tree->kind() == jit::TK_AUG_ASSIGN) {
      const double length = of(tree->trees().front()) + of(tree->trees().back());
      assign(tree->trees().front(), length);
      return length <= kLongest;
    }
    if (tree->kind() == jit::TK_APPLY || tree->kind() == jit::TK_EXPR_STMT) {
      return of(tree) <= kLongest;
    }
    return std::all_of(tree->trees().begin(), tree->trees().end(),
                       [&](const jit::TreeRef& inner) { return take(inner); });
  }

  double of(const jit::TreeRef& tree) {
    if (tree->isAtom()) return 0;
    switch (tree->kind()) {
      case jit::TK_STRINGLITERAL:
        return static_cast<double>(jit::StringLiteral(tree).text().size());
      case jit::TK_VAR: return variable(jit::Var(tree).name().name());
      case jit::TK_APPLY: return call(jit::Apply(tree));
      case '.': return attribute_;
      case '%': return sum(tree->trees()) + (of(tree->trees()[0]) > 0 ? kNumber : 0);
      default: return sum(tree->trees());
    }
  }

 private:
  void assign(const jit::TreeRef& target, double length) {
    if (target->kind() == jit::TK_VAR) {
      double& known = lengths_[jit::Var(target).name().name()];
      known = std::max(known, length);
    } else if (!target->isAtom()) {
      for (const jit::TreeRef& inner : target->trees()) assign(inner, length);
    }
  }

  double variable(const std::string& name) const {
    const auto known = lengths_.find(name);
    return known == lengths_.end() ? 0 : known->second;
  }

  double sum(const jit::TreeList& trees) {
    double length = 0;
    for (const jit::TreeRef& tree : trees) length += of(tree);
    return length;
  }

  /// `torch.add(a, b)` as PyTorch writes it, and `a.replace(b, c)`.
  double call(const jit::Apply& apply) {
    const jit::TreeRef callee = apply.callee().tree();
    std::string name;
    double first = 0;
    if (callee->kind() == '.') {
      name = jit::Select(callee).selector().name();
      const jit::TreeRef base = jit::Select(callee).value().tree();
      first = base->kind() == '.' ? 0 : of(base);
    } else if (callee->kind() == jit::TK_VAR) {
      name = jit::Var(callee).name().name();
    }
    double rest = sum(apply.inputs().tree()->trees());
    if (first == 0 && !apply.inputs().empty()) {
      first = of(apply.inputs()[0].tree());
      rest -= first;
    }
    const double texts = first + rest;
    if (kNumbers.contains(name)) return texts + kNumber;
    if (kFormats.contains(name)) {
      return texts + kNumber * static_cast<double>(apply.inputs().size());
    }
    if (kSums.contains(name)) return texts;
    if (kProducts.contains(name)) return (1 + first) * (1 + rest) - 1;
    if (kWidths.contains(name) && texts > 0) return texts * width(apply);
    return 0;
  }

  /// The largest number among the arguments; endless where one is no literal.
  static double width(const jit::Apply& apply) {
    double largest = 8;  // Of a tab.
    for (const jit::Expr& argument : apply.inputs()) {
      if (argument.kind() == jit::TK_CONST) {
        largest = std::max(largest, jit::Const(argument).asFloatingPoint());
      } else if (argument.kind() != jit::TK_STRINGLITERAL) {
        return kEndless;
      }
    }
    return largest;
  }

  double attribute_;
  std::unordered_map<std::string, double> lengths_;
};

/// The texts that a class has as constants.
double constant_texts(const jit::ClassDef& tree) {
  double longest = 0;
  for (const jit::Stmt& statement : tree.body()) {
    if (statement.kind() != jit::TK_ASSIGN || !jit::Assign(statement).rhs().present()) continue;
    const jit::Expr value = jit::Assign(statement).rhs().get();
    if (value.kind() == jit::TK_STRINGLITERAL) {
      longest = std::max(longest, static_cast<double>(jit::StringLiteral(value).text().size()));
    }
  }
  return longest;
}

bool grows(const jit::Def& function, double attribute) {
  return !TextMeter(attribute).take(function.statements().tree());
}

bool grows(const jit::ClassDef& tree) {
  const double attribute = constant_texts(tree);
  for (const jit::Stmt& statement : tree.body()) {
    if (statement.kind() == jit::TK_DEF && grows(jit::Def(statement), attribute)) return true;
  }
  return false;
}

}  // namespace

void refuse_growing_texts(const std::shared_ptr<jit::Source>& code, const std::string& place) {
  jit::Parser parser(code);
  jit::Lexer& lexer = parser.lexer();
  bool found = false;
  while (!found && lexer.cur().kind != jit::TK_EOF) {
    if (lexer.cur().kind == jit::TK_CLASS_DEF) {
      found = grows(jit::ClassDef(parser.parseClass()));
    } else if (lexer.cur().kind == jit::TK_DEF) {
      found = grows(jit::Def(parser.parseFunction(/*is_method=*/false)), 0);
    } else {
      lexer.next();  // Version and import lines of the first archives.
    }
  }
  if (found) {
    throw ArchiveError(place + ": its code makes a text of more than 16 MiB while it is compiled",
                       "The file is made to deceive.");
  }
}

}  // namespace torchship
