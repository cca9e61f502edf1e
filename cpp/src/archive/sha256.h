#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace torchship {

/// SHA-256 (FIPS 180-4) of bytes that are handed in piece by piece.
class Sha256 {
 public:
  /// Which code does the work; results are the same.
  enum class Path { best, portable };

  explicit Sha256(Path path = Path::best);

  void update(std::string_view bytes);
  /// The digest of all bytes so far as 64 lower-case hex digits. Ends the sum.
  std::string finish();

  /// Whether this processor has instructions for it.
  static bool has_instructions() noexcept;

 private:
  static constexpr std::size_t kBlock = 64;
  using State = std::array<std::uint32_t, 8>;
  using Compress = void (*)(State& state, const char* blocks, std::size_t count);

  Compress compress_;
  State state_;
  std::array<char, kBlock> pending_;  ///< The start of a block that is not full yet.
  std::uint64_t length_ = 0;          ///< Bytes so far.
};

}  // namespace torchship
