#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <torchship/model.h>

namespace torchship::cli {

/// A way to run one method of one archive on inputs that are there already.
class Way {
 public:
  virtual ~Way() = default;
  virtual std::string name() const = 0;
  /// From the file to the first call that is possible.
  virtual void load() = 0;
  virtual void call() const = 0;
  /// A call for a thread of its own, with tensors of its own: threads that count references to the
  /// same ones wait for each other.
  virtual std::function<void()> caller() const = 0;
};

/// torchship with one of its engines. `inputs` are positional.
std::unique_ptr<Way> make_torchship_way(const Source& archive, const LoadOptions& options,
                                        const std::string& method,
                                        const std::vector<Value>& inputs);

/// LibTorch as everyone embeds it: torch::jit::load, eval, the method under InferenceMode. Throws
/// Error with LibTorch's reason where that fails.
std::unique_ptr<Way> make_stock_way(const std::string& archive, const at::Device& device,
                                    const std::string& method, const std::vector<Value>& inputs);

}  // namespace torchship::cli
