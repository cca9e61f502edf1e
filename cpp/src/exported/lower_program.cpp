#include "exported/lower_program.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>
#include <vector>

#include <ATen/core/function_schema.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/jit/api/compilation_unit.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torchship/error.h>

#include "archive/text.h"
#include "exported/lowering/guard_nodes.h"
#include "exported/lowering/lowering.h"
#include "exported/weight_modules.h"
#include "torchscript/convert.h"
#include "torchscript/types.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

using InputKind = ExportedInputSpec::Kind;
using OutputKind = ExportedOutputSpec::Kind;

class ProgramLowering {
 public:
  ProgramLowering(const ExportedProgram& program, const ProgramBoundary& boundary,
                  const std::map<std::string, at::Tensor>& weights, const std::string& place)
      : program_(program),
        boundary_(boundary),
        weights_(weights),
        place_(place),
        modules_(program.module_classes, place),
        graph_(std::make_shared<jit::Graph>()),
        lowering_(*graph_, place) {}

  jit::Module lower() {
    add_weights();
    jit::Value* const self = graph_->addInput("self")->setType(modules_.root().type());
    name_weights(self);
    name_inputs();
    lower_guards(program_.guards, guarded_, boundary_.method.dimensions, lowering_);
    lowering_.lower_nodes(program_.graph, names_);
    write_back();
    graph_->registerOutput(result());
    return finish();
  }

 private:
  static bool is_weight(const ExportedInputSpec& input) {
    return input.kind == InputKind::parameter || input.kind == InputKind::buffer ||
           input.kind == InputKind::tensor_constant;
  }

  void add_weights() {
    std::set<std::string> added;
    for (const ExportedInputSpec& input : program_.inputs) {
      if (input.kind == InputKind::object) {
        throw ArchiveError(place_ + ": the model has " + quote(input.name) +
                               ", an object of the class " + quote(input.target) +
                               ", which a program without Python does not have",
                           "take the object out of the model, or make what it does an operator");
      }
      // Weights that are tied have one name and several inputs.
      if (!is_weight(input) || !added.insert(input.target).second) continue;
      modules_.add(input.target, weight(input.target), role_of(input.kind));
    }
  }

  static WeightModules::Role role_of(InputKind kind) {
    return kind == InputKind::parameter ? WeightModules::Role::parameter
           : kind == InputKind::buffer  ? WeightModules::Role::buffer
                                        : WeightModules::Role::constant;
  }

  const at::Tensor& weight(const std::string& name) const {
    const auto found = weights_.find(name);
    if (found != weights_.end()) return found->second;
    throw ArchiveError(place_ + ": the file does not hold the tensor " + quote(name),
                       "tensors of classes of their own are not plain data: save the model with "
                       "ordinary tensors");
  }

  void name_weights(jit::Value* self) {
    for (const ExportedInputSpec& input : program_.inputs) {
      if (!is_weight(input)) continue;
      jit::Value*& value = by_target_[input.target];
      if (value == nullptr) value = modules_.get(self, input.target);
      names_[input.name] = value;
    }
  }

  /// The arguments of the method, and their leaves.
  void name_inputs() {
    std::vector<const ExportedInputSpec*> leaves;
    for (const ExportedInputSpec& input : program_.inputs) {
      if (input.kind == InputKind::user_input || input.kind == InputKind::constant) {
        leaves.push_back(&input);
      }
    }
    std::size_t next = 0;
    for (std::size_t i = 0; i < boundary_.inputs.size(); ++i) {
      const ValueSpec& spec = boundary_.method.inputs[i];
      jit::Value* const value = graph_->addInput()->setType(type_of(spec));
      if (is_debug_name(spec.name)) value->setDebugName(spec.name);
      take_apart(spec, value, "L['" + spec.name + "']", [&](jit::Value* leaf, const std::string& path) {
        const ExportedInputSpec& input = *leaves.at(next++);
        if (input.kind != InputKind::user_input) return;
        names_[input.name] = leaf;
        const auto tensor = program_.graph.tensors.find(input.name);
        guarded_[path] = {leaf, tensor == program_.graph.tensors.end() ? nullptr : &tensor->second};
      });
    }
  }

