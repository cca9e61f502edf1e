#include "kernels/kernels.h"

#include "kernels/convolution.h"
#include "kernels/linear.h"
#include "kernels/reuse.h"

namespace torchship {

bool use_kernels(const std::shared_ptr<torch::jit::Graph>& graph) {
  const bool channels_last = use_convolution_kernel(graph);
  use_linear_kernel(*graph);
  reuse_memory(*graph);
  return channels_last;
}

}  // namespace torchship
