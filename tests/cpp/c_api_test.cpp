#include <torchship/c_api.h>

#include <thread>

#include "c_api_support.h"

namespace torchship {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace)

TEST_F(CApiTest, SaysItsVersions) {
  EXPECT_EQ(ts_api_version(), TS_API_VERSION);
  EXPECT_STRNE(ts_version(), "");
  EXPECT_EQ(std::string(ts_libtorch_version()).find("2."), 0u);
}

TEST_F(CApiTest, CallsByPositionAndByName) {
  Row row{{1, 2, 3}};
  const ValueHandle x = row.value();
  const ValueHandle three(ts_value_from_int(3));
  const ValueHandle one(ts_value_from_float(1));
  EXPECT_EQ(first_of(call(nullptr, {x.get()})), 1);
  EXPECT_EQ(first_of(call("scale", {x.get()})), 2.5);
  EXPECT_EQ(first_of(call("scale", {x.get(), three.get()})), 3.5);
  EXPECT_EQ(first_of(call("scale", {x.get(), one.get()}, {nullptr, "shift"})), 3);
  EXPECT_EQ(first_of(call("scale", {three.get(), x.get()}, {"by", "x"})), 3.5);
  EXPECT_EQ(call("scale", {three.get(), x.get()}, {"by", nullptr}), nullptr);
  EXPECT_EQ(ts_error_status(), TS_ARGUMENT_ERROR);
}

TEST_F(CApiTest, FillsTheCallersOutputs) {
  Row row{{1, 2, 3}};
  Row first{{0, 0, 0}};
  Row second{{0, 0, 0}};
  const ValueHandle x = row.value();
  const ValueHandle outputs[] = {first.value(), second.value()};
  const ts_value* const in[] = {x.get()};
  const ts_value* const out[] = {outputs[0].get(), outputs[1].get()};
  EXPECT_EQ(ts_model_call_into(model_.get(), "pair", in, nullptr, 1, out, 2), TS_OK);
  EXPECT_EQ(first.numbers, (std::vector<float>{2, 3, 4}));
  EXPECT_EQ(second.numbers, (std::vector<float>{3, 4, 5}));
  EXPECT_EQ(ts_model_call_into(model_.get(), "pair", in, nullptr, 1, out, 1), TS_SIGNATURE_ERROR);
  EXPECT_HAS(ts_error_message(), "gives 2 values, got memory for 1");
}

TEST_F(CApiTest, PassesNumbersAndStrings) {
  bool flag = false;
  EXPECT_EQ(
      ts_value_as_bool(call("flag", {ValueHandle(ts_value_from_bool(true)).get()}).get(), &flag),
      TS_OK);
  EXPECT_TRUE(flag);
  std::int64_t whole = 0;
  const ValueHandle large(ts_value_from_int(std::int64_t{1} << 60));
  EXPECT_EQ(ts_value_as_int(call("whole", {large.get()}).get(), &whole), TS_OK);
  EXPECT_EQ(whole, std::int64_t{1} << 60);
  double number = 0;
  EXPECT_EQ(ts_value_as_float(call("number", {ValueHandle(ts_value_from_float(0.1)).get()}).get(),
                              &number),
            TS_OK);
  EXPECT_EQ(number, 0.1);
  double imaginary = 0;
  const ValueHandle complex(ts_value_from_complex(1, 2));
  EXPECT_EQ(ts_value_as_complex(call("imaginary", {complex.get()}).get(), &number, &imaginary),
            TS_OK);
  EXPECT_EQ(number, 1);
  EXPECT_EQ(imaginary, 2);
  const ValueHandle none(ts_value_from_none());
  EXPECT_EQ(ts_value_kind(call("nothing", {none.get()}).get()), TS_KIND_NONE);
  const ValueHandle text(ts_value_from_string("a\0b", 3));
  const ValueHandle back = call("text", {text.get()});
  std::size_t length = 0;
  const char* const bytes = ts_value_as_string(back.get(), &length);
  ASSERT_NE(bytes, nullptr);
  EXPECT_EQ(std::string(bytes, length), std::string("a\0b", 3));
  EXPECT_EQ(ts_value_as_int(back.get(), &whole), TS_SIGNATURE_ERROR);
  EXPECT_HAS(ts_error_message(), "expected a value of kind int, got str");
}

