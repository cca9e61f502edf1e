#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

namespace torchship {

/// Calls `work(i)` for each of the sizes, in bytes: the largest first, and on a thread for every
/// `bytes_a_thread`, up to 8; all have ended when it returns. Of what `work` throws, the
/// exception of the smallest `i` is thrown on, whichever came first; items behind that one may be
/// left out.
void each_by_size(std::span<const std::uint64_t> sizes, std::uint64_t bytes_a_thread,
                  const std::function<void(std::size_t)>& work);

}  // namespace torchship
