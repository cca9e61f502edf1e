#include "accelerator/device_graph.h"

#include "libtorch_version.h"

// LibTorch 2.13 has one interface for the graphs of all devices. Before, there was CUDA's class alone, whose
// header needs those of the CUDA runtime: the build looks for them there (cpp/CMakeLists.txt). The version is
// asked, not for the header: ccache does not see that a file has appeared.
#include <torch/headeronly/version.h>
#define TORCHSHIP_GRAPHS_OF_ALL (TORCH_VERSION_MAJOR > 2 || TORCH_VERSION_MINOR >= 13)
#if TORCHSHIP_GRAPHS_OF_ALL
#include <ATen/core/GraphImplInterface.h>
#elif defined(TORCHSHIP_CUDA_HEADERS)
#include <ATen/cuda/CUDAGraph.h>
#endif

namespace torchship {
namespace {

#if TORCHSHIP_GRAPHS_OF_ALL

class Graph final : public DeviceGraph {
 public:
  explicit Graph(const at::Device& device) : graph_(at::create_graph_impl(device.type())) {}

  void begin() override { graph_->capture_begin({0, 0}, at::GraphCaptureMode::ThreadLocal); }
  void end() override { graph_->capture_end(); }
  void replay() override { graph_->replay(); }

 private:
  std::unique_ptr<at::GraphImplInterface> graph_;
};

bool has_graphs(const at::Device& device) { return at::has_graph_impl(device.type()); }

#elif defined(TORCHSHIP_CUDA_HEADERS)

class Graph final : public DeviceGraph {
 public:
  explicit Graph(const at::Device& /*device*/) {}

  void begin() override { graph_.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal); }
  void end() override { graph_.capture_end(); }
  void replay() override { graph_.replay(); }

 private:
  at::cuda::CUDAGraph graph_;
};

bool has_graphs(const at::Device& device) { return device.is_cuda(); }

#else

class Graph;

bool has_graphs(const at::Device& /*device*/) { return false; }

#endif

}  // namespace

std::string missing_device_graphs(const at::Device& device) {
  if (device.is_cpu()) return "there are no such graphs on the CPU";
  if (has_graphs(device)) return {};
  return "LibTorch " + std::string(running_libtorch()) +
         " offers none here: it takes 2.13, or a torchship that was built with the headers of CUDA's runtime";
}

std::unique_ptr<DeviceGraph> make_device_graph(const at::Device& device) {
  if (!has_graphs(device)) return nullptr;
#if TORCHSHIP_GRAPHS_OF_ALL || defined(TORCHSHIP_CUDA_HEADERS)
  return std::make_unique<Graph>(device);
#else
  return nullptr;
#endif
}

}  // namespace torchship
