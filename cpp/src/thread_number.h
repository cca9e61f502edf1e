#pragma once

#include <cstddef>

namespace torchship {

/// The number of the calling thread: 0 for the first one that asked, then 1, and so on.
std::size_t number_of_this_thread();

}  // namespace torchship
