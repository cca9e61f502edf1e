#include "planned/plan.h"

#include <ATen/ops/as_strided.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <numeric>

#include "compare.h"
#include "planned/frame.h"
#include "planned/layout.h"

namespace torchship {
namespace {

at::Tensor tensor_over(const Array& array, Frame& frame) {
  const at::Tensor& whole = frame.tensor(array.buffer);
  if (whole.defined() && array.offset == 0 && whole.sizes() == array.sizes &&
      whole.strides() == array.strides) {
    return whole;
  }
  if (whole.defined()) {
    return whole.as_strided(array.sizes, array.strides, whole.storage_offset() + array.offset);
  }
  return at::from_blob(frame.at(array), array.sizes, array.strides, at::kFloat);
}

}  // namespace

c10::IValue ValueTree::build(Frame& frame) const {
  switch (kind) {
    case Kind::fixed: return fixed;
    case Kind::array: return tensor_over(array, frame);
    case Kind::slot: return frame.slot(index);
    case Kind::argument: return frame.argument(index);
    case Kind::tuple: {
      std::vector<c10::IValue> values;
      values.reserve(items.size());
      for (const ValueTree& item : items) values.push_back(item.build(frame));
      const auto names = type->cast<c10::TupleType>();
      return names->schema() ? c10::ivalue::Tuple::createNamed(std::move(values), names)
                             : c10::ivalue::Tuple::create(std::move(values));
    }
    case Kind::list: break;
  }
  c10::impl::GenericList list(type->containedType(0));
  list.reserve(items.size());
  for (const ValueTree& item : items) list.push_back(item.build(frame));
  return list;
}

std::int64_t Array::numel() const {
  return std::accumulate(sizes.begin(), sizes.end(), std::int64_t{1}, std::multiplies<>());
}

bool Array::is_contiguous() const { return are_same_place(sizes, strides, usual_strides(sizes)); }

std::vector<double> Plan::time(Frame& frame, const std::vector<c10::IValue>& arguments) const {
  using Clock = std::chrono::steady_clock;
  std::vector<double> microseconds;
  frame.begin(arguments);
  for (const Step& step : steps) {
    const auto before = Clock::now();
    step.run(frame);
    microseconds.push_back(
        std::chrono::duration<double, std::micro>(Clock::now() - before).count());
  }
  return microseconds;
}

std::vector<std::optional<double>> Plan::compare(Frame& frame,
                                                 const std::vector<c10::IValue>& arguments,
                                                 const std::vector<at::Tensor>& tensors) const {
  std::vector<std::optional<double>> errors;
  auto next = known.begin();
  frame.begin(arguments);
  for (const Step& step : steps) {
    step.run(frame);
    std::optional<double>& error = errors.emplace_back();
    for (; next != known.end() && next->step < errors.size(); ++next) {
      const at::Tensor& expected = tensors.at(next->value);
      if (!expected.defined()) continue;
      at::Tensor got = tensor_over(next->array, frame);
      const double found = compare_tensors(got, expected, {}).normwise;
      error = std::max(error.value_or(0), found);
      got.copy_(expected);
    }
  }
  return errors;
}

c10::IValue Plan::run(Frame& frame, const std::vector<c10::IValue>& arguments) const {
  frame.begin(arguments);
  for (const Step& step : steps) step.run(frame);
  return result.build(frame);
}

}  // namespace torchship
