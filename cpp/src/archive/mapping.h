#pragma once

#include <cstdint>
#include <memory>
#include <span>

namespace torchship {

// Note [Mapped files]
// A mapping shows a file's bytes as the system has them in memory: models of one file share them,
// in one process or in many. It is private: who writes to a page gets a copy of it, and the file
// stays as it is. The file may be deleted, or another one renamed to its name. Whoever writes into
// it, or cuts it short, changes the bytes under a model's feet; where there are none left, the
// system ends the process (SIGBUS). LoadOptions::map = false is for files to which that may happen.

/// A whole file mapped to memory, until the last owner is gone. See Note [Mapped files].
class Mapping {
 public:
  enum class Use { read, write };

  /// Null where the system refuses; the file can be read then.
  static std::shared_ptr<const Mapping> of(int descriptor, std::uint64_t size, Use use);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  /// They may be written to, if that is what they were mapped for.
  std::span<char> bytes() const noexcept { return bytes_; }

 private:
  explicit Mapping(std::span<char> bytes) : bytes_(bytes) {}

  std::span<char> bytes_;
};

}  // namespace torchship
