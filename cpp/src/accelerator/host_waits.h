#pragma once

#include <cstdint>
#include <string>

namespace torchship {

/// Sees the operators of the calling thread that make the host wait for a device, or may. One at a time for
/// each thread.
///
/// LibTorch's capture of CUDA graphs does not survive them: CUDAGraph::capture_end() throws, and leaves the
/// caching allocator where it keeps memory back and refers to the graph (aten/src/ATen/cuda/CUDAGraph.cpp).
/// What is to be captured is therefore run under these eyes before.
class HostWaits {
 public:
  HostWaits();
  ~HostWaits();
  HostWaits(const HostWaits&) = delete;
  HostWaits& operator=(const HostWaits&) = delete;

  /// The name of the first such operator; empty without one.
  const std::string& first() const noexcept { return first_; }

 private:
  std::string first_;
  std::uint64_t handle_;
};

}  // namespace torchship
