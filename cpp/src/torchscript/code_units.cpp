#include "torchscript/code_units.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <memory>

#include <ATen/core/class_type.h>
#include <torch/csrc/jit/frontend/builtin_functions.h>
#include <torch/csrc/jit/frontend/lexer.h>
#include <torch/csrc/jit/operator_upgraders/utils.h>
#include <torch/csrc/jit/runtime/operator.h>
#include <torch/custom_class.h>
#include <torchship/error.h>

#include "torchscript/debug_ranges.h"
#include "torchscript/message.h"
#include "torchscript/text_guard.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

constexpr std::string_view kFolder = "code/";
constexpr std::string_view kSuffix = ".py";

/// "__torch__.net" for "code/__torch__/net.py"; empty for other records.
std::string module_of(std::string_view record) {
  if (!record.starts_with(kFolder) || !record.ends_with(kSuffix)) return {};
  record.remove_prefix(kFolder.size());
  record.remove_suffix(kSuffix.size());
  std::string module(record);
  std::replace(module.begin(), module.end(), '/', '.');
  return module;
}

/// What this process has.
class Registry {
 public:
  explicit Registry(std::uint64_t version) : version_(version) {}

  bool has_operator(const std::string& name) {
    const auto [known, is_new] = operators_.try_emplace(name, false);
    if (is_new) known->second = look_up(name);
    return known->second;
  }

  bool has_class(const std::string& name) {
    const auto [known, is_new] = classes_.try_emplace(name, false);
    if (is_new) known->second = torch::getCustomClass("__torch__." + name) != nullptr;
    return known->second;
  }

 private:
  bool look_up(const std::string& name) const {
    const c10::Symbol symbol = c10::Symbol::fromQualString(name);
    return !jit::getAllOperatorsFor(symbol).empty() ||
           !jit::getAllBuiltinFunctionsFor(symbol).empty() ||
           !jit::loadPossibleHistoricOps(name, version_).empty();
  }

  std::uint64_t version_;
  std::map<std::string, bool> operators_;
  std::map<std::string, bool> classes_;
};

bool starts_word(const std::string& text) {
  return !text.empty() && (std::isalpha(static_cast<unsigned char>(text[0])) != 0 || text[0] == '_');
}

/// Reads one source token by token. A name is a chain of words with dots: `ops.torchvision.nms`,
/// `torch.add`, `__torch__.net.Part`.
class Scanner {
 public:
  Scanner(const std::shared_ptr<jit::Source>& source, std::string module, std::string record,
          Registry& registry)
      : lexer_(source),
        module_(std::move(module)),
        record_(std::move(record)),
        registry_(registry) {}

  std::vector<CodeUnit> scan() {
    int depth = 0;
    while (lexer_.cur().kind != jit::TK_EOF) {
      const int kind = lexer_.cur().kind;
      depth += kind == jit::TK_INDENT ? 1 : kind == jit::TK_DEDENT ? -1 : 0;
      if (depth == 0 && (kind == jit::TK_CLASS_DEF || kind == jit::TK_DEF)) {
        start_unit(kind == jit::TK_CLASS_DEF);
      } else if (kind == '.') {
        skip_attribute();
      } else if (kind == jit::TK_IDENT) {
        take_chain();
      } else {
        lexer_.next();
      }
    }
    return std::move(units_);
  }

 private:
  void start_unit(bool is_class) {
    lexer_.next();
    units_.push_back({.name = module_ + "." + lexer_.cur().text(),
                      .record = record_,
                      .is_class = is_class,
                      .operators = {},
                      .mentions = {},
                      .missing = {}});
    if (lexer_.cur().kind == jit::TK_IDENT) lexer_.next();
  }

  /// What follows a dot is no name of its own.
  void skip_attribute() {
    lexer_.next();
    if (lexer_.cur().kind == jit::TK_IDENT) lexer_.next();
  }

  void take_chain() {
    const jit::SourceRange place = lexer_.cur().range;
    std::vector<std::string> words = {lexer_.next().text()};
    while (lexer_.cur().kind == '.') {
      lexer_.next();
      const std::string word = lexer_.cur().text();
      if (!starts_word(word)) break;
      words.push_back(word);  // Some operators are called like keywords.
      lexer_.next();
    }
    if (!units_.empty()) note(words, place);
  }

  void note(const std::vector<std::string>& words, const jit::SourceRange& place) {
    if (words[0] == "ops" && words.size() == 3) {
      note_operator(words[1] + "::" + words[2], place);
    } else if (words[0] == "torch" && words.size() == 2 && lexer_.cur().kind == '(') {
      note_operator("aten::" + words[1], place);
    } else if (words[0] == "__torch__" && words.size() > 1) {
      note_class(words, place);
    }
  }

  void note_operator(const std::string& name, const jit::SourceRange& place) {
    units_.back().operators.insert(name);
    if (!registry_.has_operator(name)) {
      units_.back().missing.push_back({.name = name, .is_class = false, .place = place});
    }
  }

  void note_class(const std::vector<std::string>& words, const jit::SourceRange& place) {
    std::string name = words[1];
    for (std::size_t i = 2; i < words.size(); ++i) name += "." + words[i];
    constexpr std::size_t kWords = 5;  // __torch__.torch.classes.NAMESPACE.NAME
    if (words.size() < kWords || !name.starts_with("torch.classes.")) {
      units_.back().mentions.insert("__torch__." + name);
    } else {
      name = "torch.classes." + words[3] + "." + words[4];
      if (!registry_.has_class(name)) {
        units_.back().missing.push_back({.name = name, .is_class = true, .place = place});
      }
    }
  }

  jit::Lexer lexer_;
  std::string module_;
  std::string record_;
  Registry& registry_;
  std::vector<CodeUnit> units_;
};

}  // namespace

std::shared_ptr<jit::Source> read_source(const TorchScriptFile& file, const std::string& record) {
  if (file.find(record) == nullptr) return nullptr;
  const std::string debug = record + ".debug_pkl";
  std::shared_ptr<jit::SourceRangeUnpickler> ranges;
  if (file.find(debug) != nullptr) {
    ranges = read_debug_ranges(file.read(debug), file.place(debug));
  }
  return std::make_shared<jit::Source>(file.read(record), record, 1, std::move(ranges));
}

std::vector<CodeUnit> read_code_units(const TorchScriptFile& file, std::uint64_t version) {
  Registry registry(version);
  std::vector<CodeUnit> units;
  for (const std::string& record : file.names()) {
    const std::string module = module_of(record);
    if (module.empty()) continue;
    try {
      const std::shared_ptr<jit::Source> source = read_source(file, record);
      refuse_growing_texts(source, file.place(record));
      for (CodeUnit& unit : Scanner(source, module, record, registry).scan()) {
        units.push_back(std::move(unit));
      }
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      throw ArchiveError(file.place(record) + ": cannot be parsed: " + explain(error).text);
    }
  }
  return units;
}

}  // namespace torchship
