#include <torchship/c_api.h>

#include <functional>
#include <utility>

#include "c_api_support.h"

namespace torchship {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace)

using Action = std::function<void()>;
using Actions = std::vector<std::pair<const char*, Action>>;

class CApiNullTest : public CApiTest {
 protected:
  void SetUp() override {
    CApiTest::SetUp();
    one_.reset(ts_value_from_int(1));
    options_.reset(ts_options_new());
  }

  /// Each must say that something of it is NULL, and crash nothing.
  static void expect_refusals(const Actions& actions) {
    for (const auto& [name, action] : actions) {
      EXPECT_EQ(ts_model_load("/none", nullptr), nullptr);  // Another error than the one expected.
      action();
      EXPECT_EQ(ts_error_status(), TS_ARGUMENT_ERROR) << name;
      EXPECT_HAS(ts_error_message(), "is NULL") << name;
      EXPECT_EQ(std::string(ts_error_message()).find(name), 0u) << ts_error_message();
    }
  }

  ValueHandle one_;
  OptionsHandle options_;
};

/// A call that must be refused, and what it gives then.
#define GIVES_NULL(function, ...) {#function, [&] { EXPECT_EQ(function(__VA_ARGS__), nullptr); }}
#define GIVES(wanted, function, ...) {#function, [&] { EXPECT_EQ(function(__VA_ARGS__), wanted); }}

TEST_F(CApiNullTest, FreeingNothingIsNothing) {
  ts_value_free(nullptr);
  ts_options_free(nullptr);
  ts_model_free(nullptr);
  ts_info_free(nullptr);
  ts_check_free(nullptr);
  EXPECT_STREQ(ts_dtype_name(1000), "unknown");
  EXPECT_EQ(ts_dtype_size(-1), 0u);
}

TEST_F(CApiNullTest, ValuesRefuseNull) {
  const ts_value* const nothing[] = {nullptr};
  const ts_value* const one[] = {one_.get()};
  const char* const no_name[] = {nullptr};
  expect_refusals({
      GIVES_NULL(ts_value_from_tensor, nullptr, nullptr, nullptr),
      GIVES_NULL(ts_value_from_tensor_copy, nullptr),
      GIVES_NULL(ts_value_from_dlpack, nullptr),
      GIVES_NULL(ts_value_from_dlpack_versioned, nullptr),
      GIVES_NULL(ts_value_from_string, nullptr, 1),
      GIVES_NULL(ts_value_from_list, nullptr, 1),
      GIVES_NULL(ts_value_from_list, nothing, 1),
      GIVES_NULL(ts_value_from_tuple, nullptr, nullptr, 1),
      GIVES_NULL(ts_value_from_tuple, one, no_name, 1),
      GIVES_NULL(ts_value_from_dict, nullptr, one, 1),
      GIVES_NULL(ts_value_from_dict, one, nothing, 1),
      GIVES_NULL(ts_value_copy, nullptr),
      GIVES(TS_KIND_INVALID, ts_value_kind, nullptr),
      GIVES_NULL(ts_value_to_dlpack, nullptr),
      GIVES_NULL(ts_value_to_dlpack_versioned, nullptr),
      GIVES_NULL(ts_value_as_string, nullptr, nullptr),
      GIVES(0u, ts_value_size, nullptr),
      GIVES_NULL(ts_value_item, nullptr, 0),
      GIVES_NULL(ts_value_key, nullptr, 0),
      GIVES_NULL(ts_value_field, nullptr, 0),
      GIVES_NULL(ts_value_find, nullptr, "x"),
      GIVES_NULL(ts_value_find, one_.get(), nullptr),
  });
}

