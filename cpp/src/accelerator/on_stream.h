#pragma once

#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace torchship {

/// Makes a stream the calling thread's current one for as long as it lives. What the stream is given waits for
/// what the one before has got until then, and that one waits for it afterwards; the host does not.
class OnStream {
 public:
  explicit OnStream(const c10::Stream& stream);
  ~OnStream();
  OnStream(const OnStream&) = delete;
  OnStream& operator=(const OnStream&) = delete;

 private:
  c10::impl::VirtualGuardImpl guard_;
  c10::Stream before_;
  c10::Stream stream_;
};

}  // namespace torchship
