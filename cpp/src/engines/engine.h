#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include <torchship/graph.h>
#include <torchship/info.h>
#include <torchship/value.h>

#include "sample.h"
#include "signature.h"

namespace torchship {

/// What is to be measured of the nodes of a graph.
struct Measures {
  bool times = false;
  bool errors = false;  ///< Of the engine "planned": GraphOptions::compare.
};

/// One way to run the methods of one loaded model on one device.
///
/// Safe to call from any number of threads at once; an engine whose model keeps state serialises
/// the calls itself.
class Engine {
 public:
  virtual ~Engine() = default;

  /// Runs a method on inputs that bind_inputs() accepted. Here and below they are compared with
  /// the method's promises first, unless the model was loaded without `validate`: throws
  /// SignatureError then, and EngineError when the method fails.
  virtual Value run(const MethodInfo& method, const BoundInputs& inputs) const = 0;

  /// The result of every operator of one call, as far as it gives a tensor, as it was right after
  /// the operator ran; on the CPU. For finding out where a result departs. Throws EngineError.
  virtual std::vector<Intermediate> intermediates(const MethodInfo& method,
                                                  const BoundInputs& inputs) const = 0;

  /// The operators of a method at a stage. `inputs`, of stage `optimized`, are run, for the sizes and
  /// the measures to be seen. Throws EngineError.
  virtual Graph graph(Stage stage, const MethodInfo& method,
                      const std::optional<BoundInputs>& inputs, Measures measures) const = 0;

  /// Whether a call may change what later calls give.
  virtual bool keeps_state() const noexcept = 0;

  /// In how many places the code named another device than the model's, which was replaced.
  virtual std::size_t retargeted() const noexcept { return 0; }
};

}  // namespace torchship
