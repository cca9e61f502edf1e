#include "compute/isa/direct.h"

#include "compute/isa/microkernel.h"
#include "compute/isa/split.h"

// Note [Direct convolution]
// Each result's pixel is a row of the microkernel, which begins where the kernel's first tap lies
// in the image. A tap is a whole line of the kernel, kernel_width * channels numbers that are
// neighbours in memory, unless dilation or groups tear them apart. The image is copied with its
// padding around it, a block at a time, so that no tap needs to be looked at; a convolution without
// padding reads its input in place. While a block lies in the second cache, each panel of filters
// passes once, in blocks of terms that stay in the first.

namespace torchship::compute::TORCHSHIP_LEVEL {
namespace {

/// Half of the second cache, and half of the first in rows of a panel.
constexpr std::int64_t kBlockFloats = 64 * 1024;
constexpr std::int64_t kBlockTerms = 256;
/// Rows of a partial panel that a tile of few rows may have more of than it has rows.
constexpr std::int64_t kSparePartials = 4;

/// The taps of one dimension from first to last.
std::int64_t extent(std::int64_t kernel, std::int64_t dilation) {
  return (kernel - 1) * dilation + 1;
}

/// What is the same for all blocks of a convolution.
struct Plan {
  explicit Plan(const Convolution& convolution);

  // Sums.
  bool taps_are_lines = false;
  std::int64_t taps = 0, depth = 0, terms = 0;
  std::int64_t taps_at_once = 0, depth_at_once = 0;  ///< Of a block of terms.
  std::int64_t group_filters = 0, group_panels = 0, panels = 0;

