#pragma once

#include <map>
#include <string>
#include <vector>

#include <torch/csrc/jit/ir/ir.h>
#include <torchship/info.h>

#include "exported/lowering/lowering.h"
#include "exported/program.h"

namespace torchship {

/// An input's leaf: its value in the graph and, of a tensor, what the program says of it.
struct GuardedInput {
  torch::jit::Value* value = nullptr;
  const ExportedTensor* tensor = nullptr;
};

/// By path, as guards write it: "L['d']['q']".
using GuardedInputs = std::map<std::string, GuardedInput>;

/// Puts checks of a program's guards at the insertion point, but for those that the promises of its
/// signature cover. Guards that are no conditions on sizes are left out.
void lower_guards(const std::vector<std::string>& guards, const GuardedInputs& inputs,
                  const std::vector<DimensionRange>& dimensions, Lowering& lowering);

}  // namespace torchship
