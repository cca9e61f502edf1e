#pragma once

// How threads divide work between them: even parts of a range, and, for convolutions, of a grid: pixels
// (or tiles of them) times panels of filters.

#include <cstdint>

#include "compute/isa/vector.h"
#include "compute/share.h"

namespace torchship::compute::TORCHSHIP_LEVEL {

inline std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
inline std::int64_t smaller_of(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t size() const { return end - begin; }
};

/// The index-th of `count` even parts of 0 to total.
inline Range part_of(std::int64_t total, std::int64_t index, std::int64_t count) {
  return {total * index / count, total * (index + 1) / count};
}

/// One thread's rectangle of a grid.
struct Part {
  Range rows;
  Range panels;
};

/// What a thread does besides rows times panels, in units of one row times one panel.
struct Overhead {
  double of_row = 0;    ///< Once a row: its copy, its transform.
  double of_panel = 0;  ///< Once a panel: reading it from memory.
};

/// The thread's rectangle, of those divisions of the grid whose largest part costs least.
inline Part part_of_grid(std::int64_t rows, std::int64_t panels, Overhead overhead, Share share) {
  std::int64_t best_splits = 1;
  double best_cost = 0;
  for (std::int64_t splits = 1; splits <= smaller_of(panels, share.count); ++splits) {
    const auto most_rows = static_cast<double>(divide_up(rows, share.count / splits));
    const auto most_panels = static_cast<double>(divide_up(panels, splits));
    const double cost =
        most_rows * most_panels + most_rows * overhead.of_row + most_panels * overhead.of_panel;
    if (splits > 1 && cost >= best_cost) continue;
    best_cost = cost;
    best_splits = splits;
  }
  const std::int64_t row_splits = share.count / best_splits;
  if (share.index >= row_splits * best_splits) return {};
  return {part_of(rows, share.index / best_splits, row_splits),
          part_of(panels, share.index % best_splits, best_splits)};
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