  // Blocks.
  bool is_padded = false;  ///< Else the input is read in place.
  std::int64_t height = 0,
               width =
                   0;  ///< Of what all results of an image depend on: its padding belongs to it.
  /// Images of a block; 0: less than one, then its lines; 0 again: its results of one line.
  std::int64_t images = 0, lines = 0, columns = 0;
  std::int64_t block_pixels = 0, block_floats = 0;
};

Plan::Plan(const Convolution& convolution) {
  const std::int64_t reach_height = extent(convolution.kernel_height, convolution.dilation_height);
  const std::int64_t reach_width = extent(convolution.kernel_width, convolution.dilation_width);
  const std::int64_t channels = convolution.channels;

  taps_are_lines = convolution.dilation_width == 1 && convolution.groups == 1;
  taps = taps_are_lines ? convolution.kernel_height
                        : convolution.kernel_height * convolution.kernel_width;
  depth = taps_are_lines ? convolution.kernel_width * channels : channels / convolution.groups;
  terms = taps * depth;
  taps_at_once = depth < kBlockTerms ? smaller_of(kBlockTerms / depth, taps) : 1;
  depth_at_once = divide_up(depth, divide_up(depth, kBlockTerms));
  group_filters = convolution.filters / convolution.groups;
  group_panels = divide_up(group_filters, kPanel);
  panels = convolution.groups * group_panels;

  height = (convolution.out_height - 1) * convolution.stride_height + reach_height;
  width = (convolution.out_width - 1) * convolution.stride_width + reach_width;
  is_padded = convolution.pad_top > 0 || convolution.pad_left > 0 ||
              height - convolution.pad_top > convolution.height ||
              width - convolution.pad_left > convolution.width;

  // A block's floats are its inputs and, for each pixel, a panel of sums.
  const std::int64_t line_pixels = convolution.out_width,
                     image_pixels = line_pixels * convolution.out_height;
  const std::int64_t line = width * channels;
  images = smaller_of(kBlockFloats / (height * line + image_pixels * kPanel), convolution.batch);
  if (images > 0) {
    block_pixels = images * image_pixels;
    block_floats = images * height * line;
    return;
  }
  const std::int64_t stride = convolution.stride_height;
  const std::int64_t more_lines = kBlockFloats - (reach_height - stride) * line;
  lines = more_lines > 0 ? more_lines / (stride * line + line_pixels * kPanel) : 0;
  if (lines > 0) {
    lines = divide_up(convolution.out_height, divide_up(convolution.out_height, lines));
    block_pixels = lines * line_pixels;
    block_floats = ((lines - 1) * stride + reach_height) * line;
    return;
  }
  const std::int64_t column = reach_height * convolution.stride_width * channels + kPanel;
  const std::int64_t fitting = (kBlockFloats - reach_height * reach_width * channels) / column;
  const std::int64_t least = 4 * kTileRows;
  columns = smaller_of(fitting < least ? least : fitting / kTileRows * kTileRows, line_pixels);
  block_pixels = columns;
  block_floats = reach_height * ((columns - 1) * convolution.stride_width + reach_width) * channels;
}

/// Pixels of the result whose inputs are at hand.
struct Block {
  Range pixels;
  const float* start = nullptr;  ///< The first tap of the first pixel.
  std::int64_t y = 0, x = 0;     ///< Of the first pixel.
  // Between the first taps of neighbouring pixels; what is more from line to line and image to
  // image.
  std::int64_t step = 0, line_step = 0, image_step = 0;
  std::int64_t line = 0;  ///< Floats of a line of inputs.
};

/// A region of the images, whose coordinates may lie outside of them.
struct Region {
  Range images, lines, columns;
};

/// Copies a region, zeros where there is no image.
void copy_padded(const Convolution& convolution, const Region& region, float* to) {
  const std::int64_t channels = convolution.channels;
  const auto clip = [](std::int64_t position, std::int64_t size) {
    return position < 0 ? 0 : smaller_of(position, size);
  };
  const std::int64_t begin = clip(region.columns.begin, convolution.width);
  const std::int64_t end = clip(region.columns.end, convolution.width);
  const std::int64_t before =
      smaller_of(begin - region.columns.begin, region.columns.size()) * channels;
  const std::int64_t inside = (end - begin) * channels;
  const std::int64_t all = region.columns.size() * channels;
  const auto bytes = [](std::int64_t floats) {
    return static_cast<std::size_t>(floats) * sizeof(float);
  };
  for (std::int64_t image = region.images.begin; image < region.images.end; ++image) {
    for (std::int64_t line = region.lines.begin; line < region.lines.end; ++line, to += all) {
      if (line < 0 || line >= convolution.height || inside == 0) {
        __builtin_memset(to, 0, bytes(all));
        continue;
      }
      const std::int64_t from =
          ((image * convolution.height + line) * convolution.width + begin) * channels;
      __builtin_memset(to, 0, bytes(before));
      __builtin_memcpy(to + before, convolution.input + from, bytes(inside));
      __builtin_memset(to + before + inside, 0, bytes(all - before - inside));
    }
  }
}

/// The block that begins at a pixel and ends at `end` at the latest.
Block next_block(const Convolution& convolution, const Plan& plan, Range pixels, float* scratch) {
  const std::int64_t out_height = convolution.out_height, out_width = convolution.out_width;
  const std::int64_t first_line = pixels.begin / out_width;
  const std::int64_t image = first_line / out_height, y = first_line % out_height,
                     x = pixels.begin % out_width;
  const std::int64_t top = y * convolution.stride_height - convolution.pad_top;

  Region region{{image, image + 1}, {}, {-convolution.pad_left, plan.width - convolution.pad_left}};
  std::int64_t end = pixels.end;
  if (plan.images > 0) {
    end = smaller_of(end, (image + plan.images) * out_height * out_width);
    region.images.end = divide_up(end, out_height * out_width);
    region.lines = {-convolution.pad_top, plan.height - convolution.pad_top};
  } else {
    const std::int64_t last_line =
        smaller_of(first_line + (plan.lines > 0 ? plan.lines : 1), (image + 1) * out_height);
    end = smaller_of(end, last_line * out_width);
    if (plan.lines == 0) {
      end = smaller_of(end, pixels.begin + plan.columns);
      const std::int64_t left = x * convolution.stride_width - convolution.pad_left;
      const std::int64_t results = (end - pixels.begin - 1) * convolution.stride_width;
      region.columns = {
          left, left + results + extent(convolution.kernel_width, convolution.dilation_width)};
    }
    const std::int64_t results =
        (divide_up(end, out_width) - first_line - 1) * convolution.stride_height;
    region.lines = {top,
                    top + results + extent(convolution.kernel_height, convolution.dilation_height)};
  }
  const float* base = scratch;
  if (plan.is_padded) {
    copy_padded(convolution, region, scratch);
  } else {
    region = {{0, convolution.batch}, {0, convolution.height}, {0, convolution.width}};
    base = convolution.input;
  }

  Block block;
  block.pixels = {pixels.begin, end};
  block.y = y;
  block.x = x;
  block.line = region.columns.size() * convolution.channels;
  const std::int64_t left = x * convolution.stride_width - convolution.pad_left;
  const std::int64_t lines =
      (image - region.images.begin) * region.lines.size() + top - region.lines.begin;
  block.start = base + lines * block.line + (left - region.columns.begin) * convolution.channels;
  block.step = convolution.stride_width * convolution.channels;
  block.line_step = convolution.stride_height * block.line - out_width * block.step;
  block.image_step = (region.lines.size() - out_height * convolution.stride_height) * block.line;
  return block;
}

void set_offsets(const Convolution& convolution, const Plan& plan, const Block& block,
                 std::int64_t* offsets) {
  const std::int64_t columns = plan.taps / convolution.kernel_height;
  for (std::int64_t tap = 0; tap < plan.taps; ++tap) {
    offsets[tap] = tap / columns * convolution.dilation_height * block.line +
                   tap % columns * convolution.dilation_width * convolution.channels;
  }
}

/// The part of a block's terms that `tile` describes, for all pixels of the block.
void pass_pixels(const Convolution& convolution, const Block& block, std::int64_t shift,
                 std::int64_t column, float* partial, std::int64_t partial_stride, Tile& tile) {
  const int most = tile_rows(tile.columns);
  const float* rows[kTileRows > kNarrowTileRows ? kTileRows : kNarrowTileRows];
  tile.rows = rows;
  tile.c_stride = convolution.filters;
  const float* pointer = block.start + shift;
  std::int64_t x = block.x, y = block.y;
  std::int64_t left = divide_up(block.pixels.size(), most);
  for (std::int64_t pixel = block.pixels.begin; pixel < block.pixels.end; --left) {
    // Tiles of even sizes: one row alone would take as long as four.
    const std::int64_t count = divide_up(block.pixels.end - pixel, left);
    for (std::int64_t r = 0; r < count; ++r) {
      rows[r] = pointer;
      pointer += block.step;
      if (++x < convolution.out_width) continue;
      x = 0;
      pointer += block.line_step;
      if (++y < convolution.out_height) continue;
      y = 0;
      pointer += block.image_step;
    }
    tile.partial = partial + (pixel - block.pixels.begin) * partial_stride;
    tile.c = convolution.result + pixel * convolution.filters + column;
    tile.epilogue = epilogue_at(convolution.epilogue, pixel, column);
    compute_tile(static_cast<int>(count), tile);
    pixel += count;
  }
}

/// `columns` filters of a block from a panel on: its terms in blocks.
void pass_panels(const Convolution& convolution, const Plan& plan, const Block& block,
                 std::int64_t panel, std::int64_t columns, const std::int64_t* offsets,
                 float* partial) {
  const std::int64_t group = panel / plan.group_panels;
  const std::int64_t column = group * plan.group_filters + panel % plan.group_panels * kPanel;
  const std::int64_t partial_stride = divide_up(columns, kPanel) * kPanel;
  const float* const b = convolution.weight + panel * plan.terms * kPanel;
  Tile tile;
  tile.panel_stride = plan.terms * kPanel;
  tile.columns = columns;
  for (std::int64_t tap = 0; tap < plan.taps; tap += plan.taps_at_once) {
    for (std::int64_t k = 0; k < plan.depth; k += plan.depth_at_once) {
      tile.offsets = offsets + tap;
      tile.taps = smaller_of(plan.taps_at_once, plan.taps - tap);
      tile.depth = smaller_of(plan.depth_at_once, plan.depth - k);
      tile.b = b + (tap * plan.depth + k) * kPanel;
      tile.is_first = tap == 0 && k == 0;
      tile.is_last = tap + tile.taps == plan.taps && k + tile.depth == plan.depth;
      const std::int64_t shift = group * (convolution.channels / convolution.groups) + k;
      pass_pixels(convolution, block, shift, column, partial, partial_stride, tile);
    }
  }
}

}  // namespace

std::int64_t packed_direct_size(const Convolution& convolution) {
  const Plan plan(convolution);
  return plan.panels * plan.terms * kPanel;
}

void pack_direct(const Convolution& convolution, const float* filters, float* packed) {
  const Plan plan(convolution);
  const std::int64_t channels = convolution.channels / convolution.groups;
  const std::int64_t taps = convolution.kernel_height * convolution.kernel_width;
  for (std::int64_t panel = 0; panel < plan.panels; ++panel, packed += plan.terms * kPanel) {
    const std::int64_t column = panel % plan.group_panels * kPanel;
    const std::int64_t filter = panel / plan.group_panels * plan.group_filters + column;
    const std::int64_t count = smaller_of(plan.group_filters - column, kPanel);
    for (std::int64_t channel = 0; channel < channels; ++channel) {
      const float* const from = filters + (filter * channels + channel) * taps;
      for (std::int64_t tap = 0; tap < taps; ++tap) {
        float* const to = packed + (tap * channels + channel) * kPanel;
        for (std::int64_t i = 0; i < count; ++i) to[i] = from[i * channels * taps + tap];
        for (std::int64_t i = count; i < kPanel; ++i) to[i] = 0;
      }
    }
  }
}

std::int64_t convolve_direct_scratch(const Convolution& convolution) {
  const Plan plan(convolution);
  const std::int64_t copied = plan.is_padded ? divide_up(plan.block_floats, 16) * 16 : 0;
  const std::int64_t partial = (plan.block_pixels + kSparePartials) * kPanel;
  return copied + partial + plan.taps * 2;  // An offset is as large as two floats.
}

void convolve_direct(const Convolution& convolution, Share share, float* scratch) {
  const Plan plan(convolution);
  float* const partial = scratch + (plan.is_padded ? divide_up(plan.block_floats, 16) * 16 : 0);
  auto* const offsets =
      reinterpret_cast<std::int64_t*>(partial + (plan.block_pixels + kSparePartials) * kPanel);

  // A row of the grid is a tile of pixels. To read a panel from memory costs about as much as to
  // use it once.
  const Overhead overhead{.of_row = 0.03, .of_panel = 1};
  const std::int64_t pixels = convolution.batch * convolution.out_height * convolution.out_width;
  const Part part = part_of_grid(divide_up(pixels, kTileRows), plan.panels, overhead, share);
  const Range own{part.rows.begin * kTileRows, smaller_of(part.rows.end * kTileRows, pixels)};
  for (std::int64_t pixel = own.begin; pixel < own.end;) {
    const Block block = next_block(convolution, plan, {pixel, own.end}, scratch);
    set_offsets(convolution, plan, block, offsets);
    const int most_panels = tile_panels(block.pixels.size());
    for (std::int64_t panel = part.panels.begin; panel < part.panels.end;) {
      const std::int64_t in_group = panel % plan.group_panels;
      const std::int64_t available =
          smaller_of(plan.group_panels - in_group, part.panels.end - panel);
      std::int64_t count = most_panels;
      while (count > available) count /= 2;
      const std::int64_t columns =
          smaller_of(count * kPanel, plan.group_filters - in_group * kPanel);
      pass_panels(convolution, plan, block, panel, columns, offsets, partial);
      panel += count;
    }
    pixel = block.pixels.end;
  }
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
