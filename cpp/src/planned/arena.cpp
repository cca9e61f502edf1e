#include "planned/arena.h"

#include <algorithm>

namespace torchship {
namespace {

constexpr std::size_t kAlignment = 64;

bool are_alive_together(const Buffer& a, const Buffer& b) {
  return a.first_step <= b.last_step && b.first_step <= a.last_step;
}

std::size_t aligned(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

/// The lowest offset at which `bytes` fit between the others, which are in the order of offsets.
std::size_t lowest_gap(const std::vector<const Buffer*>& others, std::size_t bytes) {
  std::size_t offset = 0;
  for (const Buffer* other : others) {
    if (offset + bytes <= other->offset) break;
    offset = std::max(offset, other->offset + aligned(other->bytes));
  }
  return offset;
}

}  // namespace

std::size_t place_buffers(std::vector<Buffer>& buffers) {
  std::vector<Buffer*> order;
  for (Buffer& buffer : buffers) {
    if (buffer.home == Buffer::Home::arena) order.push_back(&buffer);
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const Buffer* a, const Buffer* b) { return a->bytes > b->bytes; });
  std::vector<const Buffer*> placed;  // In the order of offsets.
  std::size_t whole = 0;
  for (Buffer* buffer : order) {
    std::vector<const Buffer*> others;
    for (const Buffer* other : placed) {
      if (are_alive_together(*buffer, *other)) others.push_back(other);
    }
    buffer->offset = lowest_gap(others, aligned(buffer->bytes));
    whole = std::max(whole, buffer->offset + aligned(buffer->bytes));
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), buffer,
                         [](const Buffer* a, const Buffer* b) { return a->offset < b->offset; }),
        buffer);
  }
  return whole;
}

}  // namespace torchship
