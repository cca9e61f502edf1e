#pragma once

#include <cstdint>
#include <string_view>

#include "compute/convolution.h"
#include "compute/gather.h"
#include "compute/matrix.h"
#include "compute/pointwise.h"
#include "compute/recurrent.h"
#include "compute/resize.h"
#include "compute/share.h"

namespace torchship::compute {

// Note [Kernels]
// Plain functions over float32 memory of the host: they allocate nothing, throw nothing, know
// nothing of LibTorch, and may be called from any thread. All threads of a team call one with the
// same arguments and their Share; results do not depend on the number of threads, but for where it
// says so. `scratch` is this thread's own memory, aligned to 64 bytes, of the size that the
// kernel's *_scratch() says, in floats. Packed weights are of one level: what one table packs, no
// other reads.

/// The kernels of one level of instructions.
struct Kernels {
  std::string_view name;  ///< "plain", "avx2", "avx512".

  // Products: isa/matrix.cpp, isa/matrix_int8.cpp, isa/attention.cpp.
  /// In floats, whatever the format.
  std::int64_t (*packed_matrix_size)(std::int64_t k, std::int64_t n, Format format);
  void (*pack_matrix)(const Unpacked& matrix, Format format, float* packed);
  std::int64_t (*multiply_scratch)(const Product& product);
  void (*multiply)(const Product& product, Share share, float* scratch);
  std::int64_t (*attend_scratch)(const Attention& attention);
  void (*attend)(const Attention& attention, Share share, float* scratch);

  // Images: isa/convolution.cpp, isa/winograd.cpp, isa/depthwise.cpp, isa/pooling.cpp,
  // isa/resize.cpp.
  /// The fastest algorithm for such a convolution; `exact` leaves out those whose rounding errors
  /// are larger than direct's.
  Algorithm (*choose_algorithm)(const Convolution& convolution, bool exact);
  std::int64_t (*packed_filters_size)(const Convolution& convolution);
  /// `filters` are [filters, channels / groups, kernel_height, kernel_width], dense.
  void (*pack_filters)(const Convolution& convolution, const float* filters, float* packed);
  std::int64_t (*convolve_scratch)(const Convolution& convolution);
  void (*convolve)(const Convolution& convolution, Share share, float* scratch);
  void (*pool)(const Pooling& pooling, Share share);
  void (*resize)(const Resizing& resizing, Share share);

  // Elements: isa/pointwise.cpp, isa/normalise.cpp, isa/group_norm.cpp, isa/copy.cpp,
  // isa/gather.cpp.
  std::int64_t (*pointwise_scratch)(const PointwiseProgram& program);
  void (*pointwise)(const PointwiseProgram& program, const PointwiseCall& call,
                    const float* const* inputs, float* const* results, Share share, float* scratch);
  void (*softmax)(const Normalisation& rows, Share share);
  void (*layer_norm)(const Normalisation& rows, Share share);
  /// Without means: x / sqrt(mean of x^2 + epsilon).
  void (*rms_norm)(const Normalisation& rows, Share share);
  /// Threads split the groups of all images: alone, a group is one thread's.
  void (*group_norm)(const GroupNorm& norm, Share share);
  void (*reduce)(const Reducing& reducing, Share share);
  void (*copy)(const Copying& copying, Share share);
  /// False, with some rows not written, where an index is of no row; each thread says so of its
  /// own.
  bool (*gather)(const Gathering& gathering, Share share);

  // Recurrent layers: isa/recurrent.cpp.
  std::int64_t (*packed_recurrent_size)(const RecurrentWeights& weights);
  void (*pack_recurrent)(const RecurrentWeights& weights, float* packed);
  /// The most that one of a stack's layers says.
  std::int64_t (*run_recurrent_scratch)(const RecurrentLayer& layer);
  /// How many of `threads` have enough to do; with more shares than that, the others do nothing.
  int (*run_recurrent_threads)(const RecurrentStack& stack, int threads);
  /// Shares wait for each other: see RecurrentStack.
  void (*run_recurrent)(const RecurrentStack& stack, Share share, float* scratch);
};

/// Those for this CPU (cpu_level() says what it is); the same at each call, but for TORCHSHIP_CPU.
const Kernels& kernels();

namespace plain {
extern const Kernels kKernels;
}
namespace avx2 {
extern const Kernels kKernels;
}
namespace avx512 {
extern const Kernels kKernels;
}

}  // namespace torchship::compute
