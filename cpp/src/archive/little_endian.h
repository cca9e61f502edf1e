#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

namespace torchship {

static_assert(std::endian::native == std::endian::little, "big-endian machines are not supported");

/// The little-endian number at `offset`. Callers check lengths; std::out_of_range tells of a bug.
template <std::unsigned_integral T>
T load_little(std::string_view bytes, std::size_t offset) {
  if (offset > bytes.size() || sizeof(T) > bytes.size() - offset) {
    throw std::out_of_range("load_little");
  }
  T value = 0;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

/// The number's bytes, least significant first.
template <std::unsigned_integral T>
std::string little_bytes(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

}  // namespace torchship
