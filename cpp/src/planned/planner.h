#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compute/kernels.h"
#include "planned/expressions.h"
#include "planned/frame.h"
#include "planned/layout.h"
#include "planned/observation.h"
#include "planned/packed_weights.h"
#include "planned/plan.h"

namespace torchship {

struct PlanOptions {
  bool exact = false;  ///< Without algorithms whose rounding errors are larger than usual.
  compute::Format weights = compute::Format::float32;  ///< Of linear layers.
};

/// Turns an observed run into a plan: one lowering (lower/) after the other is asked what it makes
/// of an operation; what none takes is left to LibTorch.
///
/// Values are where their lowerings put them: in arrays, or as expressions that wait until somebody
/// needs their elements, so that pointwise operations run together.
class Planner {
 public:
  Planner(const Observation& seen, const PlanOptions& options);

  Plan make();

  // What is known of values.
  const ObservedValue& value(ValueId id) const { return seen_.values[id]; }
  const TensorMeta* tensor(ValueId id) const;
  bool is_fixed(ValueId id) const { return value(id).fixed.has_value(); }
  bool is_none(ValueId id) const { return is_fixed(id) && value(id).fixed->isNone(); }
  std::optional<std::int64_t> integer(ValueId id) const;
  std::optional<double> number(ValueId id) const;  ///< Integers and tensors of one element as well.
  std::optional<bool> boolean(ValueId id) const;
  std::optional<Sizes> integers(ValueId id) const;
  std::optional<std::string> text(ValueId id) const;
  std::optional<at::Tensor> weight(ValueId id) const;  ///< A fixed float32 tensor of the host.
  std::optional<std::vector<at::Tensor>> weights(ValueId id) const;
  std::optional<std::vector<double>> numbers(ValueId id) const;  ///< A list of them.

  // Where values are.
  /// A float32 tensor of this plan's: array() will find it.
  bool is_array(ValueId id) const;
  /// Its operation was lowered, or it is fixed.
  bool is_there(ValueId id) const;
  Array array(ValueId id);
  void bind(ValueId id, Array array);
  void bind_alias(ValueId id, ValueId same);
  /// A tuple or list of that type.
  void bind_items(ValueId id, std::vector<ValueId> items, c10::TypePtr type);
  const std::vector<ValueId>* items(ValueId id) const;
  /// A pointwise operation on elements of `sizes`, whose operands are arrays or expressions.
  void add_expression(Pending pending, const Sizes& sizes);
  /// For results of a part of an operator.
  ValueId new_value();

  // Arrays.
  Array constant(const at::Tensor& tensor);  ///< Float32, on the host.
  Array make_array(const Sizes& sizes);
  Array make_array(const Sizes& sizes, const Sizes& strides);
  Array make_channels_last(const Sizes& sizes);
  /// The same elements with those strides: itself where it has them, else a copy.
  Array with_strides(const Array& from, const Sizes& strides);
  Array contiguous(const Array& from);
  Array channels_last(const Array& from);
  void copy(const Array& from, const Array& to);

  // Operations.
  const ObservedOperation& operation(std::size_t index) const { return seen_.operations[index]; }
  /// The only operation that uses a value, which is no result; nothing where there are more.
  std::optional<std::size_t> only_use(ValueId id) const;
  /// It runs as a part of the step that is emitted next.
  void absorb(std::size_t operation);
  void emit(Step step);
  /// A step of LibTorch's, which runs the operation.
  void leave(std::size_t operation, Step step);
  /// Keeps memory as long as the plan lives.
  void keep(std::shared_ptr<const void> memory) { plan_.keeps.push_back(std::move(memory)); }
  /// Elements of a weight, side by side, for the plan's lifetime; null where it is None.
  const float* elements(ValueId weight);
  const float* elements(const std::optional<at::Tensor>& weight);
  /// Where what `pack` makes of the weights will be; see packed_weights(). It is made with the
  /// plan.
  const float* pack(const std::vector<at::Tensor>& weights, const std::string& use,
                    std::int64_t floats, const std::function<void(float*)>& pack);
  void count_planned() { ++plan_.planned; }  ///< An operator that became copies.
  void need_scratch(std::int64_t floats);
  const compute::Kernels& kernels() const noexcept { return kernels_; }
  const PlanOptions& options() const noexcept { return options_; }

  /// How LibTorch gets a value.
  ValueTree tree(ValueId id);
  std::size_t add_slot(ValueId id);
  BufferId add_buffer(Buffer buffer);

 private:
  struct Place {
    enum class Kind : std::uint8_t { unknown, array, expression, slot, argument, items, alias };
    Kind kind = Kind::unknown;
    Array array;
    std::size_t index = 0;  ///< Of a slot or argument; of an alias the other value.
    std::vector<ValueId> items;
    c10::TypePtr type = nullptr;  ///< Of items.
  };

  void bind_arguments();
  void lower(std::size_t operation);
  PlannedOperator planned(const torch::jit::Node* node, ValueId result) const;
  void flush(const Expressions::Group& group);
  ValueTree items_tree(ValueId id, ValueTree (Planner::*each)(ValueId));
  bool is_needed_outside(ValueId id, const ExpressionGroup& group) const;
  void finish_result();
  ValueTree result_tree(ValueId id);
  Array result_array(ValueId id);
  bool may_become_result(const Array& array) const;
  void measure_lifetimes();
  void note_results();
  void pack_weights();

  const Observation& seen_;
  PlanOptions options_;
  const compute::Kernels& kernels_;
  Plan plan_;
  Expressions expressions_;
  std::vector<Place> places_;              ///< By value.
  std::vector<bool> is_absorbed_;          ///< By operation.
  std::vector<PlannedOperator> absorbed_;  ///< Since the last step.
  std::vector<std::shared_ptr<PackedWeights>> packed_;
};

}  // namespace torchship
