#include "exported/weight_modules.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include <torch/csrc/jit/api/compilation_unit.h>
#include <torchship/error.h>

#include "archive/text.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

constexpr std::size_t kDeepest = 200;

/// "encoder.layers" and "0" of "encoder.layers.0".
std::pair<std::string, std::string> split(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string::npos ? std::pair(std::string(), name)
                                  : std::pair(name.substr(0, dot), name.substr(dot + 1));
}

bool is_word(std::string_view text) {
  return !text.empty() && std::isdigit(static_cast<unsigned char>(text.front())) == 0 &&
         std::all_of(text.begin(), text.end(), [](unsigned char letter) {
           return std::isalnum(letter) != 0 || letter == '_';
         });
}

/// Whether TorchScript can have a class of that name: words with dots between them.
bool is_class_name(std::string_view name) {
  while (true) {
    const std::size_t dot = std::min(name.find('.'), name.size());
    if (!is_word(name.substr(0, dot))) return false;
    if (dot == name.size()) return true;
    name.remove_prefix(dot + 1);
  }
}

}  // namespace

WeightModules::WeightModules(const std::map<std::string, std::string>& classes,
                             const std::string& place)
    : classes_(classes), place_(place), unit_(std::make_shared<jit::CompilationUnit>()) {
  modules_.emplace("", make(""));
}

jit::Module WeightModules::make(const std::string& path) const {
  const auto known = classes_.find(path);
  const std::string name =
      known != classes_.end() && is_class_name(known->second) ? known->second : "Module";
  jit::Module module(c10::QualifiedName("__torch__." + name), unit_, /*shouldMangle=*/true);
  module.register_attribute("training", c10::BoolType::get(), false);
  return module;
}

jit::Module& WeightModules::module_at(const std::string& path) {
  const auto known = modules_.find(path);
  if (known != modules_.end()) return known->second;
  const auto [parent, name] = split(path);
  jit::Module& outer = module_at(parent);
  if (name.empty() || outer.hasattr(name)) {
    throw ArchiveError(place_ + ": " + quote(path) + " is a module and a tensor");
  }
  jit::Module module = make(path);
  outer.register_module(name, module);
  return modules_.emplace(path, module).first->second;
}

void WeightModules::add(const std::string& name, const at::Tensor& tensor, Role role) {
  if (static_cast<std::size_t>(std::count(name.begin(), name.end(), '.')) > kDeepest) {
    throw ArchiveError(place_ + ": " + quote(name) + " is nested too deeply");
  }
  const auto [path, attribute] = split(name);
  jit::Module& module = module_at(path);
  if (attribute.empty() || module.hasattr(attribute)) {
    throw ArchiveError(place_ + ": there are two things named " + quote(name));
  }
  if (role == Role::constant) {
    module.register_attribute(attribute, c10::TensorType::get(), tensor);
  } else {
    module.register_parameter(attribute, tensor, role == Role::buffer);
  }
}

jit::Value* WeightModules::get(jit::Value* self, const std::string& name) const {
  jit::Graph& graph = *self->owningGraph();
  jit::Value* value = self;
  std::size_t start = 0;
  while (start <= name.size()) {
    const std::size_t end = std::min(name.find('.', start), name.size());
    value = graph.insertGetAttr(value, name.substr(start, end - start));
    start = end + 1;
  }
  return value;
}

}  // namespace torchship
