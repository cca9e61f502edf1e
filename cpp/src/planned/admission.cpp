#include "planned/admission.h"

#include <functional>

namespace torchship {

bool Admission::admits(const std::string& key) {
  const std::lock_guard lock(mutex_);
  if (calls_.size() >= kMostKeys) calls_.clear();
  const std::size_t hash = std::hash<std::string>()(key);
  if (++calls_[hash] < needed_) return false;
  calls_.erase(hash);
  if (++admitted_ >= most_ && needed_ < kMostCalls) {
    admitted_ = 0;
    needed_ *= 2;
  }
  return true;
}

}  // namespace torchship
