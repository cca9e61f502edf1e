#include <torchship/c_api.h>

#include <functional>

#include <ATen/dlpack.h>

#include "c_api_support.h"

namespace torchship {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace)

TEST_F(CApiTest, UsesTheCallersMemory) {
  Row row{{1, 2, 3}};
  ValueHandle x = row.value();
  ValueHandle same = call(nullptr, {x.get()});
  const ts_tensor view = view_of(same);
  EXPECT_EQ(view.data, row.numbers.data());
  EXPECT_EQ(view.dtype, TS_FLOAT32);
  EXPECT_EQ(view.device_type, TS_CPU);
  ASSERT_EQ(view.ndim, 1);
  EXPECT_EQ(view.shape[0], 3);
  EXPECT_EQ(view.strides[0], 1);
  row.numbers[0] = 7;
  EXPECT_EQ(first_of(call("scale", {x.get()})), 14.5);
  call("write", {x.get()});
  EXPECT_EQ(row.numbers[0], 8);
  x.reset();
  EXPECT_EQ(row.released, 0) << "the result is still the same memory";
  same.reset();
  EXPECT_EQ(row.released, 1);
}

TEST_F(CApiTest, CopiesWhenAsked) {
  Row row{{1, 2}};
  const ts_tensor memory = row.tensor();
  const ValueHandle x(ts_value_from_tensor_copy(&memory));
  row.numbers[0] = 9;
  EXPECT_EQ(first_of(x), 1);
}

TEST_F(CApiTest, TakesStridesAndEmptyTensors) {
  Row row{{1, 2, 3, 4, 5, 6}};
  const std::int64_t sizes[] = {3, 2};
  const std::int64_t strides[] = {1, 3};
  ts_tensor memory = row.tensor();
  memory.ndim = 2;
  memory.shape = sizes;
  memory.strides = strides;
  const ValueHandle transposed(ts_value_from_tensor(&memory, nullptr, nullptr));
  const ValueHandle result = call("scale", {transposed.get()});
  const ts_tensor view = view_of(result);
  EXPECT_EQ(static_cast<const float*>(view.data)[view.strides[1]], 2 * 4 + 0.5);

  const std::int64_t none[] = {0, 4};
  memory = {.data = nullptr,
            .shape = none,
            .strides = nullptr,
            .ndim = 2,
            .dtype = TS_INT64,
            .device_type = TS_CPU,
            .device_index = 0};
  ValueHandle empty(ts_value_from_tensor(&memory, &Row::release, &row));
  ASSERT_NE(empty, nullptr) << ts_error_message();
  EXPECT_EQ(view_of(empty).shape[1], 4);
  empty.reset();
  EXPECT_EQ(row.released, 1);
  memory = row.tensor();
  memory.ndim = 0;
  memory.shape = nullptr;
  EXPECT_EQ(view_of(ValueHandle(ts_value_from_tensor(&memory, nullptr, nullptr))).ndim, 0);
}

TEST_F(CApiTest, RefusesImpossibleTensorsAndLeavesThemToTheCaller) {
  Row row{{1, 2, 3}};
  const std::int64_t below[] = {-1};
  const std::int64_t large[] = {std::int64_t{1} << 62};
  const auto refused = [&](const std::function<void(ts_tensor&)>& change) -> std::string {
    ts_tensor memory = row.tensor();
    change(memory);
    const ValueHandle value(ts_value_from_tensor(&memory, &Row::release, &row));
    EXPECT_EQ(value, nullptr);
    return value == nullptr ? ts_error_message() : "";
  };
  EXPECT_HAS(refused([](ts_tensor& x) { x.dtype = 0; }), "dtype 0 is unknown");
  EXPECT_HAS(refused([](ts_tensor& x) { x.data = nullptr; }), "data is NULL");
  EXPECT_HAS(refused([](ts_tensor& x) { x.shape = nullptr; }), "shape is NULL");
  EXPECT_HAS(refused([](ts_tensor& x) { x.ndim = 65; }), "ndim 65: expected 0 to 64");
  EXPECT_HAS(refused([&](ts_tensor& x) { x.shape = below; }), "size -1 is below 0");
  EXPECT_HAS(refused([&](ts_tensor& x) { x.strides = below; }), "stride -1");
  EXPECT_HAS(refused([&](ts_tensor& x) { x.shape = large; }), "63 bits");
  EXPECT_HAS(refused([&](ts_tensor& x) { x.strides = large; }), "63 bits");
  EXPECT_HAS(refused([](ts_tensor& x) { x.data = static_cast<char*>(x.data) + 1; }), "not aligned");
  EXPECT_HAS(refused([](ts_tensor& x) { x.device_type = 5; }), "device type 5 is unknown");
  EXPECT_HAS(refused([](ts_tensor& x) {
               x.device_type = TS_CUDA;
               x.device_index = 100;
             }),
             "device 'cuda:100'");
  EXPECT_EQ(ts_error_status(), TS_DEVICE_ERROR);
  EXPECT_EQ(row.released, 0);
}

