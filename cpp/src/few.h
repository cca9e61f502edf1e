#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace torchship {

/// A number of values that is known when it is made; a few need no allocation.
template <typename T, std::size_t Count>
class Few {
 public:
  explicit Few(std::size_t count, const T& value = T())
      : many_(count > Count ? count : 0, value), count_(count) {
    few_.fill(value);
  }

  T& operator[](std::size_t i) { return data()[i]; }
  const T& operator[](std::size_t i) const { return many_.empty() ? few_[i] : many_[i]; }
  T* data() { return many_.empty() ? few_.data() : many_.data(); }
  std::size_t size() const { return count_; }

 private:
  std::array<T, Count> few_;
  std::vector<T> many_;
  std::size_t count_;
};

}  // namespace torchship
