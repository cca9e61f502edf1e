#include "compute/convolution.h"

#include "compute/isa/depthwise.h"
#include "compute/isa/direct.h"
#include "compute/isa/entries.h"
#include "compute/isa/split.h"
#include "compute/isa/vector.h"
#include "compute/isa/winograd.h"
#include "compute/matrix.h"

namespace torchship::compute::TORCHSHIP_LEVEL {
namespace {

/// Kernels of one tap that meets every pixel: pixels [batch * height * width, channels] times
/// filters.
bool is_product(const Convolution& convolution) {
  return convolution.algorithm == Algorithm::direct && convolution.groups == 1 &&
         convolution.kernel_height == 1 && convolution.kernel_width == 1 &&
         convolution.out_height == convolution.height &&
         convolution.out_width == convolution.width && convolution.stride_height == 1 &&
         convolution.stride_width == 1 && convolution.pad_top == 0 && convolution.pad_left == 0;
}

Product as_product(const Convolution& convolution) {
  Product product;
  product.m = convolution.batch * convolution.height * convolution.width;
  product.k = convolution.channels;
  product.n = convolution.filters;
  product.a = convolution.input;
  product.a_stride = convolution.channels;
  product.b = convolution.weight;
  product.c = convolution.result;
  product.c_stride = convolution.filters;
  product.epilogue = convolution.epilogue;
  return product;
}

bool fits_winograd(const Convolution& convolution) {
  return convolution.kernel_height == 3 && convolution.kernel_width == 3 &&
         convolution.stride_height == 1 && convolution.stride_width == 1 &&
         convolution.dilation_height == 1 && convolution.dilation_width == 1 &&
         convolution.groups == 1;
}

// Note [Costs of algorithms]
// In cycles, as measured: one row times one row of a panel is one. Filters that are too many for
// the third cache are read from memory in the time of so many rows. Direct needs it besides, for it
// waits while its first rows pass; winograd needs it at least, for it reads ahead. Fewer rows than
// four have sums that wait for one another.
constexpr double kRowsOfReading = 12, kLeastRows = 4;
bool are_many(double filters) { return filters > 2 * 1024 * 1024; }

/// Winograd's, of a tile: of each vector of channels' transform, each panel's, each product of the
/// tile and a panel.
struct TileCosts {
  double input, output, product;
};
constexpr TileCosts kTileCosts2{30, 80, 5}, kTileCosts4{75, 180, 5};

double larger_of(double a, double b) { return a > b ? a : b; }

double cost_of_direct(const Convolution& convolution) {
  const auto pixels =
      static_cast<double>(convolution.batch * convolution.out_height * convolution.out_width);
  const auto half_panels = static_cast<double>(divide_up(convolution.filters, kLanes));
  const double filters = 9.0 * static_cast<double>(convolution.channels * convolution.filters);
  return 9.0 * static_cast<double>(convolution.channels) * half_panels / 2 *
         (larger_of(pixels, kLeastRows) + (are_many(filters) ? kRowsOfReading : 0));
}

/// With tiles of out * out results.
double cost_of_winograd(const Convolution& convolution, std::int64_t out, TileCosts costs) {
  const auto tiles =
      static_cast<double>(convolution.batch * divide_up(convolution.out_height, out) *
                          divide_up(convolution.out_width, out));
  const auto panels = static_cast<double>(divide_up(convolution.filters, 2 * kLanes));
  const auto vectors = static_cast<double>(divide_up(convolution.channels, kLanes));
  const auto products = static_cast<double>((out + 2) * (out + 2));
  const auto channels = static_cast<double>(convolution.channels);
  const double filters = products * channels * static_cast<double>(convolution.filters);
  return products * panels * channels *
             larger_of(tiles, are_many(filters) ? kRowsOfReading : kLeastRows) +
         tiles * (vectors * costs.input + panels * (costs.output + products * costs.product));
}

}  // namespace

Algorithm choose_algorithm(const Convolution& convolution, bool exact) {
  if (convolution.groups > 1 && convolution.groups == convolution.channels &&
      convolution.groups == convolution.filters) {
    return Algorithm::depthwise;
  }
  if (!fits_winograd(convolution)) return Algorithm::direct;
  // winograd_2 is exact enough: its sums are shorter than direct's, their errors no larger.
  const double direct = cost_of_direct(convolution),
               winograd_2 = cost_of_winograd(convolution, 2, kTileCosts2);
  const double winograd_4 = cost_of_winograd(convolution, 4, kTileCosts4);
  if (!exact && winograd_4 < winograd_2 && winograd_4 < direct) return Algorithm::winograd_4;
  return winograd_2 < direct ? Algorithm::winograd_2 : Algorithm::direct;
}

std::int64_t packed_filters_size(const Convolution& convolution) {
  if (is_product(convolution)) {
    return packed_matrix_size(convolution.channels, convolution.filters, Format::float32);
  }
  switch (convolution.algorithm) {
    case Algorithm::direct: return packed_direct_size(convolution);
    case Algorithm::depthwise: return packed_depthwise_size(convolution);
    case Algorithm::winograd_2:
    case Algorithm::winograd_4: return packed_winograd_size(convolution);
  }
  return 0;
}

void pack_filters(const Convolution& convolution, const float* filters, float* packed) {
  if (is_product(convolution)) {
    Unpacked matrix;
    matrix.k = convolution.channels;
    matrix.n = convolution.filters;
    matrix.data = filters;
    matrix.k_stride = 1;
    matrix.n_stride = convolution.channels;
    return pack_matrix(matrix, Format::float32, packed);
  }
  switch (convolution.algorithm) {
    case Algorithm::direct: return pack_direct(convolution, filters, packed);
    case Algorithm::depthwise: return pack_depthwise(convolution, filters, packed);
    case Algorithm::winograd_2:
    case Algorithm::winograd_4: return pack_winograd(convolution, filters, packed);
  }
}

std::int64_t convolve_scratch(const Convolution& convolution) {
  if (is_product(convolution)) return multiply_scratch(as_product(convolution));
  switch (convolution.algorithm) {
    case Algorithm::direct: return convolve_direct_scratch(convolution);
    case Algorithm::depthwise: return 0;
    case Algorithm::winograd_2:
    case Algorithm::winograd_4: return convolve_winograd_scratch(convolution);
  }
  return 0;
}

void convolve(const Convolution& convolution, Share share, float* scratch) {
  if (is_product(convolution)) return multiply(as_product(convolution), share, scratch);
  switch (convolution.algorithm) {
    case Algorithm::direct: return convolve_direct(convolution, share, scratch);
    case Algorithm::depthwise: return convolve_depthwise(convolution, share);
    case Algorithm::winograd_2:
    case Algorithm::winograd_4: return convolve_winograd(convolution, share, scratch);
  }
}

}  // namespace torchship::compute::TORCHSHIP_LEVEL
