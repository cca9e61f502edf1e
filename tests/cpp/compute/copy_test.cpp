#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "compute/pointwise.h"
#include "buffers.h"
#include "level.h"

namespace torchship::compute {
namespace {

using Sizes = std::vector<std::int64_t>;

/// Strides of memory whose dimensions are in `order`, the outermost first, with `gap` elements
/// behind each row.
Sizes strides_in(const Sizes& sizes, const std::vector<std::size_t>& order, std::int64_t gap = 0) {
  Sizes strides(sizes.size());
  std::int64_t stride = 1;
  for (std::size_t i = order.size(); i-- > 0;) {
    strides[order[i]] = stride;
    stride *= sizes[order[i]];
    if (i + 1 == order.size()) stride += gap;
  }
  return strides;
}

std::int64_t extent(const Sizes& sizes, const Sizes& strides) {
  std::int64_t last = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) last += (sizes[i] - 1) * strides[i];
  return last + 1;
}

void check_copy(const Sizes& sizes, const Sizes& from_strides, const Sizes& to_strides) {
  Guarded from(extent(sizes, from_strides)), to(extent(sizes, to_strides));
  for (std::int64_t i = 0; i < from.size(); ++i) {
    // All bits, those of floats that are no numbers too.
    const auto bits = static_cast<std::uint32_t>(i * 2654435761u + 0x7f800001u);
    std::memcpy(from.data() + i, &bits, sizeof(bits));
  }
  Copying copying;
  copying.dimensions = static_cast<int>(sizes.size());
  std::copy(sizes.begin(), sizes.end(), copying.sizes);
  std::copy(from_strides.begin(), from_strides.end(), copying.from_strides);
  std::copy(to_strides.begin(), to_strides.end(), copying.to_strides);
  copying.from = from.data();
  copying.to = to.data();
  const std::int64_t count =
      std::accumulate(sizes.begin(), sizes.end(), std::int64_t{1}, std::multiplies<>());
  for (int threads = 1; threads <= 5; ++threads) {
    Guarded expected(to.size(), -5);
    for (std::int64_t i = 0; i < to.size(); ++i) to[i] = -5;
    for_each_share(threads, [&](Share share) { level().copy(copying, share); });
    for (std::int64_t index = 0; index < count; ++index) {
      std::int64_t rest = index, at = 0, there = 0;
      for (std::size_t i = sizes.size(); i-- > 0; rest /= sizes[i]) {
        at += rest % sizes[i] * from_strides[i];
        there += rest % sizes[i] * to_strides[i];
      }
      std::memcpy(expected.data() + there, from.data() + at, sizeof(float));
    }
    ASSERT_EQ(std::memcmp(to.data(), expected.data(),
                          static_cast<std::size_t>(to.size()) * sizeof(float)),
              0);
    ASSERT_TRUE(to.is_intact());
  }
}

TEST(Copy, DenseOfAllSizes) {
  for (const std::int64_t size : {1, 2, 7, 8, 9, 100, 255, 256, 257, 5000, 10001})
    check_copy({size}, {1}, {1});
  check_copy({}, {}, {});
}

TEST(Copy, TransposesOfAllSizes) {
  for (const std::int64_t rows : {1, 2, 3, 4, 7, 8, 9, 16, 23, 64, 65, 200}) {
    for (const std::int64_t columns : {1, 3, 4, 8, 15, 16, 33, 257, 300}) {
      check_copy({rows, columns}, {1, rows}, {columns, 1});
      check_copy({rows, columns}, {columns, 1}, {1, rows});
      check_copy({rows, columns}, {1, rows + 3}, {columns + 2, 1});
    }
  }
}

TEST(Copy, ImagesWithChannelsFirstAndLast) {
  for (const std::int64_t channels : {1, 3, 8, 17, 64}) {
    for (const std::int64_t side : {1, 5, 14}) {
      const Sizes sizes = {2, channels, side, side + 1};
      check_copy(sizes, strides_in(sizes, {0, 1, 2, 3}), strides_in(sizes, {0, 2, 3, 1}));
      check_copy(sizes, strides_in(sizes, {0, 2, 3, 1}), strides_in(sizes, {0, 1, 2, 3}));
    }
  }
}

TEST(Copy, AllPermutationsOfDimensions) {
  const Sizes sizes = {3, 9, 2, 11};
  std::vector<std::size_t> from = {0, 1, 2, 3};
  do {
    std::vector<std::size_t> to = {0, 1, 2, 3};
    do {
      check_copy(sizes, strides_in(sizes, from), strides_in(sizes, to));
      check_copy(sizes, strides_in(sizes, from, 2), strides_in(sizes, to, 3));
    } while (std::next_permutation(to.begin(), to.end()));
  } while (std::next_permutation(from.begin(), from.end()));
}

TEST(Copy, SlicesAndBroadcasts) {
  check_copy({50, 20}, {40, 2}, {20, 1});
  check_copy({50, 20}, {20, 1}, {60, 3});
  check_copy({50, 20}, {0, 1}, {20, 1});
  check_copy({50, 20}, {1, 0}, {20, 1});
  check_copy({50, 300}, {1, 0}, {301, 1});
  check_copy({4, 5, 6}, {0, 0, 0}, {30, 6, 1});
  check_copy({4, 5000}, {6000, 1}, {7000, 1});
  check_copy({2, 3, 2, 3, 2, 3, 2, 3}, {1, 2, 6, 12, 36, 72, 216, 432},
             {648, 216, 108, 36, 18, 6, 3, 1});
}

TEST(Copy, NothingAtAll) {
  Copying copying;
  copying.dimensions = 2;
  copying.sizes[0] = 0, copying.sizes[1] = 4;
  copying.from_strides[0] = copying.to_strides[0] = 4;
  copying.from_strides[1] = copying.to_strides[1] = 1;
  level().copy(copying, Share{});
}

}  // namespace
}  // namespace torchship::compute