/// A DLPack tensor of either kind over a row, one number on.
template <typename Managed>
struct Offer {
  explicit Offer(Row& owner) : row(owner) {
    managed.dl_tensor = {.data = row.numbers.data(),
                         .device = {.device_type = kDLCPU, .device_id = 0},
                         .ndim = 1,
                         .dtype = {.code = kDLFloat, .bits = 32, .lanes = 1},
                         .shape = shape,
                         .strides = nullptr,
                         .byte_offset = sizeof(float)};
    managed.manager_ctx = &row;
    managed.deleter = [](Managed* tensor) { Row::release(tensor->manager_ctx); };
  }

  Row& row;
  std::int64_t shape[1] = {2};
  Managed managed{};
};

TEST_F(CApiTest, PassesDLPackOnWithoutCopies) {
  Row row{{1, 2, 3}};
  Offer<DLManagedTensor> offer(row);
  ValueHandle x(ts_value_from_dlpack(&offer.managed));
  ValueHandle same = call(nullptr, {x.get()});
  DLManagedTensor* const result = ts_value_to_dlpack(same.get());
  ASSERT_NE(result, nullptr) << ts_error_message();
  EXPECT_EQ(static_cast<char*>(result->dl_tensor.data) + result->dl_tensor.byte_offset,
            reinterpret_cast<char*>(&row.numbers[1]));
  EXPECT_EQ(result->dl_tensor.shape[0], 2);
  x.reset();
  same.reset();
  model_.reset();
  EXPECT_EQ(row.released, 0) << "the result outlives values and model";
  result->deleter(result);
  EXPECT_EQ(row.released, 1);
}

TEST_F(CApiTest, PassesVersionedDLPackOn) {
  Row row{{1, 2, 3}};
  Offer<DLManagedTensorVersioned> offer(row);
  offer.managed.version = {.major = DLPACK_MAJOR_VERSION + 1, .minor = 0};
  EXPECT_EQ(ts_value_from_dlpack_versioned(&offer.managed), nullptr);
  EXPECT_HAS(ts_error_message(), "is of DLPack 2, this library knows 1");
  offer.managed.version.major = DLPACK_MAJOR_VERSION;
  ValueHandle x(ts_value_from_dlpack_versioned(&offer.managed));
  EXPECT_EQ(first_of(x), 2);
  DLManagedTensorVersioned* const result = ts_value_to_dlpack_versioned(x.get());
  ASSERT_NE(result, nullptr) << ts_error_message();
  EXPECT_EQ(result->dl_tensor.data, &row.numbers[1]);
  x.reset();
  EXPECT_EQ(row.released, 0);
  result->deleter(result);
  EXPECT_EQ(row.released, 1);
}

TEST_F(CApiTest, RefusesDLPackThatLibTorchHasNoNameFor) {
  Row row{{1, 2, 3}};
  Offer<DLManagedTensor> offer(row);
  offer.managed.dl_tensor.dtype.bits = 7;
  EXPECT_EQ(ts_value_from_dlpack(&offer.managed), nullptr);
  EXPECT_EQ(ts_error_status(), TS_ARGUMENT_ERROR);
  EXPECT_HAS(ts_error_message(), "code 2, 7 bits and 1 lanes");
  offer.managed.dl_tensor.dtype.bits = 32;
  offer.managed.dl_tensor.device.device_type = kDLMetal;
  EXPECT_EQ(ts_value_from_dlpack(&offer.managed), nullptr);
  EXPECT_EQ(ts_error_status(), TS_DEVICE_ERROR);
  EXPECT_EQ(row.released, 0);
}

TEST_F(CApiTest, WritesOutWhatLibTorchHasOnlyMarked) {
  float numbers[] = {1, 2};
  const ts_tensor memory = {.data = numbers,
                            .shape = nullptr,
                            .strides = nullptr,
                            .ndim = 0,
                            .dtype = TS_COMPLEX64,
                            .device_type = 0,
                            .device_index = 0};
  const ValueHandle x(ts_value_from_tensor(&memory, nullptr, nullptr));
  const ValueHandle result = call("conjugate", {x.get()});
  ts_tensor view{};
  ASSERT_EQ(ts_value_as_tensor(ts_value_item(result.get(), 0), &view), TS_OK);
  EXPECT_EQ(static_cast<const float*>(view.data)[1], -2);
}

TEST_F(CApiTest, RefusesToShowASparseTensor) {
  Row row{{1, 2, 3}};
  const ValueHandle x = row.value();
  const ValueHandle result = call("sparse", {x.get()});
  ts_tensor view{};
  EXPECT_EQ(ts_value_as_tensor(result.get(), &view), TS_SIGNATURE_ERROR);
  EXPECT_HAS(ts_error_message(), "has no plain row of elements");
  EXPECT_EQ(ts_value_to_dlpack(result.get()), nullptr);
}

}  // namespace
}  // namespace torchship