TEST_F(CApiTest, PassesContainers) {
  const ValueHandle four(ts_value_from_int(4));
  const ValueHandle half(ts_value_from_float(0.5));
  const ts_value* const fours[] = {four.get(), four.get()};
  const ValueHandle list(ts_value_from_list(fours, 2));
  const ValueHandle items = call("items", {list.get()});
  EXPECT_EQ(ts_value_kind(items.get()), TS_KIND_LIST);
  EXPECT_EQ(ts_value_size(items.get()), 2u);
  std::int64_t whole = 0;
  EXPECT_EQ(ts_value_as_int(ts_value_item(items.get(), 1), &whole), TS_OK);
  EXPECT_EQ(whole, 4);
  EXPECT_EQ(ts_value_item(items.get(), 2), nullptr);
  EXPECT_STREQ(ts_error_message(), "ts_value_item: index 2 of 2");

  const ts_value* const keys[] = {four.get()};
  const ts_value* const values[] = {half.get()};
  const ValueHandle dict(ts_value_from_dict(keys, values, 1));
  const ValueHandle entries = call("entries", {dict.get()});
  EXPECT_EQ(ts_value_as_int(ts_value_key(entries.get(), 0), &whole), TS_OK);
  double number = 0;
  EXPECT_EQ(ts_value_as_float(ts_value_item(entries.get(), 0), &number), TS_OK);
  EXPECT_EQ(number, 0.5);

  Row row{{1, 2, 3}};
  ValueHandle result = call("pair", {row.value().get()});
  const ts_value* const pair = ts_value_find(result.get(), "p");
  const ValueHandle kept(ts_value_copy(ts_value_item(pair, 1)));
  result.reset();
  EXPECT_EQ(first_of(kept), 3) << "a copy outlives what it was in";
}

TEST_F(CApiTest, NamesTheFieldsOfTuples) {
  const ValueHandle one(ts_value_from_int(1));
  const ts_value* const items[] = {one.get(), one.get()};
  const char* const names[] = {"a", "b"};
  const ValueHandle named(ts_value_from_tuple(items, names, 2));
  EXPECT_STREQ(ts_value_field(named.get(), 1), "b");
  EXPECT_EQ(ts_value_find(named.get(), "b"), ts_value_item(named.get(), 1));
  EXPECT_EQ(ts_value_find(named.get(), "c"), nullptr);
  EXPECT_EQ(ts_error_status(), TS_SIGNATURE_ERROR);
  const ValueHandle plain(ts_value_from_tuple(items, nullptr, 2));
  EXPECT_STREQ(ts_value_field(plain.get(), 1), "");
}

TEST_F(CApiTest, TellsErrorsApart) {
  Row row{{1, 2, 3}};
  const ValueHandle x = row.value();
  EXPECT_EQ(ts_model_load((folder_ / "none.pt").c_str(), nullptr), nullptr);
  EXPECT_EQ(ts_error_status(), TS_ARCHIVE_ERROR);
  EXPECT_HAS(ts_error_message(), "none.pt: no such file");
  EXPECT_EQ(call("missing", {x.get()}), nullptr);
  EXPECT_EQ(ts_error_status(), TS_SIGNATURE_ERROR);
  EXPECT_HAS(ts_error_hint(), "its methods are forward, scale");
  const OptionsHandle options(ts_options_new());
  EXPECT_EQ(ts_options_set_device(options.get(), "toaster"), TS_DEVICE_ERROR);
  EXPECT_STREQ(ts_error_message(), "unknown device 'toaster'");
  EXPECT_EQ(ts_options_set_policy(options.get(), "lax"), TS_ARGUMENT_ERROR);
  EXPECT_EQ(ts_options_set_threads(options.get(), -1), TS_ARGUMENT_ERROR);
  EXPECT_EQ(ts_model_check(model_.get()), nullptr);
  EXPECT_EQ(ts_error_status(), TS_ARCHIVE_ERROR);
  const ValueHandle text(ts_value_from_int(1));
  EXPECT_EQ(call(nullptr, {text.get()}), nullptr);
  EXPECT_EQ(ts_error_status(), TS_SIGNATURE_ERROR);
}

TEST_F(CApiTest, TellsThatAModelFailed) {
  const std::int64_t shape[] = {0, 2};
  const ts_tensor memory = {.data = nullptr,
                            .shape = shape,
                            .strides = nullptr,
                            .ndim = 2,
                            .dtype = TS_BOOL,
                            .device_type = 0,
                            .device_index = 0};
  const ValueHandle x(ts_value_from_tensor(&memory, nullptr, nullptr));
  EXPECT_EQ(call("write", {x.get()}), nullptr);
  EXPECT_EQ(ts_error_status(), TS_ENGINE_ERROR);
  EXPECT_HAS(ts_error_message(), "write failed");
}

TEST_F(CApiTest, StreamsAreOfDevicesThatHaveThem) {
  EXPECT_EQ(ts_set_current_stream("cpu", nullptr), TS_ARGUMENT_ERROR);
  EXPECT_HAS(ts_error_message(), "the CPU has no streams");
  EXPECT_EQ(ts_set_current_stream("tpu", nullptr), TS_DEVICE_ERROR);
  EXPECT_HAS(ts_error_message(), "unknown device 'tpu'");
}

