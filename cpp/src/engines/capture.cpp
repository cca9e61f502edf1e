#include "engines/capture.h"

#include <algorithm>
#include <stdexcept>

#include <c10/core/impl/VirtualGuardImpl.h>

#include "accelerator/host_waits.h"
#include "accelerator/on_stream.h"

namespace torchship {
namespace {

bool collect(const c10::IValue& value, std::vector<at::Tensor>& found) {
  const auto all = [&](const auto& items) {
    return std::all_of(items.begin(), items.end(),
                       [&](const c10::IValue& item) { return collect(item, found); });
  };
  if (value.isTensor()) {
    found.push_back(value.toTensor());
    return found.back().defined() && found.back().layout() == at::kStrided;
  }
  if (value.isList()) return all(value.toListRef());
  if (value.isTuple()) return all(value.toTupleRef().elements());
  if (value.isGenericDict()) {
    const auto dict = value.toGenericDict();
    return std::all_of(dict.begin(), dict.end(),
                       [&](const auto& entry) { return collect(entry.value(), found); });
  }
  return value.isNone() || value.isScalar() || value.isString() || value.isDevice();
}

/// Containers and tensors of its own; the module stays what it is.
std::vector<c10::IValue> copied(const std::vector<c10::IValue>& arguments) {
  std::vector<c10::IValue> copies{arguments.front()};
  for (std::size_t i = 1; i < arguments.size(); ++i) copies.push_back(arguments[i].deepcopy());
  return copies;
}

/// LibTorch's allocator watches one capture at a time.
std::mutex& capturing() {
  static std::mutex mutex;
  return mutex;
}

/// Runs the call once without a graph: libraries set up for the stream what they may not set up in one.
void rehearse(std::vector<c10::IValue> stack, Capture::Run plain) {
  const HostWaits waits;
  plain(stack);
  if (waits.first().empty()) return;
  throw std::runtime_error(waits.first() + " makes the host wait for the device");
}

std::vector<c10::IValue> record(std::unique_ptr<DeviceGraph>& graph, std::vector<c10::IValue> stack,
                                Capture::Run plain) {
  graph->begin();
  try {
    plain(stack);
    graph->end();
    return stack;
  } catch (...) {
    try {
      graph->end();  // Or the stream goes on capturing.
    } catch (...) {
    }
    graph.release();  // LibTorch's allocator refers to it still: HostWaits.
    throw;
  }
}

}  // namespace

std::optional<std::vector<at::Tensor>> tensors_in(const std::vector<c10::IValue>& arguments) {
  std::vector<at::Tensor> found;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    if (!collect(arguments[i], found)) return std::nullopt;
  }
  return found;
}

Capture::Capture(const at::Device& device, const std::vector<c10::IValue>& arguments, Run plain)
    : device_(device), graph_(make_device_graph(device)), done_(device.type()) {
  const std::lock_guard lock(capturing());
  const c10::impl::VirtualGuardImpl guard(device.type());
  // What others give to the stream meanwhile would be captured too. LibTorch has two pools of few streams;
  // DeviceCall takes from the other one.
  const c10::Stream stream = guard.getStreamFromGlobalPool(device, /*isHighPriority=*/true);
  const OnStream side(stream);
  arguments_ = copied(arguments);
  inputs_ = tensors_in(arguments_).value();
  rehearse(arguments_, plain);
  guard.synchronizeStream(stream);
  results_ = record(graph_, arguments_, plain);
}

void Capture::replay(const std::vector<at::Tensor>& given, std::vector<c10::IValue>& stack) {
  const c10::Stream stream = c10::impl::VirtualGuardImpl(device_.type()).getStream(device_);
  const std::lock_guard lock(mutex_);
  done_.block(stream);
  for (std::size_t i = 0; i < given.size(); ++i) inputs_[i].copy_(given[i], /*non_blocking=*/true);
  graph_->replay();
  stack.clear();
  for (const c10::IValue& result : results_) stack.push_back(result.deepcopy());
  done_.record(stream);
}

}  // namespace torchship