TEST_F(CApiNullTest, AccessorsRefuseNull) {
  ts_tensor tensor{};
  bool boolean = false;
  std::int64_t integer = 0;
  double number = 0;
  Row row{{1}};
  const ValueHandle floats = row.value();
  const ValueHandle flag(ts_value_from_bool(true));
  const ValueHandle half(ts_value_from_float(0.5));
  const ValueHandle complex(ts_value_from_complex(1, 2));
  expect_refusals({
      GIVES(TS_ARGUMENT_ERROR, ts_value_as_tensor, nullptr, &tensor),
      GIVES(TS_ARGUMENT_ERROR, ts_value_as_tensor, floats.get(), nullptr),
      GIVES(TS_ARGUMENT_ERROR, ts_value_as_bool, nullptr, &boolean),
      GIVES(TS_ARGUMENT_ERROR, ts_value_as_bool, flag.get(), nullptr),
      GIVES(TS_ARGUMENT_ERROR, ts_value_as_int, nullptr, &integer),
      GIVES(TS_ARGUMENT_ERROR, ts_value_as_int, one_.get(), nullptr),
      GIVES(TS_ARGUMENT_ERROR, ts_value_as_float, nullptr, &number),
      GIVES(TS_ARGUMENT_ERROR, ts_value_as_float, half.get(), nullptr),
      GIVES(TS_ARGUMENT_ERROR, ts_value_as_complex, nullptr, &number, &number),
      GIVES(TS_ARGUMENT_ERROR, ts_value_as_complex, complex.get(), nullptr, &number),
      GIVES(TS_ARGUMENT_ERROR, ts_value_as_complex, complex.get(), &number, nullptr),
  });
}

TEST_F(CApiNullTest, OptionsRefuseNull) {
  ts_options* const o = options_.get();
  expect_refusals({
      GIVES(TS_ARGUMENT_ERROR, ts_options_set_device, nullptr, "cpu"),
      GIVES(TS_ARGUMENT_ERROR, ts_options_set_device, o, nullptr),
      GIVES(TS_ARGUMENT_ERROR, ts_options_set_engine, nullptr, "auto"),
      GIVES(TS_ARGUMENT_ERROR, ts_options_set_engine, o, nullptr),
      GIVES(TS_ARGUMENT_ERROR, ts_options_set_weights, nullptr, "int8"),
      GIVES(TS_ARGUMENT_ERROR, ts_options_set_weights, o, nullptr),
      GIVES(TS_ARGUMENT_ERROR, ts_options_set_policy, nullptr, "strict"),
      GIVES(TS_ARGUMENT_ERROR, ts_options_set_policy, o, nullptr),
      GIVES(TS_ARGUMENT_ERROR, ts_options_set_threads, nullptr, 1),
      GIVES(TS_ARGUMENT_ERROR, ts_options_set_max_concurrent_calls, nullptr, 1),
      GIVES(TS_ARGUMENT_ERROR, ts_options_set_cores, nullptr, nullptr, 0),
      GIVES(TS_ARGUMENT_ERROR, ts_options_set_cores, o, nullptr, 1),
      GIVES(TS_ARGUMENT_ERROR, ts_options_set_validate, nullptr, true),
      GIVES(TS_ARGUMENT_ERROR, ts_options_set_verify, nullptr, true),
      GIVES(TS_ARGUMENT_ERROR, ts_options_set_verify_digests, nullptr, true),
      GIVES(TS_ARGUMENT_ERROR, ts_options_set_map, nullptr, true),
      GIVES(TS_ARGUMENT_ERROR, ts_options_set_retarget, nullptr, true),
      GIVES(TS_ARGUMENT_ERROR, ts_options_set_warm_up, nullptr, true),
      GIVES(TS_ARGUMENT_ERROR, ts_options_set_optimize, nullptr, true),
      GIVES(TS_ARGUMENT_ERROR, ts_options_set_own_streams, nullptr, true),
      GIVES(TS_ARGUMENT_ERROR, ts_options_set_cuda_graphs, nullptr, true),
      GIVES(TS_ARGUMENT_ERROR, ts_set_current_stream, nullptr, nullptr),
      GIVES(TS_ARGUMENT_ERROR, ts_options_add_operator_library, nullptr, "a.so"),
      GIVES(TS_ARGUMENT_ERROR, ts_options_add_operator_library, o, nullptr),
  });
}

