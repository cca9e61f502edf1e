#include "torchscript/code.h"

#include <algorithm>
#include <set>

#include <torch/csrc/jit/api/compilation_unit.h>
#include <torch/csrc/jit/frontend/error_report.h>
#include <torch/csrc/jit/frontend/parser.h>
#include <torch/csrc/jit/frontend/script_type_parser.h>
#include <torch/csrc/jit/frontend/source_range.h>
#include <torchship/error.h>

#include "archive/text.h"
#include "torchscript/message.h"
#include "torchscript/outline.h"
#include "torchscript/types.h"

namespace torchship {

namespace jit = torch::jit;

namespace {

/// The record that declares a class: "__torch__.a.Net" is in "code/__torch__/a.py".
std::string module_of(const std::string& class_name) {
  const std::size_t dot = class_name.rfind('.');
  return dot == std::string::npos ? std::string() : class_name.substr(0, dot);
}

std::string record_of(std::string module) {
  std::replace(module.begin(), module.end(), '.', '/');
  return "code/" + module + ".py";
}

bool is_method(const jit::Stmt& statement) { return statement.kind() == jit::TK_DEF; }

/// The items of `__parameters__ = ["weight", "bias", ]`.
std::vector<std::string> strings_of(const jit::Expr& list) {
  std::vector<std::string> strings;
  for (const jit::Expr& item : jit::ListLiteral(list).inputs()) {
    strings.push_back(jit::StringLiteral(item).text());
  }
  return strings;
}

bool assigns(const jit::Stmt& statement, const std::string& name) {
  if (statement.kind() != jit::TK_ASSIGN) {
    return false;
  }
  const jit::Expr target = jit::Assign(statement).lhs();
  return target.kind() == jit::TK_VAR && jit::Var(target).name().name() == name;
}

/// The strings that a class assigns to one of its special names.
std::vector<std::string> listed(const jit::ClassDef& tree, const std::string& name) {
  for (const jit::Stmt& statement : tree.body()) {
    if (assigns(statement, name) && jit::Assign(statement).rhs().present()) {
      return strings_of(jit::Assign(statement).rhs().get());
    }
  }
  return {};
}

/// The classes of a record by their full names.
std::map<std::string, jit::ClassDef> parse_classes(std::string text, const std::string& module,
                                                   const std::string& record) {
  std::map<std::string, jit::ClassDef> classes;
  jit::Parser parser(std::make_shared<jit::Source>(std::move(text), record, 1));
  jit::Lexer& lexer = parser.lexer();
  while (lexer.cur().kind != jit::TK_EOF) {
    if (lexer.cur().kind == jit::TK_CLASS_DEF) {
      const jit::ClassDef tree(parser.parseClass());
      classes.emplace(module + "." + tree.name().name(), tree);
    } else if (lexer.cur().kind == jit::TK_DEF) {
      parser.parseFunction(/*is_method=*/false);
    } else {
      lexer.next();  // Version and import lines of the first archives.
    }
  }
  return classes;
}

}  // namespace

/// Finds the named tuples that signatures mention; other classes are opaque.
class Code::TypeResolver final : public jit::Resolver {
 public:
  explicit TypeResolver(Code& code) : code_(code) {}

  c10::TypePtr resolveType(const std::string& name, const jit::SourceRange&) override {
    if (const auto known = types_.find(name); known != types_.end()) {
      return known->second;
    }
    if (!name.starts_with("__torch__")) {
      return nullptr;
    }
    const jit::ClassDef* tree = code_.find(name);
    // Known before its fields are looked at, so that a class that names itself ends.
    types_[name] = c10::ClassType::create(c10::QualifiedName(name), unit_);
    if (tree != nullptr && tree->superclass().present() &&
        tree->superclass().get().kind() == jit::TK_VAR &&
        jit::Var(tree->superclass().get()).name().name() == "NamedTuple") {
      types_[name] = named_tuple(name, *tree);
    }
    return types_[name];
  }

 private:
  c10::TypePtr named_tuple(const std::string& name, const jit::ClassDef& tree) {
    const jit::ScriptTypeParser types(std::shared_ptr<jit::Resolver>(this, [](jit::Resolver*) {}));
    std::vector<std::string> fields;
    std::vector<c10::TypePtr> field_types;
    for (const jit::Stmt& statement : tree.body()) {
      if (statement.kind() != jit::TK_ASSIGN || !jit::Assign(statement).type().present()) {
        continue;
      }
      const jit::Assign field(statement);
      fields.push_back(jit::Var(field.lhs()).name().name());
      field_types.push_back(types.parseTypeFromExpr(field.type().get()));
    }
    return c10::TupleType::createNamed(c10::QualifiedName(name), fields, field_types);
  }

