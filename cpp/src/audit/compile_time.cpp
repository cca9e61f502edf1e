#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include <torch/csrc/jit/frontend/parser.h>
#include <torch/csrc/jit/frontend/tree_views.h>
#include <torchship/error.h>

#include "archive/pickle.h"
#include "audit/audit.h"
#include "torchscript/code_units.h"
#include "torchscript/message.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

using namespace std::string_view_literals;

constexpr std::uint64_t kLargestText = 16 << 20;  ///< Bytes that the compiler may compute beforehand.
constexpr std::uint64_t kLargestType = 1 << 12;   ///< Parts of a tuple, its tuples' parts included.

/// What the compiler knows of a value: how large it is when it can be computed beforehand, which
/// LibTorch does with numbers, strings and tuples of them; and of how many parts its type is.
struct Extent {
  std::optional<std::uint64_t> constant;
  std::uint64_t parts = 1;
  bool text = false;  ///< Whether a string is in it.
};

std::uint64_t plus(std::uint64_t a, std::uint64_t b) {
  std::uint64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

std::uint64_t times(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

/// The name of a call's function: "join" of `x.join(y)`, "annotate" of `annotate(T, x)`.
std::string callee_name(const jit::Apply& call) {
  const jit::Expr callee = call.callee();
  if (callee.kind() == jit::TK_VAR) return jit::Var(callee).name().name();
  if (callee.kind() == '.') return jit::Select(callee).selector().name();
  return {};
}

/// Values that are there as they are written, so that nothing is computed to have them.
bool is_literal(const jit::TreeRef& tree) {
  const auto all = [](const jit::TreeRef& parent) {
    return std::all_of(parent->trees().begin(), parent->trees().end(), is_literal);
  };
  switch (tree->kind()) {
    case jit::TK_CONST:
    case jit::TK_STRINGLITERAL:
    case jit::TK_TRUE:
    case jit::TK_FALSE:
    case jit::TK_NONE: return true;
    case jit::TK_UNARY_MINUS:
    case jit::TK_LIST:
    case jit::TK_LIST_LITERAL:
    case jit::TK_TUPLE_LITERAL:
    case jit::TK_DICT_LITERAL: return all(tree);
    case jit::TK_VAR: {
      constexpr std::array kNumbers = {"inf"sv, "nan"sv, "infj"sv, "nanj"sv, "__torch__"sv};
      return std::find(kNumbers.begin(), kNumbers.end(), jit::Var(tree).name().name()) !=
             kNumbers.end();
    }
    case '.': return is_literal(jit::Select(tree).value().tree());  // __torch__.Colour.RED
    case jit::TK_APPLY: {
      const jit::Apply call(tree);
      const std::string name = callee_name(call);
      const bool method = call.callee().kind() == '.';
      const bool device = method && name == "device" &&
                          jit::Select(call.callee()).value().kind() == jit::TK_VAR &&
                          jit::Var(jit::Select(call.callee()).value()).name().name() == "torch";
      const bool typed = !method && name == "annotate" && call.inputs().size() == 2;
      const bool number = !method && (name == "float" || name == "complex" || name == "int");
      if (!(device || typed || number) || !call.attributes().empty()) return false;
      if (typed) return is_literal(call.inputs()[1].tree());
      return all(call.inputs().tree());
    }
    default: return false;
  }
}

/// Follows the statements of one function as the compiler does.
class Folding {
 public:
  Folding(std::string record, std::uint64_t longest_constant, AuditReport& report)
      : record_(std::move(record)), longest_constant_(longest_constant), report_(report) {}

  void function(const jit::Def& definition) {
    for (const jit::Param& parameter : definition.decl().params()) {
      values_[parameter.ident().name()] = {};
      if (parameter.defaultValue().present() &&
          !is_literal(parameter.defaultValue().get().tree())) {
        executed(parameter.defaultValue().get().range(), "a default argument");
      }
    }
    block(definition.statements());
  }

  void executed(const jit::SourceRange& range, const std::string& what) {
    error(range, "audit-default",
          what + " is no plain value: LibTorch runs its code as soon as it looks at the class");
  }

 private:
  void error(const jit::SourceRange& range, const char* code, const std::string& message) {
    report_.error_at(range, code, record_, message,
                     "do not use it; PyTorch never writes code like this");
    report_.forbid_reading();
  }

  void block(const jit::List<jit::Stmt>& statements) {
    for (const jit::Stmt& one : statements) statement(one);
  }

  void statement(const jit::Stmt& one) {
    switch (one.kind()) {
      case jit::TK_ASSIGN: assign(jit::Assign(one)); break;
      case jit::TK_AUG_ASSIGN: {
        const jit::AugAssign change(one);
        const Extent sum = combine({expression(change.lhs().tree()), expression(change.rhs().tree())},
                                   one.range());
        bind(change.lhs().tree(), sum);
        break;
      }
      case jit::TK_IF: {
        const jit::If branch(one);
        expression(branch.cond().tree());
        const auto before = values_;
        block(branch.trueBranch());
        auto after = std::exchange(values_, before);
        block(branch.falseBranch());
        for (const auto& [name, value] : after) {
          Extent& other = values_[name];
          other = larger(other, value);
        }
        break;
      }
      case jit::TK_DEF: Folding(record_, longest_constant_, report_).function(jit::Def(one)); break;
      default: parts(one.tree()); break;
    }
  }

  /// Expressions, and blocks of statements, of any other statement.
  void parts(const jit::TreeRef& tree) {
    for (const jit::TreeRef& part : tree->trees()) {
      if (part->kind() == jit::TK_LIST || part->kind() == jit::TK_OPTION ||
          part->kind() == jit::TK_WITH_ITEM) {
        parts(part);
      } else if (is_statement(part->kind())) {
        statement(jit::Stmt(part));
      } else {
        expression(part);
      }
    }
  }

  static bool is_statement(int kind) {
    constexpr std::array kStatements = {
        jit::TK_IF,     jit::TK_FOR,       jit::TK_WHILE, jit::TK_ASSIGN, jit::TK_AUG_ASSIGN,
        jit::TK_RETURN, jit::TK_EXPR_STMT, jit::TK_RAISE, jit::TK_ASSERT, jit::TK_PASS,
        jit::TK_BREAK,  jit::TK_CONTINUE,  jit::TK_DEF,   jit::TK_WITH,   jit::TK_DELETE,
        jit::TK_GLOBAL};
    return std::find(kStatements.begin(), kStatements.end(), kind) != kStatements.end();
  }

  void assign(const jit::Assign& assignment) {
    if (!assignment.rhs().present()) return;
    for (const jit::Expr& target : assignment.lhs_list()) {
      assign(target.tree(), assignment.rhs().get().tree());
    }
  }

  /// `a, b = x, y` member by member.
  void assign(const jit::TreeRef& target, const jit::TreeRef& value) {
    if (target->kind() != jit::TK_TUPLE_LITERAL || value->kind() != jit::TK_TUPLE_LITERAL) {
      return bind(target, expression(value));
    }
    const auto& names = target->trees().at(0)->trees();
    const auto& values = value->trees().at(0)->trees();
    if (names.size() != values.size()) return bind(target, expression(value));
    std::vector<Extent> extents;
    for (const jit::TreeRef& one : values) extents.push_back(expression(one));
    for (std::size_t i = 0; i < names.size(); ++i) bind(names[i], extents[i]);
  }

  void bind(const jit::TreeRef& target, const Extent& value) {
    if (target->kind() == jit::TK_VAR) {
      values_[jit::Var(target).name().name()] = value;
    } else if (target->kind() == jit::TK_TUPLE_LITERAL || target->kind() == jit::TK_LIST ||
               target->kind() == jit::TK_LIST_LITERAL || target->kind() == jit::TK_STARRED) {
      for (const jit::TreeRef& part : target->trees()) bind(part, value);
    }
  }

  static Extent larger(const Extent& a, const Extent& b) {
    Extent extent;
    if (a.constant || b.constant) extent.constant = std::max(a.constant.value_or(0), b.constant.value_or(0));
    extent.parts = std::max(a.parts, b.parts);
    extent.text = a.text || b.text;
    return extent;
  }

  /// Of an operation: known when all that it works on is.
  Extent combine(const std::vector<Extent>& operands, const jit::SourceRange& range,
                 bool product = false) {
    Extent extent;
    extent.constant = product ? 1 : 0;
    for (const Extent& operand : operands) {
      extent.text = extent.text || operand.text;
      if (!extent.constant || !operand.constant) {
        extent.constant = std::nullopt;
      } else {
        extent.constant = product ? times(*extent.constant, plus(*operand.constant, 1))
                                  : plus(*extent.constant, *operand.constant);
      }
    }
    if (operands.empty()) extent.constant = std::nullopt;
    return limit(extent, range);
  }

  Extent limit(Extent extent, const jit::SourceRange& range) {
    const bool text = extent.text && extent.constant.value_or(0) > kLargestText;
    if (text || extent.parts > kLargestType) {
      too_large(range);
      return {};  // Said once.
    }
    return extent;
  }

  void too_large(const jit::SourceRange& range) {
    error(range, "audit-huge",
          "it makes LibTorch's compiler itself compute a string or a type that has no end");
  }

  Extent expression(const jit::TreeRef& tree) {
    switch (tree->kind()) {
      case jit::TK_STRINGLITERAL:
        return {.constant = jit::StringLiteral(tree).text().size() + 1, .text = true};
      case jit::TK_CONST:
      case jit::TK_TRUE:
      case jit::TK_FALSE:
      case jit::TK_NONE: return {.constant = 1};
      case jit::TK_VAR: return variable(jit::Var(tree).name().name());
      case jit::TK_TUPLE_LITERAL: return tuple(tree);
      case jit::TK_APPLY: return call(jit::Apply(tree));
      case '.': return select(jit::Select(tree));
      case jit::TK_IF_EXPR: {
        expression(tree->trees()[0]);
        return larger(expression(tree->trees()[1]), expression(tree->trees()[2]));
      }
      case jit::TK_IDENT:
      case jit::TK_STRING: return {};
      default: return operation(tree);
    }
  }

  Extent variable(const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? Extent() : found->second;
  }

  std::vector<Extent> all(const jit::TreeRef& tree) {
    std::vector<Extent> extents;
    for (const jit::TreeRef& part : tree->trees()) {
      if (part->kind() == jit::TK_LIST || part->kind() == jit::TK_OPTION) {
        for (const Extent& inner : all(part)) extents.push_back(inner);
      } else {
        extents.push_back(expression(part));
      }
    }
    return extents;
  }

  Extent tuple(const jit::TreeRef& tree) {
    const std::vector<Extent> members = all(tree);
    Extent extent = combine(members, tree->range());
    for (const Extent& member : members) extent.parts = plus(extent.parts, member.parts);
    return limit(extent, tree->range());
  }

  /// Operators, lists, subscripts.
  Extent operation(const jit::TreeRef& tree) {
    const std::vector<Extent> operands = all(tree);
    const Extent extent = combine(operands, tree->range());
    if (tree->kind() == '*' && extent.text && extent.constant) too_large(tree->range());
    if (tree->kind() != jit::TK_LIST_LITERAL && tree->kind() != jit::TK_DICT_LITERAL) return extent;
    Extent container;  // Lists are never computed beforehand.
    for (const Extent& operand : operands) {
      container.parts = std::max(container.parts, plus(operand.parts, 1));
    }
    container.text = extent.text;
    return container;
  }

  /// Outside of calls: an attribute, or a method of a string that is given another name.
  Extent select(const jit::Select& selection) {
    const Extent value = expression(selection.value().tree());
    if (value.text && value.constant) too_large(selection.range());
    const bool constants = selection.value().kind() == jit::TK_VAR &&
                           jit::Var(selection.value()).name().name() == "CONSTANTS";
    if (constants && longest_constant_ > kLargestText / 16) {
      return {.constant = longest_constant_, .text = true};
    }
    return {};
  }

  Extent call(const jit::Apply& call) {
    const std::string name = callee_name(call);
    std::vector<Extent> operands;
    if (call.callee().kind() == '.') {
      const jit::Select method(call.callee());
      const bool of_module = method.value().kind() == jit::TK_VAR && !values_.contains(
                                 jit::Var(method.value()).name().name());
      if (!of_module) operands.push_back(expression(method.value().tree()));
    } else if (call.callee().kind() != jit::TK_VAR) {
      expression(call.callee().tree());
    }
    for (const jit::Expr& argument : call.inputs()) operands.push_back(expression(argument.tree()));
    for (const jit::Attribute& argument : call.attributes()) {
      operands.push_back(expression(argument.value().tree()));
    }
    return result(name, operands, call);
  }

  Extent result(const std::string& name, const std::vector<Extent>& operands, const jit::Apply& call) {
    if (call.callee().kind() == jit::TK_VAR &&
        (name == "annotate" || name == "unchecked_cast") && operands.size() == 2) {
      return operands[1];
    }
    constexpr std::array kWiden = {"ljust"sv, "rjust"sv, "center"sv, "zfill"sv, "expandtabs"sv,
                                   "mul"sv};
    const bool product = name == "replace" || name == "join";
    const Extent extent = combine(operands, call.range(), product);
    const bool widens = std::find(kWiden.begin(), kWiden.end(), name) != kWiden.end();
    const bool getattr = name == "getattr" && !operands.empty() && operands[0].text;
    if (extent.text && extent.constant && (widens || getattr)) too_large(call.range());
    return extent;
  }

  std::map<std::string, Extent> values_;
  std::string record_;
  std::uint64_t longest_constant_;
  AuditReport& report_;
};

/// Class bodies: fields, lists of names, constants.
void audit_class(const jit::ClassDef& tree, const std::string& record, std::uint64_t longest,
                 AuditReport& report) {
  for (const jit::Stmt& statement : tree.body()) {
    Folding folding(record, longest, report);
    if (statement.kind() == jit::TK_DEF) {
      folding.function(jit::Def(statement));
    } else if (statement.kind() == jit::TK_ASSIGN) {
      const jit::Assign assignment(statement);
      // `__annotations__["0"] = Type` declares a field whose name is no word.
      const bool field = assignment.lhs().kind() == jit::TK_SUBSCRIPT;
      if (!field && assignment.rhs().present() && !is_literal(assignment.rhs().get().tree())) {
        folding.executed(assignment.range(), "a value in the body of a class");
      }
    }
  }
}

void audit_source(const TorchScriptFile& file, const std::string& record, std::uint64_t longest,
                  AuditReport& report) {
  jit::Parser parser(read_source(file, record));
  jit::Lexer& lexer = parser.lexer();
  while (lexer.cur().kind != jit::TK_EOF) {
    if (lexer.cur().kind == jit::TK_CLASS_DEF) {
      audit_class(jit::ClassDef(parser.parseClass()), record, longest, report);
    } else if (lexer.cur().kind == jit::TK_DEF) {
      Folding(record, longest, report).function(jit::Def(parser.parseFunction(/*is_method=*/false)));
    } else {
      lexer.next();  // Version and import lines of the first archives.
    }
  }
}

std::uint64_t longest_text(const TorchScriptFile& file) {
  const Pickle pickle(file.read("constants.pkl"), file.place("constants.pkl"));
  std::uint64_t longest = 0;
  for (std::size_t i = 0; i < pickle.size(); ++i) {
    longest = std::max<std::uint64_t>(longest, pickle[i].text.size());
  }
  return longest;
}

}  // namespace

void audit_compile_time(const TorchScriptFile& file, AuditReport& report) {
  const std::uint64_t longest = longest_text(file);
  for (const std::string& record : file.names()) {
    if (!record.starts_with("code/") || !record.ends_with(".py")) continue;
    try {
      audit_source(file, record, longest, report);
    } catch (const std::exception& error) {
      report.error("audit-unjudged", record, "it cannot be judged: " + explain(error).text,
                   "do not load it unless you trust its source");
      report.forbid_reading();
    }
  }
}

}  // namespace torchship