TEST_F(CApiNullTest, ModelsRefuseNull) {
  const ts_model* const model = model_.get();
  const ts_value* const nothing[] = {nullptr};
  const ts_value* const one[] = {one_.get()};
  const char* text = nullptr;
  expect_refusals({
      GIVES_NULL(ts_model_load, nullptr, nullptr),
      GIVES_NULL(ts_model_load_memory, nullptr, 1, "name", nullptr, nullptr, nullptr),
      GIVES_NULL(ts_model_load_memory, "bytes", 5, nullptr, nullptr, nullptr, nullptr),
      GIVES_NULL(ts_model_call, nullptr, nullptr, one, nullptr, 1),
      GIVES_NULL(ts_model_call, model, nullptr, nullptr, nullptr, 1),
      GIVES_NULL(ts_model_call, model, nullptr, nothing, nullptr, 1),
      GIVES(TS_ARGUMENT_ERROR, ts_model_call_into, nullptr, nullptr, one, nullptr, 1, one, 1),
      GIVES(TS_ARGUMENT_ERROR, ts_model_call_into, model, nullptr, one, nullptr, 1, nullptr, 1),
      GIVES_NULL(ts_model_device, nullptr),
      GIVES_NULL(ts_model_engine, nullptr),
      GIVES_NULL(ts_model_engine_reason, nullptr),
      GIVES(0u, ts_model_passed_over_count, nullptr),
      GIVES(TS_ARGUMENT_ERROR, ts_model_passed_over, nullptr, 0, &text, &text),
      GIVES_NULL(ts_model_info, nullptr),
      GIVES_NULL(ts_model_check, nullptr),
  });
}

TEST_F(CApiNullTest, DescriptionsRefuseNull) {
  const ts_spec* const spec =
      ts_method_input(ts_info_find_method(ts_model_info(model_.get()), "text"), 0);
  ASSERT_NE(spec, nullptr);
  ts_dimension dimension{};
  expect_refusals({
      GIVES_NULL(ts_info_read, nullptr),
      GIVES_NULL(ts_info_read_memory, nullptr, 1, "name"),
      GIVES_NULL(ts_info_read_memory, "bytes", 5, nullptr),
      GIVES_NULL(ts_info_json, nullptr),
      GIVES(0u, ts_info_method_count, nullptr),
      GIVES_NULL(ts_info_method, nullptr, 0),
      GIVES_NULL(ts_info_find_method, nullptr, "x"),
      GIVES_NULL(ts_method_name, nullptr),
      GIVES_NULL(ts_method_text, nullptr),
      GIVES(0u, ts_method_input_count, nullptr),
      GIVES_NULL(ts_method_input, nullptr, 0),
      GIVES_NULL(ts_method_output, nullptr),
      GIVES_NULL(ts_spec_name, nullptr),
      GIVES_NULL(ts_spec_type, nullptr),
      GIVES(TS_KIND_INVALID, ts_spec_kind, nullptr),
      GIVES(false, ts_spec_may_be_none, nullptr),
      GIVES(false, ts_spec_may_be_left_out, nullptr),
      GIVES(TS_DTYPE_UNKNOWN, ts_spec_dtype, nullptr),
      GIVES(-1, ts_spec_ndim, nullptr),
      GIVES(TS_ARGUMENT_ERROR, ts_spec_dimension, nullptr, 0, &dimension),
      GIVES(0u, ts_spec_member_count, nullptr),
      GIVES_NULL(ts_spec_member, nullptr, 0),
      GIVES(false, ts_check_passed, nullptr),
      GIVES_NULL(ts_check_text, nullptr),
      GIVES_NULL(ts_check_json, nullptr),
      GIVES(0u, ts_check_sample_count, nullptr),
      GIVES(false, ts_check_sample_passed, nullptr, 0),
      GIVES_NULL(ts_check_sample_message, nullptr, 0),
  });
}

}  // namespace
}  // namespace torchship
