#include "planned/planner.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <limits>
#include <mutex>
#include <unordered_set>

#include "planned/arena.h"
#include "planned/lower/lowerings.h"
#include "team.h"

namespace torchship {
namespace {

bool is_float(const TensorMeta* tensor) {
  return tensor != nullptr && tensor->is_plain && tensor->dtype == at::kFloat;
}

}  // namespace

Planner::Planner(const Observation& seen, const PlanOptions& options)
    : seen_(seen),
      options_(options),
      kernels_(compute::kernels()),
      places_(seen.values.size()),
      is_absorbed_(seen.operations.size()) {}

Plan Planner::make() {
  bind_arguments();
  for (std::size_t i = 0; i < seen_.operations.size(); ++i) {
    if (!is_absorbed_[i]) lower(i);
  }
  finish_result();
  measure_lifetimes();
  note_results();
  pack_weights();
  plan_.arena_bytes = place_buffers(plan_.buffers);
  return std::move(plan_);
}

void Planner::bind_arguments() {
  for (std::size_t i = 0; i < seen_.arguments.size(); ++i) {
    const ValueId id = seen_.arguments[i];
    Place& place = places_[id];
    if (!is_float(tensor(id))) {
      place = {.kind = Place::Kind::argument, .array = {}, .index = i, .items = {}, .type = {}};
      continue;
    }
    const Sizes& sizes = tensor(id)->sizes;
    const BufferId buffer =
        add_buffer({.home = Buffer::Home::argument, .index = i, .sizes = sizes});
    bind(id, {.buffer = buffer, .offset = 0, .sizes = sizes, .strides = usual_strides(sizes)});
  }
}

void Planner::lower(std::size_t index) {
  if (const Lowering lowering = lowering_of(*operation(index).node); lowering != nullptr) {
    if (lowering(*this, index)) return;
  }
  if (lower_view(*this, index)) return;
  lower_to_library(*this, index);
}

const TensorMeta* Planner::tensor(ValueId id) const {
  if (id >= seen_.values.size()) return nullptr;
  const auto& meta = seen_.values[id].tensor;
  return meta ? &*meta : nullptr;
}

bool Planner::is_array(ValueId id) const {
  if (id >= seen_.values.size()) return true;  // A part of an operator.
  return is_float(tensor(id));
}

bool Planner::is_there(ValueId id) const {
  return is_fixed(id) || places_[id].kind != Place::Kind::unknown;
}

Array Planner::array(ValueId id) {
  if (places_.size() > id && places_[id].kind == Place::Kind::array) return places_[id].array;
  if (const Expressions::Group group = expressions_.find(id)) {
    flush(group);
    return places_[id].array;
  }
  if (places_[id].kind == Place::Kind::unknown && is_fixed(id)) {
    bind(id, constant(value(id).fixed->toTensor()));
    return places_[id].array;
  }
  throw std::logic_error("a value is needed before it is there");
}

void Planner::bind(ValueId id, Array array) {
  if (id >= places_.size()) places_.resize(id + 1);
  places_[id] = {
      .kind = Place::Kind::array, .array = std::move(array), .index = 0, .items = {}, .type = {}};
}

void Planner::bind_items(ValueId id, std::vector<ValueId> items, c10::TypePtr type) {
  places_[id] = {.kind = Place::Kind::items,
                 .array = {},
                 .index = 0,
                 .items = std::move(items),
                 .type = std::move(type)};
}

const std::vector<ValueId>* Planner::items(ValueId id) const {
  return places_[id].kind == Place::Kind::items ? &places_[id].items : nullptr;
}

void Planner::bind_alias(ValueId id, ValueId same) {
  if (is_array(id) && is_array(same)) return bind(id, array(same));
  places_[id] = places_[same];
  if (places_[id].kind == Place::Kind::unknown) {
    places_[id] = {.kind = Place::Kind::alias, .array = {}, .index = same, .items = {}, .type = {}};
  }
}

ValueId Planner::new_value() {
  places_.emplace_back();
  return static_cast<ValueId>(places_.size() - 1);
}

void Planner::add_expression(Pending pending, const Sizes& sizes) {
  constexpr std::size_t kMostMembers = 32, kMostInputs = 16;
  for (const Term& term : pending.terms) {
    if (term.kind != Term::Kind::value) continue;
    const Expressions::Group group = expressions_.find(term.value);
    const bool fits = group && group->sizes == sizes && group->members.size() < kMostMembers &&
                      group->inputs.size() < kMostInputs;
    if (group && !fits) flush(group);
    if (!group) array(term.value);
  }
  places_.at(pending.result).kind = Place::Kind::expression;
  expressions_.add(std::move(pending), sizes);
}

Array Planner::constant(const at::Tensor& tensor) {
  const BufferId buffer = add_buffer({.home = Buffer::Home::constant, .tensor = tensor});
  return {.buffer = buffer,
          .offset = 0,
          .sizes = tensor.sizes().vec(),
          .strides = tensor.strides().vec()};
}

Array Planner::make_array(const Sizes& sizes) { return make_array(sizes, usual_strides(sizes)); }

Array Planner::make_array(const Sizes& sizes, const Sizes& strides) {
  Array made{.buffer = 0, .offset = 0, .sizes = sizes, .strides = strides};
  made.buffer = add_buffer({.home = Buffer::Home::arena,
                            .bytes = static_cast<std::size_t>(made.numel()) * sizeof(float)});
  return made;
}

Array Planner::make_channels_last(const Sizes& sizes) {
  return make_array(sizes, channels_last_strides(sizes));
}

Array Planner::with_strides(const Array& from, const Sizes& strides) {
  if (are_same_place(from.sizes, from.strides, strides)) {
    Array same = from;
    same.strides = strides;
    return same;
  }
  const Array made = make_array(from.sizes, strides);
  copy(from, made);
  return made;
}

Array Planner::contiguous(const Array& from) {
  return with_strides(from, usual_strides(from.sizes));
}

Array Planner::channels_last(const Array& from) {
  return with_strides(from, channels_last_strides(from.sizes));
}

void Planner::copy(const Array& from, const Array& to) {
  compute::Copying copying;
  for (std::size_t i = 0; i < from.sizes.size(); ++i) {
    if (from.sizes[i] == 1) continue;
    copying.sizes[copying.dimensions] = from.sizes[i];
    copying.from_strides[copying.dimensions] = from.strides[i];
    copying.to_strides[copying.dimensions++] = to.strides[i];
  }
  const bool is_large = from.numel() > (1 << 15);
  const auto run = kernels_.copy;
  plan_.steps.push_back({.kernel = "copy",
                         .operators = {},
                         .run =
                             [=](Frame& frame) {
                               compute::Copying bound = copying;
                               bound.from = frame.at(from);
                               bound.to = frame.at(to);
                               run_team(is_large ? frame.threads() : 1,
                                        [&](compute::Share share) { run(bound, share); });
                             },
                         .reads = {from.buffer},
                         .writes = {to.buffer},
                         .operations = 0,
                         .detail = ""});
}

std::optional<std::size_t> Planner::only_use(ValueId id) const {
  const ObservedValue& seen = value(id);
  if (seen.uses.size() != 1 || seen.is_result) return std::nullopt;
  return seen.uses[0];
}

void Planner::absorb(std::size_t operation) {
  is_absorbed_[operation] = true;
  const ObservedOperation& absorbed = seen_.operations[operation];
  absorbed_.push_back(planned(absorbed.node, absorbed.outputs.at(0)));
  ++plan_.planned;
}

PlannedOperator Planner::planned(const torch::jit::Node* node, ValueId result) const {
  const TensorMeta* const meta = tensor(result);
  return {.node = node, .value = result, .result = meta ? std::optional(*meta) : std::nullopt};
}

void Planner::emit(Step step) {
  step.operators.insert(step.operators.end(), absorbed_.begin(), absorbed_.end());
  absorbed_.clear();
  plan_.steps.push_back(std::move(step));
}

void Planner::leave(std::size_t operation, Step step) {
  ++plan_.left;
  const ObservedOperation& left = seen_.operations[operation];
  step.operators = {left.outputs.empty()
                        ? PlannedOperator{.node = left.node, .value = 0, .result = {}}
                        : planned(left.node, left.outputs[0])};
  plan_.steps.push_back(std::move(step));
}

const float* Planner::pack(const std::vector<at::Tensor>& weights, const std::string& use,
                           std::int64_t floats, const std::function<void(float*)>& pack) {
  const std::string level(kernels_.name);
  packed_.push_back(packed_weights(weights, level + ' ' + use, floats, pack));
  keep(packed_.back());
  return packed_.back()->data();
}

const float* Planner::elements(ValueId weight) { return elements(this->weight(weight)); }

const float* Planner::elements(const std::optional<at::Tensor>& weight) {
  if (!weight) return nullptr;
  auto dense = std::make_shared<const at::Tensor>(weight->contiguous());
  const float* const data = dense->const_data_ptr<float>();
  keep(std::move(dense));
  return data;
}

void Planner::need_scratch(std::int64_t floats) {
  const std::size_t rounded = (static_cast<std::size_t>(floats) + 15) / 16 * 16;
  plan_.scratch_floats = std::max(plan_.scratch_floats, rounded);
}

BufferId Planner::add_buffer(Buffer buffer) {
  plan_.buffers.push_back(std::move(buffer));
  return static_cast<BufferId>(plan_.buffers.size() - 1);
}

std::size_t Planner::add_slot(ValueId id) {
  places_[id] = {
      .kind = Place::Kind::slot, .array = {}, .index = plan_.slots, .items = {}, .type = {}};
  return plan_.slots++;
}

ValueTree Planner::items_tree(ValueId id, ValueTree (Planner::*each)(ValueId)) {
  const Place place = places_[id];
  ValueTree tree;
  tree.kind = place.type->kind() == c10::TypeKind::TupleType ? ValueTree::Kind::tuple
                                                             : ValueTree::Kind::list;
  tree.type = place.type;
  for (const ValueId item : place.items) tree.items.push_back((this->*each)(item));
  return tree;
}

ValueTree Planner::tree(ValueId id) {
  ValueTree tree;
  const Place& place = places_[id];
  if (place.kind == Place::Kind::alias) return this->tree(static_cast<ValueId>(place.index));
  if (place.kind == Place::Kind::slot || place.kind == Place::Kind::argument) {
    tree.kind = place.kind == Place::Kind::slot ? ValueTree::Kind::slot : ValueTree::Kind::argument;
    tree.index = place.index;
  } else if (items(id) != nullptr) {
    return items_tree(id, &Planner::tree);
  } else if (is_fixed(id)) {
    tree.fixed = *value(id).fixed;
  } else {
    tree.kind = ValueTree::Kind::array;
    tree.array = with_strides(array(id), tensor(id)->strides);
  }
  return tree;
}

bool Planner::is_needed_outside(ValueId id, const ExpressionGroup& group) const {
  if (id >= seen_.values.size()) return false;
  const ObservedValue& seen = value(id);
  const auto is_member = [&](std::size_t use) {
    return std::any_of(group.members.begin(), group.members.end(), [&](const Pending& member) {
      return member.node == operation(use).node && member.result < seen_.values.size() &&
             member.result == operation(use).outputs[0];
    });
  };
  return seen.is_result || !std::all_of(seen.uses.begin(), seen.uses.end(), is_member);
}

void Planner::flush(const Expressions::Group& group) {
  std::vector<ValueId> stored;
  std::vector<PlannedOperator> operators;
  for (const Pending& member : group->members) {
    if (is_needed_outside(member.result, *group)) stored.push_back(member.result);
    if (member.result < seen_.values.size())
      operators.push_back(planned(member.node, member.result));
  }
  expressions_.remove(group);
  if (stored.empty()) return;
  const auto made = std::make_shared<CompiledExpressions>(compile(*group, stored));
  Step step = pointwise_step(*this, group->sizes, made, stored);
  step.operators = std::move(operators);
  plan_.planned += step.operators.size();
  plan_.steps.push_back(std::move(step));
}

void Planner::measure_lifetimes() {
  std::vector<bool> is_written(plan_.buffers.size());
  for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
    for (const BufferId buffer : plan_.steps[i].writes) {
      if (!is_written[buffer]) plan_.buffers[buffer].first_step = i;
      is_written[buffer] = true;
      plan_.buffers[buffer].last_step = std::max(plan_.buffers[buffer].last_step, i);
    }
    for (const BufferId buffer : plan_.steps[i].reads) {
      plan_.buffers[buffer].last_step = std::max(plan_.buffers[buffer].last_step, i);
    }
  }
}

/// All threads pack: it takes longer than a call, and the first call waits for it.
void Planner::pack_weights() {
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr failure;  // None may leave a team.
  run_team(at::get_num_threads(), [&](compute::Share) {
    try {
      for (std::size_t i = next++; i < packed_.size(); i = next++) packed_[i]->make();
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
    }
  });
  if (failure) std::rethrow_exception(failure);
}

}  // namespace torchship
