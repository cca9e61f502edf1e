#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

namespace torchship::fuzz {

/// The source of all choices: the same seed gives the same mutants.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : engine_() % limit; }
  bool once_in(std::size_t times) { return below(times) == 0; }
  char byte() { return static_cast<char>(engine_()); }

  template <typename Container>
  auto& pick(Container& items) {
    return items[below(items.size())];
  }

  /// Numbers at which programs break.
  std::int64_t number() {
    constexpr std::array<std::int64_t, 22> kEdges = {
        0,           1,           2,           3,          -1,         -2,        7,      64,
        127,         128,         255,         256,        65535,      65536,     1 << 20,
        0x7fffffff,  0x80000000,  0xffffffff,  0x100000000, INT64_MAX,  INT64_MIN, INT64_MAX / 4};
    return once_in(8) ? static_cast<std::int64_t>(engine_()) : pick(kEdges);
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace torchship::fuzz