  Code& code_;
  std::shared_ptr<jit::CompilationUnit> unit_ = std::make_shared<jit::CompilationUnit>();
  std::map<std::string, c10::TypePtr> types_;
};

Code::Code(Reader reader, std::string place)
    : reader_(std::move(reader)), place_(std::move(place)) {}

Code::~Code() = default;

void Code::parse_file(const std::string& module) {
  const std::string record = record_of(module);
  std::optional<std::string> text = reader_(record);
  if (!text) {
    return;
  }
  try {
    classes_.merge(parse_classes(outline(*text), module, record));
    return;
  } catch (const std::exception&) {  // The whole text says why, or can be parsed.
  }
  try {
    classes_.merge(parse_classes(std::move(*text), module, record));
  } catch (const std::exception& error) {
    throw ArchiveError(place_ + ": " + record + ": cannot be parsed: " + explain(error).text);
  }
}

const jit::ClassDef* Code::find(const std::string& class_name) {
  const std::string module = module_of(class_name);
  if (!parsed_files_[module]) {
    parsed_files_[module] = true;
    parse_file(module);
  }
  const auto found = classes_.find(class_name);
  return found == classes_.end() ? nullptr : &found->second;
}

const jit::ClassDef& Code::require(const std::string& class_name) {
  if (const jit::ClassDef* tree = find(class_name)) {
    return *tree;
  }
  throw ArchiveError(place_ + ": the archive has no code for its class " + quote(class_name),
                     "the file is damaged; save it again");
}

MethodInfo Code::method(const jit::Def& definition, const jit::ScriptTypeParser& types) {
  MethodInfo method;
  method.name = definition.name().name();
  const auto parameters = definition.decl().params();
  for (auto it = parameters.begin(); it != parameters.end(); ++it) {
    const jit::Param parameter = *it;
    if (it == parameters.begin() && parameter.ident().name() == "self") {
      continue;
    }
    const c10::TypePtr type = parameter.type().present()
                                  ? types.parseTypeFromExpr(parameter.type().get())
                                  : c10::TypePtr(c10::TensorType::get());
    method.inputs.push_back(spec_of(type, parameter.ident().name()));
    method.inputs.back().has_default = parameter.defaultValue().present();
  }
  const auto result = definition.decl().return_type();
  method.output = spec_of(
      result.present() ? types.parseTypeFromExpr(result.get()) : c10::TypePtr(c10::AnyType::get()),
      {});
  return method;
}

/// The parser lets trees pass that the views of them refuse, each in its own way.
template <typename Read>
auto Code::guarded(const std::string& class_name, const Read& read) const {
  try {
    return read();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw ArchiveError(place_ + ": " + record_of(module_of(class_name)) +
                       ": a class cannot be read: " + explain(error).text);
  }
}

std::vector<MethodInfo> Code::methods(const std::string& class_name) {
  const jit::ClassDef& tree = require(class_name);
  return guarded(class_name, [&] {
    const jit::ScriptTypeParser types(std::make_shared<TypeResolver>(*this));
    std::set<std::string> hooks;
    for (const char* list : {"__forward_pre_hooks__", "__forward_hooks__"}) {
      for (std::string& hook : listed(tree, list)) {
        hooks.insert(std::move(hook));
      }
    }
    std::vector<MethodInfo> methods;
    for (const jit::Stmt& statement : tree.body()) {
      if (is_method(statement) && !hooks.contains(jit::Def(statement).name().name())) {
        methods.push_back(method(jit::Def(statement), types));
      }
    }
    return methods;
  });
}

std::vector<std::string> Code::parameters(const std::string& class_name) {
  const jit::ClassDef* tree = find(class_name);
  if (tree == nullptr) return {};
  return guarded(class_name, [&] { return listed(*tree, "__parameters__"); });
}

bool Code::is_module(const std::string& class_name) {
  const jit::ClassDef* tree = find(class_name);
  return tree == nullptr || tree->superclass().present();
}

}  // namespace torchship
