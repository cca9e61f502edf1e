#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <unordered_map>

namespace torchship {

/// Decides for which signatures plans are made once there are as many plans as are kept, so that another
/// has to go. A plan costs some calls to make, and is worth that only if it comes again before it goes: a
/// text that grows by a word each call never does. So a signature has to come several times first,
/// twice as many for every so many plans that went; what this costs ends up below a hundredth of the
/// calls, whatever they are. Safe to use from several threads.
class Admission {
 public:
  /// `most` is how many plans are kept.
  explicit Admission(std::size_t most) : most_(most) {}

  /// Counts a call that has no plan; true where one is to be made now, for which another goes.
  bool admits(const std::string& key);

 private:
  static constexpr std::size_t kMostCalls = 256;  ///< A signature that came as often gets its plan.
  static constexpr std::size_t kMostKeys = 4096;

  const std::size_t most_;
  std::mutex mutex_;
  std::size_t needed_ = 2;
  std::size_t admitted_ = 0;  ///< Since `needed_` grew.
  std::unordered_map<std::size_t, std::size_t> calls_;  ///< By the key's hash.
};

}  // namespace torchship
