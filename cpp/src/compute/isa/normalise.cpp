#include <cstdint>

#include "compute/isa/combine.h"
#include "compute/isa/entries.h"
#include "compute/isa/math.h"
#include "compute/isa/vector.h"

namespace torchship::compute::TORCHSHIP_LEVEL {
namespace {

/// Without what is no number: it is found again in the sum.
float largest(const float* values, std::int64_t count) {
  return combined_row(values, count, -kInfinity, [](Vec a, Vec b) { return at_least(a, b); });
}

/// Writes e^(value - largest), returns their sum.
float exponentials(const float* values, float largest, float* result, std::int64_t count) {
  return sum_of(
      count,
      [=](std::int64_t i) {
        const Vec power = exponential(load(values + i) - largest);
        store(result + i, power);
        return power;
      },
      [=](std::int64_t i, std::int64_t few) {
        const Vec power = exponential(load_few(values + i, few) - largest);
        store_few(result + i, power, few);
        return power;
      });
}

void scale(float* values, float factor, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(values + i, load(values + i) * factor);
  if (i < count) store_few(values + i, load_few(values + i, count - i) * factor, count - i);
}

/// The sum of `values` and `added`, which are added into `sum`.
float sum_of_rows(const float* values, const float* added, float* sum, std::int64_t count) {
  return sum_of(
      count,
      [=](std::int64_t i) {
        const Vec both = load(values + i) + load(added + i);
        store(sum + i, both);
        return both;
      },
      [=](std::int64_t i, std::int64_t few) {
        const Vec both = load_few(values + i, few) + load_few(added + i, few);
        store_few(sum + i, both, few);
        return both;
      });
}

constexpr std::int64_t kShort = 8 * kLanes;

/// Softmax of up to kShort numbers, which stay in registers or in what is nearest to them.
void softmax_short(const float* values, float* result, std::int64_t count) {
  Vec powers[kShort / kLanes];
  const std::int64_t whole = count / kLanes;
  const std::int64_t few = count % kLanes;
  Vec highest = broadcast(-kInfinity);
  for (std::int64_t i = 0; i < whole; ++i) {
    powers[i] = load(values + i * kLanes);
    highest = at_least(highest, powers[i]);
  }
  if (few > 0) {
    powers[whole] = first_of(load_few(values + whole * kLanes, few), few, broadcast(-kInfinity));
    highest = at_least(highest, powers[whole]);
  }
  const float largest = combined_lanes(highest, [](Vec a, Vec b) { return at_least(a, b); });
  Vec sums{};
  const std::int64_t vectors = whole + (few > 0 ? 1 : 0);
  for (std::int64_t i = 0; i < vectors; ++i) {
    powers[i] = exponential(powers[i] - largest);
    sums += powers[i];
  }
  const float factor = 1 / combined_lanes(sums, [](Vec a, Vec b) { return a + b; });
  for (std::int64_t i = 0; i < whole; ++i) store(result + i * kLanes, powers[i] * factor);
  if (few > 0) store_few(result + whole * kLanes, powers[whole] * factor, few);
}

/// (value - mean) * factor * weight + bias.
template <bool kWeight, bool kBias>
void write_normal(const float* values, float mean, float factor, const float* weight,
                  const float* bias, float* result, std::int64_t count) {
  const auto normal = [=](Vec value, Vec weight, Vec bias) {
    value = (value - mean) * factor;
    if constexpr (kWeight) value = kBias ? value * weight + bias : value * weight;
    if constexpr (!kWeight && kBias) value = value + bias;
    return value;
  };
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    store(result + i, normal(load(values + i), kWeight ? load(weight + i) : Vec{},
                             kBias ? load(bias + i) : Vec{}));
  }
  if (i == count) return;
  const std::int64_t few = count - i;
  store_few(result + i,
            normal(load_few(values + i, few), kWeight ? load_few(weight + i, few) : Vec{},
                   kBias ? load_few(bias + i, few) : Vec{}),
            few);
}

template <bool kHasMean>
void normalise(const Normalisation& rows, Share share) {
  const std::int64_t columns = rows.columns;
  const auto with_weight =
      rows.bias != nullptr ? write_normal<true, true> : write_normal<true, false>;
  const auto without =
      rows.bias != nullptr ? write_normal<false, true> : write_normal<false, false>;
  const auto write = rows.weight != nullptr ? with_weight : without;
  const auto count = static_cast<float>(columns);
  const std::int64_t end = rows.rows * (share.index + 1) / share.count;
  for (std::int64_t row = rows.rows * share.index / share.count; row < end; ++row) {
    const float* values = rows.input + row * rows.input_stride;
    float* const result = rows.result + row * rows.result_stride;
    float sum = 0;
    if (rows.residual != nullptr) {
      // Where nobody asks for the sum, the result's memory keeps it meanwhile.
      float* const both = rows.sum != nullptr ? rows.sum + row * rows.sum_stride : result;
      sum = sum_of_rows(values, rows.residual + row * rows.residual_stride, both, columns);
      values = both;
    } else if (kHasMean) {
      sum = sum_of_row(values, columns);
    }
    const float mean = kHasMean ? sum / count : 0;
    const float variance = squares_around(values, mean, columns) / count;
    const float factor = 1 / __builtin_sqrtf(variance + static_cast<float>(rows.epsilon));
    write(values, mean, factor, rows.weight, rows.bias, result, columns);
  }
}

}  // namespace

void softmax(const Normalisation& rows, Share share) {
  const std::int64_t end = rows.rows * (share.index + 1) / share.count;
  for (std::int64_t row = rows.rows * share.index / share.count; row < end; ++row) {
    const float* const input = rows.input + row * rows.input_stride;
    float* const result = rows.result + row * rows.result_stride;
    if (rows.columns <= kShort) {
      softmax_short(input, result, rows.columns);
      continue;
    }
    const float sum = exponentials(input, largest(input, rows.columns), result, rows.columns);
    scale(result, 1 / sum, rows.columns);
  }
}

void layer_norm(const Normalisation& rows, Share share) { normalise<true>(rows, share); }

void rms_norm(const Normalisation& rows, Share share) { normalise<false>(rows, share); }

}  // namespace torchship::compute::TORCHSHIP_LEVEL
