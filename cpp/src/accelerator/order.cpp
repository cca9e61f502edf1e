#include "accelerator/order.h"

#include <c10/core/Event.h>

namespace torchship {

void wait_for(const c10::Stream& earlier, const c10::Stream& later) {
  c10::Event event(earlier.device_type());
  event.record(earlier);
  event.block(later);
}

}  // namespace torchship
