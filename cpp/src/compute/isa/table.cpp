#define TORCHSHIP_TEXT_OF(level) #level
#define TORCHSHIP_TEXT(level) TORCHSHIP_TEXT_OF(level)

#include "compute/isa/entries.h"
#include "compute/kernels.h"

namespace torchship::compute::TORCHSHIP_LEVEL {

extern const Kernels kKernels = {
    .name = TORCHSHIP_TEXT(TORCHSHIP_LEVEL),
    .packed_matrix_size = packed_matrix_size,
    .pack_matrix = pack_matrix,
    .multiply_scratch = multiply_scratch,
    .multiply = multiply,
    .attend_scratch = attend_scratch,
    .attend = attend,
    .choose_algorithm = choose_algorithm,
    .packed_filters_size = packed_filters_size,
    .pack_filters = pack_filters,
    .convolve_scratch = convolve_scratch,
    .convolve = convolve,
    .pool = pool,
    .resize = resize,
    .pointwise_scratch = pointwise_scratch,
    .pointwise = pointwise,
    .softmax = softmax,
    .layer_norm = layer_norm,
    .rms_norm = rms_norm,
    .group_norm = group_norm,
    .reduce = reduce,
    .copy = copy,
    .gather = gather,
    .packed_recurrent_size = packed_recurrent_size,
    .pack_recurrent = pack_recurrent,
    .run_recurrent_scratch = run_recurrent_scratch,
    .run_recurrent_threads = run_recurrent_threads,
    .run_recurrent = run_recurrent,
};

}  // namespace torchship::compute::TORCHSHIP_LEVEL
