#pragma once

// What each level offers: the functions behind compute/kernels.h.

#include <cstdint>

#include "compute/convolution.h"
#include "compute/gather.h"
#include "compute/matrix.h"
#include "compute/pointwise.h"
#include "compute/recurrent.h"
#include "compute/resize.h"
#include "compute/share.h"

namespace torchship::compute::TORCHSHIP_LEVEL {

std::int64_t packed_matrix_size(std::int64_t k, std::int64_t n, Format format);
void pack_matrix(const Unpacked& matrix, Format format, float* packed);
std::int64_t multiply_scratch(const Product& product);
void multiply(const Product& product, Share share, float* scratch);
std::int64_t attend_scratch(const Attention& attention);
void attend(const Attention& attention, Share share, float* scratch);

Algorithm choose_algorithm(const Convolution& convolution, bool exact);
std::int64_t packed_filters_size(const Convolution& convolution);
void pack_filters(const Convolution& convolution, const float* filters, float* packed);
std::int64_t convolve_scratch(const Convolution& convolution);
void convolve(const Convolution& convolution, Share share, float* scratch);
void pool(const Pooling& pooling, Share share);
void resize(const Resizing& resizing, Share share);

std::int64_t pointwise_scratch(const PointwiseProgram& program);
void pointwise(const PointwiseProgram& program, const PointwiseCall& call,
               const float* const* inputs, float* const* results, Share share, float* scratch);
void softmax(const Normalisation& rows, Share share);
void layer_norm(const Normalisation& rows, Share share);
void rms_norm(const Normalisation& rows, Share share);
void group_norm(const GroupNorm& norm, Share share);
void reduce(const Reducing& reducing, Share share);
void copy(const Copying& copying, Share share);
bool gather(const Gathering& gathering, Share share);

std::int64_t packed_recurrent_size(const RecurrentWeights& weights);
void pack_recurrent(const RecurrentWeights& weights, float* packed);
std::int64_t run_recurrent_scratch(const RecurrentLayer& layer);
int run_recurrent_threads(const RecurrentStack& stack, int threads);
void run_recurrent(const RecurrentStack& stack, Share share, float* scratch);

}  // namespace torchship::compute::TORCHSHIP_LEVEL
