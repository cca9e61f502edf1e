#pragma once

#include <cstdint>

#include <c10/core/Stream.h>

#include "deferred/device.h"

namespace torchship::test::deferred {

/// The stream that the calling thread computes on.
std::int64_t current_stream();

Counts& mutable_counts();

/// Refuses to go on in a capture, as CUDA does, and counts.
void host_wait(std::int64_t stream);

}  // namespace torchship::test::deferred
