// gather: rows picked from a table.

#include "compute/gather.h"

#include <gtest/gtest.h>

#include "buffers.h"
#include "level.h"

namespace torchship::compute {
namespace {

Gathering gathering_of(Guarded& table, std::int64_t width, const std::vector<std::int64_t>& indices,
                       Guarded& result) {
  return {table.data(),
          table.size() / width,
          width,
          indices.data(),
          static_cast<std::int64_t>(indices.size()),
          result.data()};
}

TEST(Gather, AllWidthsAndShares) {
  constexpr std::int64_t kRows = 11;
  for (const std::int64_t width : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 255, 256, 300}) {
    for (const std::int64_t count : {1, 2, 7, 20}) {
      Guarded table(kRows * width), result(count * width);
      table.randomise(static_cast<unsigned>(width));
      table[0] = std::nanf("");
      std::vector<std::int64_t> indices;
      for (std::int64_t i = 0; i < count; ++i) indices.push_back(i * 7 % kRows);
      for (int threads = 1; threads <= 5; ++threads) {
        for (std::int64_t i = 0; i < result.size(); ++i) result[i] = -1;
        for_each_share(threads, [&](Share share) {
          ASSERT_TRUE(level().gather(gathering_of(table, width, indices, result), share));
        });
        for (std::int64_t i = 0; i < result.size(); ++i) {
          const std::int64_t row = indices[static_cast<std::size_t>(i / width)];
          ASSERT_TRUE(is_close(result[i], table[row * width + i % width], 0));
        }
        ASSERT_TRUE(result.is_intact());
      }
    }
  }
}

TEST(Gather, IndicesOfNoRow) {
  Guarded table(10), result(8);
  for (const std::int64_t wrong : {std::int64_t{-1}, std::int64_t{5}, INT64_MIN, INT64_MAX}) {
    const std::vector<std::int64_t> indices = {0, 4, wrong, 1};
    EXPECT_FALSE(level().gather(gathering_of(table, 2, indices, result), {0, 1}));
    EXPECT_TRUE(level().gather(gathering_of(table, 2, indices, result), {0, 2}));
    EXPECT_FALSE(level().gather(gathering_of(table, 2, indices, result), {1, 2}));
    EXPECT_TRUE(result.is_intact());
  }
}

}  // namespace
}  // namespace torchship::compute
