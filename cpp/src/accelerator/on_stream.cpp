#include "accelerator/on_stream.h"

#include <c10/core/Event.h>

namespace torchship {
namespace {

void wait_for(const c10::Stream& earlier, const c10::Stream& later) {
  c10::Event event(earlier.device_type());
  event.record(earlier);
  event.block(later);
}

}  // namespace

OnStream::OnStream(const c10::Stream& stream)
    : guard_(stream.device_type()), before_(guard_.getStream(stream.device())), stream_(stream) {
  wait_for(before_, stream_);
  guard_.exchangeStream(stream_);
}

OnStream::~OnStream() {
  try {
    guard_.exchangeStream(before_);
    wait_for(stream_, before_);
  } catch (...) {  // What is wrong with the device, the next call to it will say.
  }
}

}  // namespace torchship
