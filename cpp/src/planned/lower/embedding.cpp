#include <atomic>
#include <stdexcept>
#include <string>

#include "planned/lower/lowerings.h"
#include "team.h"

namespace torchship {

/// The numbers of the rows may be any tensor of the call, LibTorch's results too.
bool lower_embedding(Planner& planner, std::size_t index) {
  const ObservedOperation& operation = planner.operation(index);
  const auto table = planner.weight(operation.inputs[0]);
  const ValueId rows = operation.inputs[1];
  const TensorMeta* const numbers = planner.tensor(rows);
  if (!table || table->dim() != 2 || !table->is_contiguous() || numbers == nullptr ||
      !numbers->is_plain || numbers->dtype != at::kLong ||
      !planner.is_array(operation.outputs[0])) {
    return false;
  }
  compute::Gathering gathering{.table = table->const_data_ptr<float>(),
                               .rows = table->size(0),
                               .width = table->size(1),
                               .count = numbers->numel()};
  planner.keep(std::make_shared<const at::Tensor>(*table));
  const ValueTree tree = planner.tree(rows);
  const Array result = planner.make_array(planner.tensor(operation.outputs[0])->sizes);
  planner.absorb(index);
  planner.bind(operation.outputs[0], result);
  const bool is_large = result.numel() > 1 << 15;
  Step step{.kernel = "gather",
            .operators = {},
            .run = {},
            .reads = {},
            .writes = {result.buffer},
            .operations = 0,
            .detail = std::to_string(gathering.count) + " x " + std::to_string(gathering.width)};
  step.run = [=, run = planner.kernels().gather](Frame& frame) {
    const at::Tensor dense = tree.build(frame).toTensor().contiguous();
    compute::Gathering bound = gathering;
    bound.indices = dense.const_data_ptr<std::int64_t>();
    bound.result = frame.at(result);
    std::atomic<bool> all_are_there = true;
    run_team(is_large ? frame.threads() : 1, [&](compute::Share share) {
      if (!run(bound, share)) all_are_there = false;
    });
    // LibTorch says it in its words.
    if (!all_are_there) throw std::out_of_range("a row that the table does not have");
  };
  planner.emit(std::move(step));
  return true;
}

}  // namespace torchship
