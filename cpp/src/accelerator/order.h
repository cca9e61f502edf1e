#pragma once

#include <c10/core/Stream.h>

namespace torchship {

/// Lets what is given to `later` from now on wait for what `earlier` has got until now. The host does not
/// wait.
void wait_for(const c10::Stream& earlier, const c10::Stream& later);

}  // namespace torchship
