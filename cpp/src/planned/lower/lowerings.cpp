#include "planned/lower/lowerings.h"

#include <string_view>
#include <unordered_map>

#include "planned/lower/convolution.h"

namespace torchship {

Lowering lowering_of(const torch::jit::Node& node) {
  static const std::unordered_map<std::string_view, Lowering> kLowerings = {
      {"aten::linear", lower_linear},
      {"aten::addmm", lower_addmm},
      {"aten::matmul", lower_matmul},
      {"aten::mm", lower_matmul},
      {"aten::bmm", lower_matmul},
      {"aten::conv1d", lower_convolution},
      {"aten::conv2d", lower_convolution},
      {"aten::convolution", lower_convolution},
      {"aten::conv_transpose1d", lower_transposed_convolution},
      {"aten::conv_transpose2d", lower_transposed_convolution},
      {"aten::_convolution", lower_convolution},
      {"aten::batch_norm", lower_batch_norm},
      {"aten::max_pool2d", lower_pooling},
      {"aten::avg_pool2d", lower_pooling},
      {"aten::adaptive_avg_pool2d", lower_adaptive_pooling},
      {"aten::mean", lower_reduction},
      {"aten::sum", lower_reduction},
      {"aten::amax", lower_reduction},
      {"aten::amin", lower_reduction},
      {"aten::layer_norm", lower_layer_norm},
      {"aten::rms_norm", lower_rms_norm},
      {"aten::group_norm", lower_group_norm},
      {"aten::instance_norm", lower_group_norm},
      {"aten::upsample_nearest2d", lower_resize},
      {"aten::_upsample_nearest_exact2d", lower_resize},
      {"aten::upsample_bilinear2d", lower_resize},
      {"aten::embedding", lower_embedding},
      {"aten::softmax", lower_softmax},
      {"aten::scaled_dot_product_attention", lower_attention},
      {"aten::lstm", lower_lstm},
      {"aten::gru", lower_gru},
      {"aten::cat", lower_cat},
      {"aten::contiguous", lower_identity},
      {"aten::detach", lower_identity},
      {"aten::dropout", lower_identity},
      {"prim::ListConstruct", lower_construct},
      {"prim::TupleConstruct", lower_construct},
      {"prim::ListUnpack", lower_unpack},
      {"prim::TupleUnpack", lower_unpack},
      {"prim::TupleIndex", lower_item},
      {"aten::__getitem__", lower_item},
  };
  const auto found = kLowerings.find(node.kind().toQualString());
  if (found != kLowerings.end()) return found->second;
  return is_pointwise(node) ? lower_pointwise : nullptr;
}

}  // namespace torchship
