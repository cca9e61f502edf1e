// A library of custom operators, as a model's maker would build one.

#include <ATen/core/Tensor.h>
#include <ATen/ops/mul.h>
#include <torch/custom_class.h>
#include <torch/library.h>

namespace {

at::Tensor scale(const at::Tensor& x, double factor) { return x.mul(factor); }

/// Keeps a number between calls.
struct Counter : torch::CustomClassHolder {
  std::int64_t count = 0;
  std::int64_t next(std::int64_t step) { return count += step; }
};

}  // namespace

TORCH_LIBRARY(torchship_test, library) {
  library.def("scale(Tensor x, float factor) -> Tensor", &scale);
  library.class_<Counter>("Counter").def(torch::init<>()).def("next", &Counter::next);
}
