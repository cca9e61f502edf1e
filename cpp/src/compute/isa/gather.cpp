#include "compute/gather.h"

#include <cstdint>

#include "compute/isa/copy_row.h"
#include "compute/isa/entries.h"
#include "compute/isa/split.h"

namespace torchship::compute::TORCHSHIP_LEVEL {

bool gather(const Gathering& gathering, Share share) {
  const std::int64_t width = gathering.width;
  const Range range = part_of(gathering.count, share.index, share.count);
  for (std::int64_t i = range.begin; i < range.end; ++i) {
    const std::int64_t row = gathering.indices[i];
    if (row < 0 || row >= gathering.rows) return false;
    copy_row(gathering.table + row * width, gathering.result + i * width, width);
  }
  return true;
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
