#include <algorithm>
#include <string>
#include <utility>

#include "planned/lower/emit.h"
#include "planned/lower/products.h"
#include "team.h"

namespace torchship {
namespace {

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

  /// Parts of the rows that threads do on their own where batches do not share out evenly; each
  /// packs b for itself, which many rows outweigh.
  std::int64_t parts(int threads) const {
    constexpr std::int64_t kFewRows = 32;
    const auto count = static_cast<std::int64_t>(a_offsets.size());
    const bool is_even = count % threads == 0 || count >= 4 * threads;
    return is_even ? 1 : std::clamp<std::int64_t>(product.m / kFewRows, 1, threads);
  }

  void run(const compute::Kernels& kernels, const float* a, const float* b, float* c,
           compute::Share share, float* scratch) const {
    const std::int64_t parts = this->parts(share.count);
    const auto count = static_cast<std::int64_t>(a_offsets.size()) * parts;
    for (std::int64_t i = share.index; i < count; i += share.count) {
      const std::int64_t batch = i / parts, part = i % parts;
      const std::int64_t first = product.m * part / parts;
      compute::Unpacked own = matrix;
      own.data = b + b_offsets[static_cast<std::size_t>(batch)];
      kernels.pack_matrix(own, product.format, scratch);
      compute::Product bound = product;
      bound.m = product.m * (part + 1) / parts - first;
      bound.a = a + a_offsets[static_cast<std::size_t>(batch)] + first * product.a_stride;
      bound.b = scratch;
      bound.c = c + (batch * product.m + first) * product.n;
      kernels.multiply(bound, {}, scratch + packed);
    }
  }
};

}  // namespace

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
  const std::int64_t size = kernels.packed_matrix_size(product.k, product.n, product.format);
  batches.packed = (size + 15) / 16 * 16;
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
            .detail = sizes_text({count, product.m, product.k, product.n})};
  step.run = [=, &kernels, batches = std::move(batches)](Frame& frame) {
    run_team(work < kFewProducts ? 1 : frame.threads(), [&](compute::Share share) {
      batches.run(kernels, frame.at(a), frame.at(b), frame.at(c), share,
                  frame.scratch(share.index));
    });
  };
  planner.emit(std::move(step));
  return true;
}

}  // namespace torchship
