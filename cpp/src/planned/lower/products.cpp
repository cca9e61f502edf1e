#include "planned/lower/products.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "planned/lower/attention.h"
#include "planned/lower/emit.h"
#include "planned/lower/lowerings.h"

namespace torchship {
namespace {

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

/// A product of what changes and a weight.
struct WeightProduct {
  std::size_t operation = 0;
  ValueId input = 0;
  ValueId output = 0;
  at::Tensor weight;  ///< [k, n], of any strides.
  std::optional<at::Tensor> bias;
};

std::optional<WeightProduct> linear_of(const Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  const auto weight = planner.weight(operation.inputs[1]);
  const auto bias = planner.weight(operation.inputs[2]);
  if (!weight || weight->dim() != 2 || !planner.is_array(operation.inputs[0])) return std::nullopt;
  if (!bias && !planner.is_none(operation.inputs[2])) return std::nullopt;
  return WeightProduct{index, operation.inputs[0], operation.outputs[0], weight->t(), bias};
}

/// Whether nothing but other views of a result is used: then it may lie beside others.
bool is_only_viewed(const Planner& planner, ValueId id) {
  const ObservedValue& seen = planner.value(id);
  return !seen.is_result && std::all_of(seen.uses.begin(), seen.uses.end(), [&](std::size_t use) {
    return gives_view(*planner.operation(use).node);
  });
}

/// The linear layers of one input whose results are only viewed, this one first: q, k and v of an
/// attention. They become one product.
std::vector<WeightProduct> beside(const Planner& planner, const WeightProduct& first) {
  std::vector<WeightProduct> found = {first};
  if (!is_only_viewed(planner, first.output)) return found;
  for (const std::size_t use : planner.value(first.input).uses) {
    const ObservedOperation& operation = planner.operation(use);
    if (use <= first.operation || operation.node->kind() != c10::aten::linear ||
        operation.inputs[0] != first.input) {
      continue;
    }
    const auto other = linear_of(planner, use);
    if (other && other->bias.has_value() == first.bias.has_value() &&
        other->weight.size(0) == first.weight.size(0) && is_only_viewed(planner, other->output)) {
      found.push_back(*other);
    }
  }
  return found;
}

std::string_view name_of(compute::Format format) {
  switch (format) {
    case compute::Format::float32: return "float32";
    case compute::Format::bfloat16: return "bfloat16";
    case compute::Format::int8: return "int8";
  }
  return "";
}

/// To round the rows for few columns takes as long as to multiply them.
compute::Format format_of(const Planner& planner, std::int64_t columns) {
  constexpr std::int64_t kNarrow = 64;
  const compute::Format wanted = planner.options().weights;
  const bool is_worth_it = wanted != compute::Format::int8 || columns >= kNarrow;
  return is_worth_it ? wanted : compute::Format::float32;
}

/// All of their weights, side by side.
const float* pack_weights(Planner& planner, const std::vector<WeightProduct>& products,
                          const compute::Product& product) {
  std::vector<at::Tensor> weights;
  std::string use = "matrix " + std::string(name_of(product.format));
  for (const WeightProduct& each : products) {
    weights.push_back(each.weight);
    use += ' ' + sizes_text({each.weight.size(0), each.weight.size(1), each.weight.stride(0),
                             each.weight.stride(1)});
  }
  const auto& kernels = planner.kernels();
  return planner.pack(
      weights, use, kernels.packed_matrix_size(product.k, product.n, product.format),
      [weights, product, pack = kernels.pack_matrix](float* packed) {
        const at::Tensor whole = weights.size() == 1 ? weights[0] : at::cat(weights, 1);
        pack({.k = product.k,
              .n = product.n,
              .data = whole.const_data_ptr<float>(),
              .k_stride = whole.stride(0),
              .n_stride = whole.stride(1)},
             product.format, packed);
      });
}

const float* bias_of(Planner& planner, const std::vector<WeightProduct>& products) {
  if (products.size() == 1 || !products[0].bias) return planner.elements(products[0].bias);
  std::vector<at::Tensor> biases;
  for (const WeightProduct& each : products) biases.push_back(*each.bias);
  return planner.elements(std::optional(at::cat(biases)));
}

/// Binds the results of products that are parts of one.
void bind_parts(Planner& planner, const std::vector<WeightProduct>& products, const Array& whole) {
  Array part = whole;
  for (const WeightProduct& each : products) {
    part.sizes.back() = each.weight.size(1);
    planner.bind(each.output, part);
    part.offset += part.sizes.back();
  }
}

/// The products, and what follows where it is one.
bool multiply_weights(Planner& planner, const std::vector<WeightProduct>& products) {
  const Array a = in_rows(planner, planner.array(products[0].input));
  const std::optional<Rows> rows = rows_of(a);
  compute::Product product{.k = products[0].weight.size(0)};
  if (!rows || rows->columns != product.k) return false;
  Following following{.result = products[0].output, .residual = {}};
  for (const WeightProduct& each : products) {
    planner.absorb(each.operation);
    product.n += each.weight.size(1);
  }
  if (products.size() == 1) {
    following = follow(planner, products[0].output,
                       [&](const Array& residual) { return in_rows(planner, residual); });
  }
  Sizes sizes = planner.tensor(following.result)->sizes;
  sizes.back() = product.n;
  const Array c = planner.make_array(sizes);
  product.m = rows->rows;
  product.format = format_of(planner, product.n);
  product.a_stride = rows->stride;
  product.c_stride = product.n;
  product.epilogue = following.epilogue();
  product.b = pack_weights(planner, products, product);
  product.epilogue.bias = bias_of(planner, products);
  if (following.residual) product.epilogue.residual_stride = rows_of(*following.residual)->stride;
  planner.need_scratch(planner.kernels().multiply_scratch(product));
  if (products.size() == 1) {
    planner.bind(following.result, c);
  } else {
    bind_parts(planner, products, c);
  }

  std::string detail = sizes_text({product.m, product.k, product.n});
  if (product.format != compute::Format::float32)
    detail += ", " + std::string(name_of(product.format));
  const double work = 2.0 * static_cast<double>(product.m) * static_cast<double>(product.k) *
                      static_cast<double>(product.n);
  emit_with_epilogue(planner, {"multiply", std::move(detail), work}, planner.kernels().multiply,
                     product, a, c, following, kFewProducts,
                     [](compute::Product& bound, const float* from, float* to) {
                       bound.a = from;
                       bound.c = to;
                     });
  return true;
}

}  // namespace

bool lower_linear(Planner& planner, std::size_t index) {
  const auto product = linear_of(planner, index);
  return product && multiply_weights(planner, beside(planner, *product));
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
  return multiply_weights(planner,
                          {{index, operation.inputs[1], operation.outputs[0], *weight, bias}});
}

bool lower_matmul(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  const ValueId a = operation.inputs[0], b = operation.inputs[1];
  if (operation.inputs.size() != 2 || !planner.is_array(a) || !planner.is_array(b)) return false;
  if (!planner.is_array(operation.outputs[0])) return false;
  const auto weight = planner.weight(b);
  if (weight && weight->dim() == 2 && planner.tensor(a)->sizes.size() >= 2) {
    return multiply_weights(planner, {{index, a, operation.outputs[0], *weight, std::nullopt}});
  }
  return lower_written_attention(planner, index) || multiply_batches(planner, index);
}

}  // namespace torchship
