#include <array>
#include <algorithm>
#include <cctype>

#include <torch/csrc/jit/frontend/lexer.h>
#include <torchship/error.h>

#include "archive/text.h"
#include "audit/audit.h"
#include "audit/operator_names.h"
#include "torchscript/guard.h"
#include "torchscript/message.h"
#include "torchscript/code_units.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

using namespace std::string_view_literals;

constexpr const char* kTakenApart =
    "names of operators and classes are used in a way that PyTorch never prints: to hide which is "
    "meant";
constexpr const char* kNotPrinted = "do not use it; an honest model can be saved again with torch.jit.save";

/// Words of `torch` that are no operators.
constexpr std::array kNoOperators = {"device"sv, "dtype"sv, "jit"sv, "Generator"sv, "Stream"sv};

/// Reads one source token by token, strings and comments left out.
class TokenAudit {
 public:
  TokenAudit(const std::shared_ptr<jit::Source>& source, std::string record, AuditReport& report)
      : lexer_(source), record_(std::move(record)), report_(report) {}

  void run() {
    while (lexer_.cur().kind != jit::TK_EOF) {
      check_word();
      if (lexer_.cur().kind == '.') {
        lexer_.next();
        check_word();
        if (lexer_.cur().kind == jit::TK_IDENT) lexer_.next();
      } else if (lexer_.cur().kind == jit::TK_IDENT) {
        take_chain();
      } else {
        lexer_.next();
      }
    }
  }

 private:
  void check_word() {
    if (lexer_.cur().kind != jit::TK_IDENT) return;
    const std::string word = lexer_.cur().text();
    if (word != "__setstate__" && word != "__getstate__") return;
    error(lexer_.cur().range, "audit-setstate",
          "it has a " + word + ": code that is run while the file is loaded, before anything else "
          "can look at the model",
          "quantised models have one; load those from sources that you trust, or save the model "
          "before it was quantised");
    report_.forbid_reading();
  }

  void take_chain() {
    const jit::SourceRange place = lexer_.cur().range;
    std::vector<std::string> words = {lexer_.next().text()};
    while (lexer_.cur().kind == '.') {
      lexer_.next();
      check_word();
      const std::string word = lexer_.cur().text();
      if (word.empty() || (std::isalpha(static_cast<unsigned char>(word[0])) == 0 && word[0] != '_')) {
        break;
      }
      words.push_back(word);  // Some operators are called like keywords.
      lexer_.next();
    }
    check_chain(words, place);
  }

  void check_chain(const std::vector<std::string>& words, const jit::SourceRange& place) {
    // `torch=3` names an argument, `x : ops` nothing of ours.
    if (words[0] == "ops") {
      if (words.size() == 3 && lexer_.cur().kind == '(') {
        check_operator(words[1] + "::" + words[2], place);
      } else {
        taken_apart(place);
      }
    } else if (words[0] == "torch") {
      if (words.size() < 2) {
        taken_apart(place);
      } else if (std::find(kNoOperators.begin(), kNoOperators.end(), words[1]) == kNoOperators.end()) {
        check_operator("aten::" + words[1], place);
      }
    } else if (words[0] == "__torch__") {
      check_class(words, place);
    }
  }

  void taken_apart(const jit::SourceRange& place) {
    error(place, "audit-operator", kTakenApart, kNotPrinted);
    report_.forbid_reading();
  }

  /// What is called by name is not even compiled: the compiler computes what it can.
  void check_operator(const std::string& name, const jit::SourceRange& place) {
    if (may_be_called(name)) return;
    error(place, "audit-operator", operator_message(name), operator_hint(name));
    report_.forbid_reading();
  }

  void check_class(const std::vector<std::string>& words, const jit::SourceRange& place) {
    constexpr std::size_t kWords = 5;  // __torch__.torch.classes.NAMESPACE.NAME
    const bool prefix = words.size() < 3 ? words.size() < 2 || words[1] == "torch"
                                         : words[1] == "torch" && words[2] == "classes";
    if (!prefix) return;
    if (words.size() < kWords) return taken_apart(place);
    if (is_trusted_class(words[3] + "." + words[4])) return;
    error(place, "audit-class",
          "it uses the native class torch.classes." + words[3] + "." + words[4] +
              ", whose code no check can judge",
          kNativeClassHint);
  }

  void error(const jit::SourceRange& range, std::string code, std::string message, std::string hint) {
    report_.error_at(range, std::move(code), record_, std::move(message), std::move(hint));
  }

  jit::Lexer lexer_;
  std::string record_;
  AuditReport& report_;
};

bool is_code(std::string name) {
  for (char& letter : name) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return name.ends_with(".py");
}

void unjudged(AuditReport& report, const std::string& place, const std::string& why) {
  report.error("audit-unjudged", place, "it cannot be judged: " + why,
               "do not load it unless you trust its source");
  report.forbid_reading();
}

}  // namespace

std::string operator_message(const std::string& name) {
  const std::string reason = reason_against(name);
  return "it calls " + quote(name) + ", which " +
         (reason.empty() ? "is not on the list of operators that only compute" : "is not allowed: " + reason);
}

std::string operator_hint(const std::string& name) {
  return name.starts_with("aten::") || name.starts_with("prim::")
             ? "load it with the trusted policy only if you trust its source; docs/audit.md has the "
               "list's reasons"
             : "name the library that has it, if you trust that library: --op-library FILE, or "
               "operator_libraries in LoadOptions";
}

void audit_tokens(const TorchScriptFile& file, AuditReport& report) {
  constexpr std::uint64_t kMostCode = 64 << 20;
  std::uint64_t total = 0;
  for (const ZipEntry& entry : file.entries()) {
    const bool debug = entry.name.ends_with(".debug_pkl");
    total += is_code(entry.name) || debug ? entry.size : 0;
  }
  if (total > 4 * kMostCode) return unjudged(report, "code", "it has more code than any model");
  try {
    guard_torchscript(file);
  } catch (const ArchiveError& error) {
    return unjudged(report, "code", error.message());
  }
  for (const std::string& record : file.names()) {
    if (!is_code(record)) continue;
    try {
      TokenAudit(read_source(file, record), record, report).run();
    } catch (const std::exception& error) {
      unjudged(report, record, explain(error).text);
    }
  }
}

}  // namespace torchship
