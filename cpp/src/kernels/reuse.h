#pragma once

#include <torch/csrc/jit/ir/ir.h>

namespace torchship {

/// Lets operators that work element by element write their result over an argument that nobody else
/// holds, which saves memory, page faults and cache.
///
/// Note [Memory that nobody else holds]
/// The interpreter moves a value out of its register at its last use. A tensor on the stack whose
/// reference count, and that of its storage, is one is then seen by this operator alone: it is no
/// input, weight, constant or view of one, and may be written. What cannot be told beforehand
/// (dtypes, sizes, strides) is asked in every call. Results are bit for bit the same.
///
/// To be the last pass over a graph: the operators claim to write nothing.
void reuse_memory(torch::jit::Graph& graph);

}  // namespace torchship
