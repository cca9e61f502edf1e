#pragma once

#include <cstdint>

namespace torchship::compute {

/// Where a resized image's pixels come from, as LibTorch has it: nearest is its
/// upsample_nearest2d, nearest_exact _upsample_nearest_exact2d, bilinear upsample_bilinear2d.
enum class Resampling : std::uint8_t { nearest, nearest_exact, bilinear };

/// Images whose channels are last in memory are made larger or smaller, all float32 and dense:
/// input [batch, height, width, channels], result [batch, out_height, out_width, channels]. No
/// size but the batch's and the channels' may be 0, and input and result do not overlap.
struct Resizing {
  std::int64_t batch = 0;
  std::int64_t height = 0, width = 0, channels = 0;
  std::int64_t out_height = 0, out_width = 0;
  Resampling mode = Resampling::nearest;
  bool align_corners = false;  ///< Of bilinear: the corners' centres stay where they are.
  /// The factors that the model gives; 0 where it gives none: they follow from the sizes.
  double scale_height = 0, scale_width = 0;
  const float* input = nullptr;
  float* result = nullptr;
};

}  // namespace torchship::compute
