#pragma once

#include <optional>
#include <string>
#include <vector>

#include "archive/pickle.h"
#include "torchscript/pickled_tensor.h"

namespace torchship {

/// A tensor that a module holds, by itself or in a container.
struct HeldTensor {
  std::string attribute;
  PickledTensor tensor;
};

/// A module of the model, as data.pkl describes it.
struct ModuleNode {
  std::string path;        ///< "encoder.layers.0"; empty for the model itself.
  std::string class_name;  ///< "__torch__.torch.nn.modules.linear.Linear"
  std::string attribute;   ///< What the module around it calls it.
  std::size_t parent = 0;  ///< Index; the model is its own.
  std::vector<HeldTensor> tensors;
  std::optional<bool> training;
};

/// All modules, each one once, those around others first. Reads the description alone. Throws
/// ArchiveError that begins with `place`.
std::vector<ModuleNode> read_module_tree(const Pickle& pickle, const std::string& place);

/// "encoder.layers.0.weight"
std::string tensor_path(const ModuleNode& module, const std::string& attribute);

}  // namespace torchship
