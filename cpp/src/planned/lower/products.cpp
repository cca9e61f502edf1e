#include <optional>
#include <string>

#include "planned/lower/emit.h"
#include "planned/lower/lowerings.h"
#include "planned/team.h"

namespace torchship {
namespace {

/// Products below this many operations are done by one thread: waking another takes longer.
constexpr double kFew = 1 << 20;

/// An array as rows with a stride between: all dimensions but the last become one.
struct Rows {
  std::int64_t rows = 1;
  std::int64_t columns = 1;
  std::int64_t stride = 0;
};

std::optional<Rows> rows_of(const Array& array) {
  if (array.sizes.empty()) return std::nullopt;
  const std::size_t last = array.sizes.size() - 1;
  Rows rows{.rows = 1, .columns = array.sizes[last], .stride = 0};
  if (array.sizes[last] != 1 && array.strides[last] != 1) return std::nullopt;
  bool is_first = true;
  for (std::size_t i = last; i-- > 0;) {
    if (array.sizes[i] == 1) continue;
    if (is_first) {
      rows.stride = array.strides[i];
      is_first = false;
    } else if (array.strides[i] != rows.stride * rows.rows) {
      return std::nullopt;
    }
    rows.rows *= array.sizes[i];
  }
  if (is_first) rows.stride = rows.columns;
  return rows;
}

Array in_rows(Planner& planner, const Array& array) {
  return rows_of(array) ? array : planner.contiguous(array);
}

std::string numbers(std::initializer_list<std::int64_t> values) {
  std::string text;
  for (const std::int64_t value : values)
    text += (text.empty() ? "" : " x ") + std::to_string(value);
  return text;
}

/// input times weight [k, n] of any strides plus bias, and what follows.
bool multiply_weight(Planner& planner, std::size_t index, ValueId input, const at::Tensor& weight,
                     bool is_transposed, const std::optional<at::Tensor>& bias) {
  const ObservedOperation& operation = planner.operation(index);
  const Array a = in_rows(planner, planner.array(input));
  const std::optional<Rows> rows = rows_of(a);
  compute::Unpacked matrix{.k = weight.size(is_transposed ? 1 : 0),
                           .n = weight.size(is_transposed ? 0 : 1),
                           .data = weight.const_data_ptr<float>(),
                           .k_stride = weight.stride(is_transposed ? 1 : 0),
                           .n_stride = weight.stride(is_transposed ? 0 : 1)};
  if (!rows || rows->columns != matrix.k) return false;
  planner.absorb(index);
  const Following following = follow(planner, operation.outputs[0], [&](const Array& residual) {
    return in_rows(planner, residual);
  });
  const auto& kernels = planner.kernels();
  const Array c = planner.make_array(planner.tensor(following.result)->sizes);
  compute::Product product{.m = rows->rows,
                           .k = matrix.k,
                           .n = matrix.n,
                           .a_stride = rows->stride,
                           .c_stride = matrix.n,
                           .epilogue = following.epilogue()};
  const std::string use =
      "matrix " + numbers({matrix.k, matrix.n, matrix.k_stride, matrix.n_stride});
  product.b = planner.pack({weight}, use, kernels.packed_matrix_size(matrix.k, matrix.n),
                           [&](float* packed) { kernels.pack_matrix(matrix, packed); });
  if (bias) {
    const at::Tensor dense = bias->contiguous();
    product.epilogue.bias = dense.const_data_ptr<float>();
    planner.keep(std::make_shared<const at::Tensor>(dense));
  }
  if (following.residual) product.epilogue.residual_stride = rows_of(*following.residual)->stride;
  planner.need_scratch(kernels.multiply_scratch(product));
  planner.bind(following.result, c);

  const double work = 2.0 * static_cast<double>(product.m) * static_cast<double>(product.k) *
                      static_cast<double>(product.n);
  emit_with_epilogue(planner, {"multiply", numbers({product.m, product.k, product.n}), work},
                     kernels.multiply, product, a, c, following, kFew,
                     [](compute::Product& bound, const float* from, float* to) {
                       bound.a = from;
                       bound.c = to;
                     });
  return true;
}

/// Where the matrices of an operand begin that is repeated to `sizes`, those of the result but for
/// the last two.
std::vector<std::int64_t> matrix_offsets(const Array& array, const Sizes& sizes) {
  std::int64_t batches = 1;
  for (const std::int64_t size : sizes) batches *= size;
  const std::size_t missing = sizes.size() - (array.sizes.size() - 2);
  std::vector<std::int64_t> offsets(static_cast<std::size_t>(batches));
  for (std::int64_t batch = 0; batch < batches; ++batch) {
    std::int64_t left = batch;
    for (std::size_t i = sizes.size(); i-- > 0;) {
      const std::int64_t at = left % sizes[i];
      left /= sizes[i];
      const bool repeats = i < missing || array.sizes[i - missing] == 1;
      if (!repeats) offsets[static_cast<std::size_t>(batch)] += at * array.strides[i - missing];
    }
  }
  return offsets;
}

/// One product for each batch; b is packed in each call.
struct Batches {
  compute::Product product;
  compute::Unpacked matrix;
  std::int64_t packed = 0;  ///< Floats of scratch.
  std::vector<std::int64_t> a_offsets, b_offsets;

