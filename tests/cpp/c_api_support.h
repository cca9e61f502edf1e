#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torchship/c_api.h>

#include "test_files.h"

namespace torchship::test {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* handle) const {
    Free(handle);
  }
};

using ValueHandle = std::unique_ptr<ts_value, Freer<ts_value_free>>;
using ModelHandle = std::unique_ptr<ts_model, Freer<ts_model_free>>;
using OptionsHandle = std::unique_ptr<ts_options, Freer<ts_options_free>>;
using InfoHandle = std::unique_ptr<ts_info, Freer<ts_info_free>>;
using CheckHandle = std::unique_ptr<ts_check, Freer<ts_check_free>>;

inline constexpr auto kMethods = R"(
  def forward(self, x):
    return x
  def scale(self, x, by: int = 2, shift: float = 0.5):
    return x * by + shift
  def write(self, x):
    return x.add_(1)
  def pair(self, x) -> Dict[str, Tuple[Tensor, Tensor]]:
    return {"p": (x + 1, x + 2)}
  def conjugate(self, x) -> List[Tensor]:
    return [x.conj()]
  def sparse(self, x):
    return x.to_sparse()
  def text(self, x: str) -> str:
    return x
  def flag(self, x: bool) -> bool:
    return x
  def whole(self, x: int) -> int:
    return x
  def number(self, x: float) -> float:
    return x
  def imaginary(self, x: complex) -> complex:
    return x
  def nothing(self, x: Optional[Tensor]) -> Optional[Tensor]:
    return x
  def items(self, x: List[int]) -> List[int]:
    return x
  def entries(self, x: Dict[int, float]) -> Dict[int, float]:
    return x
)";

/// A row of floats, and how often it was let go of.
struct Row {
  std::vector<float> numbers;
  std::vector<std::int64_t> shape{static_cast<std::int64_t>(numbers.size())};
  std::atomic<int> released = 0;

  ts_tensor tensor() {
    return {.data = numbers.data(),
            .shape = shape.data(),
            .strides = nullptr,
            .ndim = 1,
            .dtype = TS_FLOAT32,
            .device_type = 0,
            .device_index = 0};
  }

  static void release(void* row) { static_cast<Row*>(row)->released += 1; }

  ValueHandle value() {
    const ts_tensor memory = tensor();
    return ValueHandle(ts_value_from_tensor(&memory, &release, this));
  }
};

class CApiTest : public testing::Test {
 protected:
  void SetUp() override {
    torch::jit::Module module("Net");
    module.define(kMethods);
    module.save(path_);
    model_.reset(ts_model_load(path_.c_str(), nullptr));
    ASSERT_NE(model_, nullptr) << ts_error_message();
  }

  ValueHandle call(const char* method, const std::vector<const ts_value*>& inputs,
                   const std::vector<const char*>& names = {}) const {
    return ValueHandle(ts_model_call(model_.get(), method, inputs.data(),
                                     names.empty() ? nullptr : names.data(), inputs.size()));
  }

  TempFolder folder_;
  std::string path_ = folder_ / "m.pt";
  ModelHandle model_;
};

inline ts_tensor view_of(const ValueHandle& value) {
  ts_tensor view{};
  EXPECT_EQ(ts_value_as_tensor(value.get(), &view), TS_OK) << ts_error_message();
  return view;
}

inline float first_of(const ValueHandle& value) {
  return *static_cast<const float*>(view_of(value).data);
}

}  // namespace torchship::test
