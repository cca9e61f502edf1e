#pragma once

#include <memory>
#include <string>

#include <c10/core/Device.h>

namespace torchship {

/// What a device was given between begin() and end() on the calling thread's current stream, as one thing to
/// launch: on CUDA, a CUDA graph. Tensors keep their memory from launch to launch. Not for several
/// threads at once. All but the destructor throw c10::Error.
class DeviceGraph {
 public:
  virtual ~DeviceGraph() = default;

  /// The current stream must not be the default one, and nothing may wait for the device until end().
  virtual void begin() = 0;
  virtual void end() = 0;

  /// Launches it on the current stream.
  virtual void replay() = 0;
};

/// Why this LibTorch has no graphs for the device; empty where it has.
std::string missing_device_graphs(const at::Device& device);

/// Null where missing_device_graphs() has something to say.
std::unique_ptr<DeviceGraph> make_device_graph(const at::Device& device);

}  // namespace torchship