  /// LibTorch refuses numbers, which it gives itself, and has meanings for points.
  static bool is_debug_name(const std::string& name) {
    return !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
           std::all_of(name.begin(), name.end(), [](unsigned char letter) {
             return std::isalnum(letter) != 0 || letter == '_';
           });
  }

  /// `path` is where guards say that the value is.
  template <typename Leaf>
  void take_apart(const ValueSpec& spec, jit::Value* value, const std::string& path,
                  const Leaf& leaf) {
    if (!spec.members) return leaf(value, path);
    const std::vector<ValueSpec>& members = *spec.members;
    if (members.empty()) return;
    std::vector<jit::Value*> parts;
    if (spec.kind == Kind::list) {
      jit::Node* const node =
          graph_->insertNode(graph_->createListUnpack(value, members.size()));
      parts.assign(node->outputs().begin(), node->outputs().end());
    } else if (spec.kind == Kind::tuple) {
      jit::Node* const node = graph_->insertNode(graph_->createTupleUnpack(value));
      parts.assign(node->outputs().begin(), node->outputs().end());
    } else {
      for (const ValueSpec& member : members) {
        parts.push_back(graph_->insert(c10::aten::__getitem__,
                                       {value, lowering_.constant(key_of(spec, member.name))}));
      }
    }
    for (std::size_t i = 0; i < members.size(); ++i) {
      take_apart(members[i], narrowed(parts[i], type_of(members[i])),
                 path + step_to(spec, members[i].name, i), leaf);
    }
  }

  static std::string step_to(const ValueSpec& container, const std::string& name, std::size_t i) {
    if (container.kind != Kind::dict) {
      return name.empty() ? "[" + std::to_string(i) + "]" : "." + name;
    }
    return container.items.at(0).kind == Kind::string ? "['" + name + "']" : "[" + name + "]";
  }

  /// Keys as they are in the dict: specs have them as text.
  static c10::IValue key_of(const ValueSpec& dict, const std::string& name) {
    if (dict.items.at(0).kind == Kind::integer) return std::int64_t{std::stoll(name)};
    if (dict.items.at(0).kind == Kind::boolean) return name == "True";
    return name;
  }

  /// Members of several types come as Any.
  jit::Value* narrowed(jit::Value* value, const c10::TypePtr& type) {
    if (*value->type() == *type || value->type()->kind() != c10::TypeKind::AnyType) return value;
    return graph_->insertUncheckedCast(value, type);
  }

  /// Functional programs give the new values of what they change; others have changed it already.
  void write_back() {
    for (const ExportedOutputSpec& output : program_.outputs) {
      if (output.kind == OutputKind::user_output || output.kind == OutputKind::token) continue;
      jit::Value* const target = output.kind == OutputKind::input_mutation
                                     ? lowering_.named(output.target, names_)
                                     : by_target(output.target);
      jit::Value* const value = lowering_.value_of(output.value, names_);
      graph_->insert(c10::Symbol::fromQualString("aten::copy_"), {target, value});
    }
  }

  jit::Value* by_target(const std::string& name) const {
    const auto found = by_target_.find(name);
    if (found != by_target_.end()) return found->second;
    throw ArchiveError(place_ + ": the program changes " + quote(name) + ", which it does not have");
  }

  jit::Value* result() {
    std::vector<const ExportedOutputSpec*> leaves;
    for (const ExportedOutputSpec& output : program_.outputs) {
      if (output.kind == OutputKind::user_output) leaves.push_back(&output);
    }
    std::size_t next = 0;
    return put_together(boundary_.method.output, boundary_.output, [&] {
      return lowering_.value_of(leaves.at(next++)->value, names_);
    });
  }

