#pragma once

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/ir.h>

namespace torchship {

/// Refuses a function that calls others that call others, until the whole, inlined, would fill the
/// memory. Throws std::runtime_error, as LibTorch does where it refuses code.
void require_inlinable(torch::jit::Function& function);

/// Refuses chains of operators that LibTorch would need too much stack to compile. Throws
/// std::runtime_error.
void require_compilable(torch::jit::Graph& graph);

/// Refuses constants that stand for dtypes, layouts or memory formats that do not exist: LibTorch
/// takes them for positions in its tables. Throws std::runtime_error.
void require_known_constants(torch::jit::Graph& graph);

}  // namespace torchship