  void run(const compute::Kernels& kernels, const float* a, const float* b, float* c,
           compute::Share share, float* scratch) const {
    const auto count = static_cast<std::int64_t>(a_offsets.size());
    for (std::int64_t i = share.index; i < count; i += share.count) {
      compute::Unpacked own = matrix;
      own.data = b + b_offsets[static_cast<std::size_t>(i)];
      kernels.pack_matrix(own, scratch);
      compute::Product bound = product;
      bound.a = a + a_offsets[static_cast<std::size_t>(i)];
      bound.b = scratch;
      bound.c = c + i * product.m * product.n;
      kernels.multiply(bound, {}, scratch + packed);
    }
  }
};

/// Two operands that change.
bool multiply_batches(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  Array a = planner.array(operation.inputs[0]);
  const Array b = planner.array(operation.inputs[1]);
  if (a.sizes.size() < 2 || b.sizes.size() < 2) return false;
  if (a.sizes.back() != 1 && a.strides.back() != 1) a = planner.contiguous(a);
  const Array c = planner.make_array(planner.tensor(operation.outputs[0])->sizes);
  const Sizes outer(c.sizes.begin(), c.sizes.end() - 2);
  const std::size_t rows = a.sizes.size() - 2;
  Batches batches{.product = {.m = a.sizes[rows],
                              .k = a.sizes.back(),
                              .n = b.sizes.back(),
                              .a_stride = a.sizes[rows] == 1 ? a.sizes.back() : a.strides[rows],
                              .c_stride = b.sizes.back()},
                  .matrix = {.k = a.sizes.back(),
                             .n = b.sizes.back(),
                             .k_stride = b.strides[b.sizes.size() - 2],
                             .n_stride = b.strides.back()},
                  .a_offsets = matrix_offsets(a, outer),
                  .b_offsets = matrix_offsets(b, outer)};
  const compute::Product& product = batches.product;
  const auto& kernels = planner.kernels();
  batches.packed = (kernels.packed_matrix_size(product.k, product.n) + 15) / 16 * 16;
  planner.need_scratch(batches.packed + kernels.multiply_scratch(product));
  planner.absorb(index);
  planner.bind(operation.outputs[0], c);
  const auto count = static_cast<std::int64_t>(batches.a_offsets.size());
  const double work = 2.0 * static_cast<double>(count * product.m) *
                      static_cast<double>(product.k) * static_cast<double>(product.n);
  Step step{.kernel = "multiply batches",
            .operators = {},
            .run = {},
            .reads = {a.buffer, b.buffer},
            .writes = {c.buffer},
            .operations = work,
            .detail = numbers({count, product.m, product.k, product.n})};
  step.run = [=, &kernels, batches = std::move(batches)](Frame& frame) {
    run_team(work < kFew ? 1 : frame.threads(), [&](compute::Share share) {
      batches.run(kernels, frame.at(a), frame.at(b), frame.at(c), share,
                  frame.scratch(share.index));
    });
  };
  planner.emit(std::move(step));
  return true;
}

}  // namespace

bool lower_linear(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  const auto weight = planner.weight(operation.inputs[1]);
  const auto bias = planner.weight(operation.inputs[2]);
  if (!weight || weight->dim() != 2 || !planner.is_array(operation.inputs[0])) return false;
  if (!bias && !planner.is_none(operation.inputs[2])) return false;
  return multiply_weight(planner, index, operation.inputs[0], *weight, true, bias);
}

bool lower_addmm(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  const auto bias = planner.weight(operation.inputs[0]);
  const auto weight = planner.weight(operation.inputs[2]);
  if (!bias || !weight || !planner.is_array(operation.inputs[1]) || operation.inputs.size() != 5) {
    return false;
  }
  if (bias->dim() != 1 || bias->size(0) != weight->size(1)) return false;
  if (planner.number(operation.inputs[3]) != 1.0 || planner.number(operation.inputs[4]) != 1.0) {
    return false;
  }
  return multiply_weight(planner, index, operation.inputs[1], *weight, false, bias);
}

bool lower_matmul(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  const ValueId a = operation.inputs[0], b = operation.inputs[1];
  if (operation.inputs.size() != 2 || !planner.is_array(a) || !planner.is_array(b)) return false;
  if (!planner.is_array(operation.outputs[0])) return false;
  const auto weight = planner.weight(b);
  if (weight && weight->dim() == 2 && planner.tensor(a)->sizes.size() >= 2) {
    return multiply_weight(planner, index, a, *weight, false, std::nullopt);
  }
  return multiply_batches(planner, index);
}

}  // namespace torchship
