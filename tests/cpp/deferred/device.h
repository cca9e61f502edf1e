#pragma once

#include <cstddef>

#include <c10/core/Device.h>
#include <c10/core/Stream.h>

// A device whose work is done late: operators, copies and waits are queued on its streams, and a queue is worked
// off when something waits for it, as a GPU's host sees it at worst. Memory is the host's, and results
// are NaN until they are computed, so that whoever forgets to wait, or to put streams in order, gets
// wrong numbers. It is the device "deferred:0" in the process that links it.
namespace torchship::test::deferred {

inline const at::Device kDevice{at::kPrivateUse1, 0};

/// What happened since reset_counts().
struct Counts {
  std::size_t host_waits = 0;      ///< Times that the host waited for a stream.
  std::size_t blocking_copies = 0; ///< Copies that made it wait, each by itself.
  std::size_t kept_for_stream = 0; ///< Memory that a stream was said to use: recordDataPtrOnStream().
  std::size_t launches = 0;        ///< Graphs that were replayed.
};
Counts counts();
void reset_counts();

/// Waits for everything.
void synchronize();

/// How much work a stream has still to do.
std::size_t pending(const c10::Stream& stream);
/// Lets the device do so much of it, and no more: streams may be at any point of theirs when another gets on.
void advance(const c10::Stream& stream, std::size_t works);

}  // namespace torchship::test::deferred
