#include "thread_number.h"

#include <atomic>

namespace torchship {

std::size_t number_of_this_thread() {
  static std::atomic<std::size_t> next = 0;
  thread_local const std::size_t number = next++;
  return number;
}

}  // namespace torchship
