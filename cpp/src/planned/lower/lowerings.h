#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "planned/planner.h"

namespace torchship {

/// Puts the steps of an operation of the observed run into a plan and binds its results; false
/// where it is none for this lowering, which has changed nothing then that matters.
using Lowering = bool (*)(Planner& planner, std::size_t operation);

/// The lowering for operators of this kind, or null.
Lowering lowering_of(const torch::jit::Node& node);

bool lower_linear(Planner& planner, std::size_t index);       // aten::linear
bool lower_addmm(Planner& planner, std::size_t index);        // aten::addmm
bool lower_matmul(Planner& planner, std::size_t index);       // aten::matmul, mm, bmm
bool lower_convolution(Planner& planner, std::size_t index);  // aten::conv1d, conv2d, _convolution
bool lower_batch_norm(Planner& planner, std::size_t index);   // aten::batch_norm
bool lower_pooling(Planner& planner, std::size_t index);      // aten::max_pool2d, avg_pool2d
bool lower_adaptive_pooling(Planner& planner, std::size_t index);
bool lower_reduction(Planner& planner, std::size_t index);   // aten::mean, sum, amax, amin
bool lower_layer_norm(Planner& planner, std::size_t index);  // aten::layer_norm
bool lower_rms_norm(Planner& planner, std::size_t index);    // aten::rms_norm
bool lower_group_norm(Planner& planner, std::size_t index);  // aten::group_norm, instance_norm
bool lower_resize(Planner& planner, std::size_t index);      // aten::upsample_*2d
bool lower_embedding(Planner& planner, std::size_t index);   // aten::embedding
bool lower_softmax(Planner& planner, std::size_t index);     // aten::softmax
bool lower_attention(Planner& planner, std::size_t index);   // aten::scaled_dot_product_attention
bool lower_lstm(Planner& planner, std::size_t index);        // aten::lstm
bool lower_gru(Planner& planner, std::size_t index);         // aten::gru
bool lower_cat(Planner& planner, std::size_t index);         // aten::cat
bool lower_pointwise(Planner& planner, std::size_t index);   // Many.
bool lower_identity(Planner& planner, std::size_t index);    // aten::contiguous, dropout, detach
bool lower_construct(Planner& planner, std::size_t index);   // prim::ListConstruct, TupleConstruct
bool lower_unpack(Planner& planner, std::size_t index);      // prim::ListUnpack, TupleUnpack
bool lower_item(Planner& planner, std::size_t index);        // prim::TupleIndex, aten::__getitem__

/// Whether the operator's schema says that its result is a view of its first argument.
bool gives_view(const torch::jit::Node& node);
/// Operators that give another view of their first argument.
bool lower_view(Planner& planner, std::size_t index);
/// Anything: LibTorch runs it.
void lower_to_library(Planner& planner, std::size_t index);

/// The step that computes `stored`, elements of `sizes`; binds them.
Step pointwise_step(Planner& planner, const Sizes& sizes,
                    const std::shared_ptr<const CompiledExpressions>& made,
                    const std::vector<ValueId>& stored);

/// Whether an operator only changes elements one by one, so that lower_pointwise() takes it.
bool is_pointwise(const torch::jit::Node& node);

}  // namespace torchship
