#include <cstdint>

#include "compute/isa/combine.h"
#include "compute/isa/entries.h"
#include "compute/isa/math.h"
#include "compute/isa/vector.h"

namespace torchship::compute::TORCHSHIP_LEVEL {
namespace {

struct Sum {
  static constexpr float kNothing = 0;
  Vec operator()(Vec a, Vec b) const { return a + b; }
};
struct Maximum {
  static constexpr float kNothing = -kInfinity;
  Vec operator()(Vec a, Vec b) const { return larger_of(a, b); }
};
struct Minimum {
  static constexpr float kNothing = kInfinity;
  Vec operator()(Vec a, Vec b) const { return smaller_of(a, b); }
};

/// Combines the rows of vectors of columns that lie side by side.
template <int kVecs, typename Combine, typename Load>
inline void combine_columns(const Reducing& reducing, const float* from, Combine combine,
                            Load load_vector, Vec (&all)[kVecs]) {
  constexpr std::int64_t kBlock =
      128;  // Rows combined before they join the others: a long sum stays exact.
  for (Vec& vec : all) vec = broadcast(Combine::kNothing);
  for (std::int64_t row = 0; row < reducing.reduced;) {
    const std::int64_t end = reducing.reduced - row < kBlock ? reducing.reduced : row + kBlock;
    Vec parts[kVecs];
    for (Vec& vec : parts) vec = broadcast(Combine::kNothing);
    for (; row < end; ++row, from += reducing.inner) {
      for (int vec = 0; vec < kVecs; ++vec)
        parts[vec] = combine(parts[vec], load_vector(from + vec * kLanes));
    }
    for (int vec = 0; vec < kVecs; ++vec) all[vec] = combine(all[vec], parts[vec]);
  }
}

/// How many columns a thread takes at once.
constexpr int kVecs = 8;
constexpr std::int64_t kColumns = kVecs * kLanes;

template <typename Combine>
void reduce_columns(const Reducing& reducing, std::int64_t outer, std::int64_t column,
                    float divisor) {
  const float* const from = reducing.input + outer * reducing.reduced * reducing.inner;
  float* const to = reducing.result + outer * reducing.inner;
  const std::int64_t end = reducing.inner - column < kColumns ? reducing.inner : column + kColumns;
  if (end - column == kColumns) {
    Vec all[kVecs];
    combine_columns(
        reducing, from + column, Combine(), [](const float* at) { return load(at); }, all);
    for (int vec = 0; vec < kVecs; ++vec) store(to + column + vec * kLanes, all[vec] / divisor);
    return;
  }
  for (; column + kLanes <= end; column += kLanes) {
    Vec all[1];
    combine_columns(
        reducing, from + column, Combine(), [](const float* at) { return load(at); }, all);
    store(to + column, all[0] / divisor);
  }
  if (column == end) return;
  Vec all[1];
  const std::int64_t few = end - column;
  combine_columns(
      reducing, from + column, Combine(), [few](const float* at) { return load_few(at, few); },
      all);
  store_few(to + column, all[0] / divisor, few);
}

template <typename Combine>
void reduce_with(const Reducing& reducing, Share share, float divisor) {
  const std::int64_t blocks = (reducing.inner + kColumns - 1) / kColumns;
  const std::int64_t units = reducing.outer * blocks;
  const std::int64_t end = units * (share.index + 1) / share.count;
  for (std::int64_t unit = units * share.index / share.count; unit < end; ++unit) {
    if (reducing.inner == 1) {
      const float* const row = reducing.input + unit * reducing.reduced;
      reducing.result[unit] =
          combined_row(row, reducing.reduced, Combine::kNothing, Combine()) / divisor;
    } else {
      reduce_columns<Combine>(reducing, unit / blocks, unit % blocks * kColumns, divisor);
    }
  }
}

}  // namespace

void reduce(const Reducing& reducing, Share share) {
  switch (reducing.reduction) {
    case Reduction::sum: return reduce_with<Sum>(reducing, share, 1);
    case Reduction::mean:
      return reduce_with<Sum>(reducing, share, static_cast<float>(reducing.reduced));
    case Reduction::maximum: return reduce_with<Maximum>(reducing, share, 1);
    case Reduction::minimum: return reduce_with<Minimum>(reducing, share, 1);
  }
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
