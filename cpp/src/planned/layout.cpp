#include "planned/layout.h"

#include <algorithm>

namespace torchship {

Sizes usual_strides(const Sizes& sizes) {
  Sizes strides(sizes.size());
  std::int64_t next = 1;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    strides[i] = next;
    next *= std::max<std::int64_t>(sizes[i], 1);
  }
  return strides;
}

Sizes channels_last_strides(const Sizes& sizes) {
  Sizes strides(sizes.size());
  std::int64_t next = std::max<std::int64_t>(sizes[1], 1);
  for (std::size_t i = sizes.size(); i-- > 2;) {
    strides[i] = next;
    next *= std::max<std::int64_t>(sizes[i], 1);
  }
  strides[1] = 1;
  strides[0] = next;
  return strides;
}

bool are_same_place(const Sizes& sizes, const Sizes& a, const Sizes& b) {
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] != 1 && a[i] != b[i]) return false;
  }
  return true;
}

std::optional<std::vector<std::size_t>> memory_order(const Sizes& sizes, const Sizes& strides) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] != 1) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return strides[a] > strides[b]; });
  std::int64_t expected = 1;
  for (std::size_t i = order.size(); i-- > 0;) {
    if (strides[order[i]] != expected) return std::nullopt;
    expected *= sizes[order[i]];
  }
  return order;
}

}  // namespace torchship