  template <typename Leaf>
  jit::Value* put_together(const ValueSpec& spec, const Pytree& tree, const Leaf& leaf) {
    if (!spec.members) return leaf();
    std::vector<jit::Value*> parts;
    for (std::size_t i = 0; i < spec.members->size(); ++i) {
      parts.push_back(put_together((*spec.members)[i], tree.children[i], leaf));
    }
    const c10::TypePtr type = type_of(spec);
    jit::Node* node = nullptr;
    if (spec.kind == Kind::list) {
      node = graph_->createList(type->containedType(0), parts);
    } else if (spec.kind == Kind::tuple) {
      const auto tuple = type->cast<c10::TupleType>();
      node = graph_->createTuple(parts, tuple->schema() ? tuple : nullptr);
    } else {
      std::vector<jit::Value*> keys;
      for (const ValueSpec& member : *spec.members) {
        keys.push_back(lowering_.constant(key_of(spec, member.name)));
      }
      node = graph_->createDict(type->containedType(0), type->containedType(1), keys, parts);
    }
    return graph_->insertNode(node)->output();
  }

  /// Weights that nothing uses are not read.
  void drop_unused_reads() {
    std::vector<jit::Node*> reads;
    for (jit::Node* node : graph_->nodes()) {
      if (node->kind() == c10::prim::GetAttr) reads.push_back(node);
    }
    for (auto read = reads.rbegin(); read != reads.rend(); ++read) {
      if (!(*read)->hasUses()) (*read)->destroy();
    }
  }

  jit::Module finish() {
    drop_unused_reads();
    graph_->lint();
    const jit::Module& module = modules_.root();
    const c10::QualifiedName name(*module.type()->name(), "forward");
    const std::shared_ptr<jit::CompilationUnit> unit = module._ivalue()->compilation_unit();
    jit::Function* const function = unit->create_function(name, graph_);
    module.type()->addMethod(function);
    function->setSchema(schema());
    return module;
  }

  /// With the names of arguments, and values for those that may be left out.
  c10::FunctionSchema schema() const {
    std::vector<c10::Argument> arguments;
    arguments.emplace_back("self", modules_.root().type());
    for (const ValueSpec& spec : boundary_.method.inputs) {
      std::optional<c10::IValue> value;
      if (spec.has_default) {
        value = to_ivalue(*spec.constant, type_of(spec),
                          [](const at::Tensor& tensor) { return tensor; });
      }
      arguments.emplace_back(spec.name, type_of(spec), std::nullopt, std::move(value));
    }
    std::vector<c10::Argument> results;
    results.emplace_back("", graph_->outputs().at(0)->type());
    return {"forward", "", std::move(arguments), std::move(results)};
  }

  const ExportedProgram& program_;
  const ProgramBoundary& boundary_;
  const std::map<std::string, at::Tensor>& weights_;
  const std::string& place_;
  WeightModules modules_;
  std::shared_ptr<jit::Graph> graph_;
  Lowering lowering_;
  LoweredNames names_;
  GuardedInputs guarded_;
  std::map<std::string, jit::Value*> by_target_;  ///< Weights.
};

}  // namespace

jit::Module lower_program(const ExportedProgram& program, const ProgramBoundary& boundary,
                          const std::map<std::string, at::Tensor>& weights,
                          const std::string& place) {
  return ProgramLowering(program, boundary, weights, place).lower();
}

jit::Module lower_without_weights(const ExportedProgram& program, const ProgramBoundary& boundary,
                                  const StoredTensors& tensors, const std::string& place) {
  const at::NoGradGuard no_grad;
  std::map<std::string, at::Tensor> weights;
  for (const auto& [name, tensor] : tensors) weights.emplace(name, at::empty({0}));
  return lower_program(program, boundary, weights, place);
}

}  // namespace torchship
