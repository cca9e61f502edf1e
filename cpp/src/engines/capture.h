#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <ATen/core/ivalue.h>
#include <c10/core/Device.h>
#include <c10/core/Event.h>
#include <c10/util/FunctionRef.h>

#include "accelerator/device_graph.h"

namespace torchship {

/// One call as a device graph, with the memory that it reads and writes.
class Capture {
 public:
  using Run = c10::function_ref<void(std::vector<c10::IValue>&)>;

  /// Runs the call twice, the second time for the graph, on a stream of its own; waits for the device.
  /// Throws what `plain` throws, and a std::exception where it cannot be captured.
  Capture(const at::Device& device, const std::vector<c10::IValue>& arguments, Run plain);

  /// The same call with other numbers in the tensors, `given` as by tensors_in(): takes the arguments off
  /// the stack, leaves results that are the caller's. On the calling thread's current stream.
  void replay(const std::vector<at::Tensor>& given, std::vector<c10::IValue>& stack);

 private:
  at::Device device_;
  std::vector<c10::IValue> arguments_;  ///< What the graph reads.
  std::vector<at::Tensor> inputs_;      ///< The tensors among them.
  std::vector<c10::IValue> results_;    ///< What it writes.
  std::unique_ptr<DeviceGraph> graph_;
  std::mutex mutex_;
  c10::Event done_;  ///< The last replay.
};

/// The tensors in arguments, in containers too, in a fixed order; nothing where something else than
/// tensors, containers and plain values is among them.
std::optional<std::vector<at::Tensor>> tensors_in(const std::vector<c10::IValue>& arguments);

}  // namespace torchship
