#include <algorithm>
#include <string>

#include "archive/pickle.h"
#include "lint/nodes.h"
#include "lint/rules.h"
#include "torchscript/pickled_tensor.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

constexpr std::int64_t kDouble = static_cast<std::int64_t>(c10::ScalarType::Double);
const char* const kHint = "convert it with .float(), or create it with dtype=torch.float32";

/// Bytes of the floating-point tensors that modules hold: all, and those of 64 bits.
struct Weights {
  std::int64_t all = 0;
  std::int64_t doubles = 0;
};

Weights weigh(const Subject& subject) {
  Weights weights;
  TensorCounter counter;
  for (const ModuleNode& module : subject.modules()) {
    for (const HeldTensor& held : module.tensors) {
      const auto dtype = held.tensor.dtype;
      if (!dtype || !c10::isFloatingType(*dtype)) continue;
      const std::int64_t bytes = counter.count(held.tensor).bytes;
      weights.all += bytes / 2;  // Sizes that a file makes up must not overflow.
      weights.doubles += *dtype == at::kDouble ? bytes / 2 : 0;
    }
  }
  return weights;
}

bool is_double(const PickledTensor& tensor) {
  return tensor.dtype == at::kDouble && !tensor.shape.empty();
}

std::string shape_text(const PickledTensor& tensor) {
  std::string text = "float64[";
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(tensor.shape[i]);
  }
  return text + "]";
}

void add_tensors(const Subject& subject, std::vector<Hit>& hits) {
  for (const ModuleNode& module : subject.modules()) {
    for (const HeldTensor& held : module.tensors) {
      if (!is_double(held.tensor)) continue;
      hits.push_back(hit(make_finding("double-precision", "warning",
                                      "the tensor is " + shape_text(held.tensor) +
                                          " in a model of float32: what it touches takes twice the "
                                          "memory and many times as long on a GPU",
                                      kHint, tensor_path(module, held.attribute))));
    }
  }
}

void add_constants(const Subject& subject, std::vector<Hit>& hits) {
  for (const HeldTensor& held : subject.constants()) {
    if (!is_double(held.tensor)) continue;
    hits.push_back(hit(make_finding("double-precision", "warning",
                                    "a constant of the code is " + shape_text(held.tensor) +
                                        " in a model of float32: what it touches becomes float64",
                                    kHint, held.attribute)));
  }
}

bool makes_scalar(const jit::Node& node) {
  const auto sizes = known_sizes(argument(node, "size"));
  const std::string name = name_of(node);
  return (sizes && sizes->empty()) || name == "aten::scalar_tensor" || name == "aten::tensor";
}

}  // namespace

std::vector<Hit> find_double_precision(const Subject& subject) {
  const Weights weights = weigh(subject);
  if (weights.all == 0 || weights.doubles > weights.all / 2) return {};
  std::vector<Hit> hits;
  add_tensors(subject, hits);
  add_constants(subject, hits);
  for (const Scope& scope : subject.scopes()) {
    visit_live(*scope.graph->block(), [&](const jit::Node& node) {
      if (known_int(argument(node, "dtype")) != kDouble || makes_scalar(node)) return;
      hits.push_back(hit(subject, scope, node,
                         make_finding("double-precision", "warning",
                                      name_of(node) + " makes float64 in a model of float32: what "
                                                      "follows is slower and takes more memory",
                                      kHint)));
    });
  }
  return hits;
}

}  // namespace torchship
