#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <ATen/core/ivalue.h>
#include <c10/core/Device.h>

#include "engines/program.h"

namespace torchship {

/// Whether LibTorch can make kernels for this device in this process. Its stock builds can on CUDA,
/// and cannot on the CPU, for want of LLVM.
bool can_fuse(const at::Device& device);

/// A program for arguments of certain dtypes and sizes, in which several operators run as one kernel.
struct Fusion {
  std::shared_ptr<const Program> program;     ///< Null where nothing was fused.
  std::shared_ptr<torch::jit::Graph> graph;   ///< The same without guards and ways around them.
  std::string reason;                         ///< Why nothing was fused.
};

/// The fused programs of one method that writes no state. Safe to use from several threads.
///
/// LibTorch's tensor-expression fuser specialises kernels to dtypes and sizes: there is one program
/// for each signature of a call, made when that signature comes for the second time. Each kernel
/// is guarded: on tensors that differ, its operators run one by one.
class FusedPrograms {
 public:
  /// `plain` must outlive this.
  FusedPrograms(const Program& plain, const at::Device& device) : plain_(plain), device_(device) {}

  /// Takes the arguments, the module first, off the stack and leaves the results.
  void run(std::vector<c10::IValue>& stack);

  /// The fusion for these arguments, made now if need be; runs the method once to see its dtypes and
  /// sizes. To be called in inference mode.
  Fusion fusion_for(const std::vector<c10::IValue>& arguments);

 private:
  struct Entry {
    std::once_flag once;
    Fusion fusion;
    std::mutex running;  ///< Held by calls on the CPU.
  };
  struct Found {
    std::shared_ptr<Entry> entry;
    bool is_new;  ///< Arguments of this signature were not seen before, or not kept.
  };

  Found find(const std::vector<c10::IValue>& arguments);
  void fill(Entry& entry, const std::vector<c10::IValue>& arguments);

  const Program& plain_;
  at::Device device_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Entry>> entries_;
};

}  // namespace torchship
