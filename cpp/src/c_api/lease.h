#pragma once

#include <memory>
#include <utility>

#include <torchship/c_api.h>

namespace torchship::c_api {

/// Memory of the caller's that something of ours may use. It is let go of when the last owner of
/// the lease goes, if the lease was taken: until then a failure leaves the memory the caller's.
class Lease {
 public:
  Lease(ts_release release, void* context) : release_(release), context_(context) {}
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() {
    if (taken_ && release_ != nullptr) release_(context_);
  }

  /// The last step of a function that takes memory: nothing may fail after.
  void take() noexcept { taken_ = true; }

 private:
  ts_release release_;
  void* context_;
  bool taken_ = false;
};

}  // namespace torchship::c_api
