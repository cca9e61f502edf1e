#include "compute/pointwise.h"

#include <algorithm>

namespace torchship::compute {
namespace {

void swap_dimensions(PointwiseCall& call, int operands, int first, int second) {
  std::swap(call.sizes[first], call.sizes[second]);
  for (int operand = 0; operand < operands; ++operand) {
    std::swap(call.strides[operand][first], call.strides[operand][second]);
  }
}

void move_dimension(PointwiseCall& call, int operands, int from, int to) {
  call.sizes[to] = call.sizes[from];
  for (int operand = 0; operand < operands; ++operand) {
    call.strides[operand][to] = call.strides[operand][from];
  }
}

/// Whether the first of two dimensions should come inside of the second: the operand that is stored
/// last decides, the others where it is broadcast.
bool belongs_inside(const PointwiseCall& call, int operands, int first, int second) {
  for (int operand = operands - 1; operand >= 0; --operand) {
    const std::int64_t one = call.strides[operand][first];
    const std::int64_t other = call.strides[operand][second];
    if (one != 0 && other != 0 && one != other) return one < other;
  }
  return false;
}

bool can_merge(const PointwiseCall& call, int operands, int outer, int inner) {
  for (int operand = 0; operand < operands; ++operand) {
    if (call.strides[operand][outer] != call.strides[operand][inner] * call.sizes[inner])
      return false;
  }
  return true;
}

}  // namespace

void collapse(PointwiseCall& call, int operands) {
  int kept = 0;
  for (int dimension = 0; dimension < call.dimensions; ++dimension) {
    if (call.sizes[dimension] != 1) move_dimension(call, operands, dimension, kept++);
  }
  // By insertion, since the comparison is no strict order.
  for (int dimension = 1; dimension < kept; ++dimension) {
    for (int at = dimension; at > 0 && belongs_inside(call, operands, at - 1, at); --at) {
      swap_dimensions(call, operands, at - 1, at);
    }
  }
  call.dimensions = 0;
  for (int dimension = 0; dimension < kept; ++dimension) {
    const int last = call.dimensions - 1;
    if (last >= 0 && can_merge(call, operands, last, dimension)) {
      const std::int64_t size = call.sizes[last];
      move_dimension(call, operands, dimension, last);
      call.sizes[last] *= size;
    } else {
      move_dimension(call, operands, dimension, call.dimensions++);
    }
  }
}

}  // namespace torchship::compute
