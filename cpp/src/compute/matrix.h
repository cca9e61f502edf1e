#pragma once

#include <cstdint>

namespace torchship::compute {

/// What is done to a number of a result before it is stored.
enum class Activation : std::uint8_t {
  none,
  relu,
  gelu,  ///< With erf.
  gelu_tanh,
  silu,
  sigmoid,
  tanh,
  hardswish,
  hardsigmoid,
  clamp,  ///< To Epilogue::low and high: relu6, hardtanh.
};

/// result = activation(product + bias + residual), or activation(product + bias) + residual.
struct Epilogue {
  const float* bias = nullptr;  ///< [columns], or null.
  const float* residual =
      nullptr;  ///< Rows of the result's size, or null; may be the result itself.
  std::int64_t residual_stride = 0;  ///< Floats from one row of it to the next.
  bool residual_is_last = false;     ///< Added after the activation.
  Activation activation = Activation::none;
  float low = 0;
  float high = 0;
};

/// How a packed matrix keeps its numbers; the other operand, results and the epilogue are float32
/// in each.
enum class Format : std::uint8_t {
  float32,
  /// Rounded to the nearest, halves to the even one; products and sums are float32's.
  bfloat16,
  /// Dynamically quantised. When the matrix is packed, each column is rounded to -127..127 times a
  /// scale of its own (its largest absolute value / 127); in each product, each row of the other
  /// operand is rounded to 7 bits, 0..127, with a scale and a zero point of its own (of the range
  /// of its numbers and 0): so sums of two products fit 16 bits, and all levels add up the same
  /// whole numbers. A row with NaN or infinity gives NaN in all columns, and such a column in all
  /// rows; what is 0 stays 0.
  int8,
};

/// c [m, n] = epilogue(a [m, k] times b [k, n]); float32, rows contiguous, b packed.
struct Product {
  std::int64_t m = 0;
  std::int64_t k = 0;
  std::int64_t n = 0;
  const float* a = nullptr;
  std::int64_t a_stride = 0;        ///< Floats from one row to the next.
  const float* b = nullptr;         ///< As Kernels::pack_matrix wrote it,
  Format format = Format::float32;  ///< in this format.
  float* c = nullptr;
  std::int64_t c_stride = 0;
  float scale = 1;  ///< Multiplies the product, before the bias.
  Epilogue epilogue = {};
};

/// A matrix [k, n] to be packed, of any strides.
struct Unpacked {
  std::int64_t k = 0;
  std::int64_t n = 0;
  const float* data = nullptr;
  std::int64_t k_stride = 0;
  std::int64_t n_stride = 0;
};

/// softmax(q kT * scale + mask) v for each batch and head; float32. q [batch, heads, rows, width],
/// k [batch, heads, columns, width], v [batch, heads, columns, value_width], each with strides in
/// floats whose last is 1.
struct Attention {
  std::int64_t batch = 0;
  std::int64_t heads = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t width = 0;
  std::int64_t value_width = 0;
  float scale = 1;
  bool is_causal = false;  ///< Row i sees columns 0 to i.
  /// Of a row all of whose columns are masked with -infinity: 0, or NaN, which softmax gives.
  float unseen = 0;
  const float* q = nullptr;
  const float* k = nullptr;
  const float* v = nullptr;
  float* result = nullptr;      ///< [batch, heads, rows, value_width], of any strides but the last.
  const float* mask = nullptr;  ///< Added before the softmax, or null; strides may be 0.
  std::int64_t q_strides[3] = {};  ///< Of batch, heads, rows.
  std::int64_t k_strides[3] = {};
  std::int64_t v_strides[3] = {};
  std::int64_t result_strides[3] = {};
  std::int64_t mask_strides[4] = {};  ///< Of batch, heads, rows, columns.
  /// Heads of k and v are shared by `heads / key_heads` heads of q in a row each.
  std::int64_t key_heads = 0;
};

}  // namespace torchship::compute
