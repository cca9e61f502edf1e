#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <ATen/core/ivalue.h>
#include <c10/core/Device.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torchship/graph.h>

namespace torchship {

/// What one run of a graph shows: how long each node took, and what its results were.
///
/// Works on a copy of the graph with a probe after every node. The interpreter hands a probe the
/// node's results, so that no node is run inside another one, and the clock is read between any two.
/// One run at a time.
class Profile {
 public:
  /// On a CUDA device the clock is read once the device is done with the node.
  Profile(torch::jit::Graph& graph, const at::Device& device);

  /// The graph with the probes, to be run.
  const std::shared_ptr<torch::jit::Graph>& graph() const noexcept { return graph_; }

  /// Writes what was seen into the description of the graph that this is a copy of: dtypes and sizes,
  /// and times if `with_times`.
  void annotate(Graph& described, bool with_times) const;

 private:
  struct Seen {
    std::optional<at::ScalarType> dtype;
    std::vector<std::int64_t> shape;
    bool varies = false;  ///< Executions that saw different sizes.
  };
  struct Observation {
    double microseconds = 0;
    std::int64_t executions = 0;
    std::vector<Seen> results;
  };
  class Probe;

  void add_probes();
  void observe(std::size_t node, const c10::IValue* results);
  void annotate_block(GraphBlock& block, std::vector<GraphValue>& values, bool with_times,
                      std::size_t& next) const;
  static void write(const Seen& seen, GraphValue& value);

  std::shared_ptr<torch::jit::Graph> graph_;
  at::Device device_;
  std::vector<Observation> observations_;  ///< The first is of the graph's inputs.
  double last_ = 0;                        ///< When the clock was read last, in microseconds.
};

}  // namespace torchship