TEST_F(CApiTest, TakesEveryOption) {
  const OptionsHandle options(ts_options_new());
  ts_options* const o = options.get();
  const std::int32_t core = 0;
  for (const ts_status status :
       {ts_options_set_device(o, "cpu"), ts_options_set_engine(o, "interpreter"),
        ts_options_set_weights(o, "float32"), ts_options_set_policy(o, "strict"),
        ts_options_set_threads(o, 1),
        ts_options_set_max_concurrent_calls(o, 2), ts_options_set_cores(o, &core, 1),
        ts_options_set_validate(o, false), ts_options_set_verify(o, true),
        ts_options_set_verify_digests(o, true), ts_options_set_map(o, false),
        ts_options_set_retarget(o, false), ts_options_set_warm_up(o, false),
        ts_options_set_optimize(o, false), ts_options_set_own_streams(o, false),
        ts_options_set_cuda_graphs(o, false)}) {
    EXPECT_EQ(status, TS_OK) << ts_error_message();
  }
  EXPECT_EQ(ts_model_load(path_.c_str(), o), nullptr);
  EXPECT_HAS(ts_error_message(), "refused by the strict policy");
  EXPECT_EQ(ts_options_set_policy(o, "trusted"), TS_OK);
  const ModelHandle model(ts_model_load(path_.c_str(), o));
  ASSERT_NE(model, nullptr) << ts_error_message();
  EXPECT_STREQ(ts_model_device(model.get()), "cpu");
  EXPECT_STREQ(ts_model_engine(model.get()), "interpreter");
  EXPECT_EQ(ts_options_set_weights(o, "int8"), TS_OK);
  EXPECT_EQ(ts_model_load(path_.c_str(), o), nullptr);
  EXPECT_HAS(ts_error_message(), "the engine 'interpreter' cannot use weights of int8");
  EXPECT_STRNE(ts_model_engine_reason(model.get()), "");
  EXPECT_EQ(ts_model_passed_over_count(model.get()), 0u);
  const char* engine = nullptr;
  EXPECT_EQ(ts_model_passed_over(model.get(), 0, &engine, &engine), TS_ARGUMENT_ERROR);
  EXPECT_EQ(ts_options_set_engine(o, "warp"), TS_OK);
  EXPECT_EQ(ts_model_load(path_.c_str(), o), nullptr);
  EXPECT_HAS(ts_error_message(), "warp");
  const std::string library = folder_ / "none.so";
  EXPECT_EQ(ts_options_add_operator_library(o, library.c_str()), TS_OK);
  EXPECT_EQ(ts_model_load(path_.c_str(), o), nullptr);
  EXPECT_HAS(ts_error_message(), "none.so");
}

TEST_F(CApiTest, LoadsFromMemory) {
  const std::string bytes = test::bytes_of_file(path_);
  Row row{{1, 2, 3}};
  EXPECT_EQ(ts_model_load_memory(bytes.data(), 100, "cut", &Row::release, &row, nullptr), nullptr);
  EXPECT_HAS(ts_error_message(), "cut: ");
  EXPECT_EQ(row.released, 0) << "a failure takes nothing";
  ModelHandle model(
      ts_model_load_memory(bytes.data(), bytes.size(), "held", &Row::release, &row, nullptr));
  ASSERT_NE(model, nullptr) << ts_error_message();
  EXPECT_HAS(ts_info_json(ts_model_info(model.get())), "\"path\": \"held\"");
  model.reset();
  EXPECT_EQ(row.released, 1);
  const InfoHandle info(ts_info_read_memory(bytes.data(), bytes.size(), "held"));
  ASSERT_NE(info, nullptr) << ts_error_message();
  EXPECT_STREQ(ts_method_name(ts_info_find_method(info.get(), nullptr)), "forward");
}

TEST_F(CApiTest, DescribesSignatures) {
  const ts_info* const info = ts_model_info(model_.get());
  const ts_method* const method = ts_info_find_method(info, "scale");
  ASSERT_NE(method, nullptr);
  EXPECT_STREQ(ts_method_text(method),
               "scale(x: Tensor, by: int = ..., shift: float = ...) -> Tensor");
  ASSERT_EQ(ts_method_input_count(method), 3u);
  const ts_spec* const by = ts_method_input(method, 1);
  EXPECT_STREQ(ts_spec_name(by), "by");
  EXPECT_EQ(ts_spec_kind(by), TS_KIND_INT);
  EXPECT_TRUE(ts_spec_may_be_left_out(by));
  EXPECT_FALSE(ts_spec_may_be_none(by));
  EXPECT_EQ(ts_spec_ndim(ts_method_input(method, 0)), -1) << "this archive promises no sizes";
  EXPECT_EQ(ts_spec_dtype(ts_method_input(method, 0)), TS_DTYPE_UNKNOWN);
  EXPECT_EQ(ts_info_find_method(info, "none"), nullptr);
  EXPECT_EQ(ts_info_method(info, 1000), nullptr);
}

TEST_F(CApiTest, ServesThreadsThatReadTheirOwnErrors) {
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int number = 0; number < 8; ++number) {
    threads.emplace_back([&, number] {
      wrong += ts_error_status() == TS_OK ? 0 : 1;
      for (int i = 0; i < 200; ++i) {
        Row row{{static_cast<float>(number)}};
        {
          const ValueHandle x = row.value();
          wrong += first_of(call("scale", {x.get()})) == 2.0F * number + 0.5F ? 0 : 1;
          const std::string absent = "m" + std::to_string(number * 1000 + i);
          wrong += call(absent.c_str(), {x.get()}) == nullptr ? 0 : 1;
          std::this_thread::yield();
          wrong += std::string(ts_error_message()).ends_with("'" + absent + "'") ? 0 : 1;
        }
        wrong += row.released == 1 ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace torchship
