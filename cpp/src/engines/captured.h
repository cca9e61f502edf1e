#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <ATen/core/ivalue.h>
#include <c10/core/Device.h>
#include <c10/util/FunctionRef.h>

namespace torchship {

class Capture;

/// The device graphs of one method that writes no state: LoadOptions::cuda_graphs. Safe to use from
/// several threads.
///
/// Note [Device graphs]
/// A graph is for one signature: the dtypes, sizes and strides of the tensors, and the numbers beside
/// them. The first calls of a signature run as they would without; the next one is captured, and from
/// then on a call is a copy of its inputs to where the graph reads them, one launch, and a copy of its
/// results. Calls of one graph take turns, on the device too, for its memory is there once. A method that
/// cannot be captured (it looks at numbers on the device to decide what to do, or moves them to
/// the host) runs as ever, and says why in `torchship graph`. Each graph holds its intermediate results
/// on the device, which is why there are few of them.
class CapturedCalls {
 public:
  /// What runs a call where there is no graph: takes the arguments, the module first, off the stack
  /// and leaves the results.
  using Run = c10::function_ref<void(std::vector<c10::IValue>&)>;

  explicit CapturedCalls(const at::Device& device) : device_(device) {}
  CapturedCalls(CapturedCalls&&) = delete;
  ~CapturedCalls();

  /// To be called in inference mode, with the tensors of `stack` on the device.
  void run(std::vector<c10::IValue>& stack, Run plain);

  /// What became of calls with these arguments, in a sentence.
  std::string describe(const std::vector<c10::IValue>& arguments) const;

 private:
  struct Entry;

  std::shared_ptr<Entry> find(const std::vector<c10::IValue>& arguments);
  Capture* capture_for(Entry& entry, const std::vector<c10::IValue>& arguments, Run plain);
  void capture(Entry& entry, const std::vector<c10::IValue>& arguments, Run plain);

  at::Device device_;
  std::atomic<std::size_t> graphs_ = 0;
  mutable std::mutex mutex_;  ///< Of the map, not of what is in it.
  std::map<std::string, std::shared_ptr<Entry>> entries_;
};

}  // namespace torchship
