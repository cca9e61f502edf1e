#include <torchship/model.h>

#include "c_api/handles.h"

using namespace torchship;         // NOLINT(google-build-using-namespace)
using namespace torchship::c_api;  // NOLINT(google-build-using-namespace)

namespace {

LoadOptions& changed(ts_options* options, const char* function) {
  return given(options, function, "options").options;
}

int at_least_zero(std::int32_t number, const char* function) {
  if (number >= 0) return number;
  throw ArgumentError(std::string(function) + ": expected 0 or more, got " +
                      std::to_string(number));
}

Policy policy_named(const std::string& name) {
  if (name == "trusted") return Policy::trusted;
  if (name == "strict") return Policy::strict;
  throw ArgumentError("ts_options_set_policy: unknown policy '" + name + "'",
                      "the policies are trusted and strict");
}

}  // namespace

ts_options* ts_options_new(void) {
  return guarded_pointer<ts_options>([] { return new ts_options; });
}

void ts_options_free(ts_options* options) { delete options; }

ts_status ts_options_set_device(ts_options* options, const char* device) {
  return guarded_status([&] {
    constexpr auto kFunction = "ts_options_set_device";
    changed(options, kFunction).device = parse_device(&given(device, kFunction, "device"));
  });
}

ts_status ts_options_set_engine(ts_options* options, const char* engine) {
  return guarded_status([&] {
    constexpr auto kFunction = "ts_options_set_engine";
    changed(options, kFunction).engine = &given(engine, kFunction, "engine");
  });
}

ts_status ts_options_set_weights(ts_options* options, const char* weights) {
  return guarded_status([&] {
    constexpr auto kFunction = "ts_options_set_weights";
    changed(options, kFunction).weights = &given(weights, kFunction, "weights");
  });
}

ts_status ts_options_set_policy(ts_options* options, const char* policy) {
  return guarded_status([&] {
    constexpr auto kFunction = "ts_options_set_policy";
    changed(options, kFunction).policy = policy_named(&given(policy, kFunction, "policy"));
  });
}

ts_status ts_options_set_threads(ts_options* options, int32_t threads) {
  return guarded_status([&] {
    constexpr auto kFunction = "ts_options_set_threads";
    changed(options, kFunction).threads = at_least_zero(threads, kFunction);
  });
}

ts_status ts_options_set_max_concurrent_calls(ts_options* options, int32_t calls) {
  return guarded_status([&] {
    constexpr auto kFunction = "ts_options_set_max_concurrent_calls";
    changed(options, kFunction).max_concurrent_calls = at_least_zero(calls, kFunction);
  });
}

ts_status ts_options_set_cores(ts_options* options, const int32_t* cores, size_t count) {
  return guarded_status([&] {
    constexpr auto kFunction = "ts_options_set_cores";
    LoadOptions& target = changed(options, kFunction);
    if (count > 0) given(cores, kFunction, "cores");
    std::vector<int> wanted;
    for (std::size_t i = 0; i < count; ++i) {
      wanted.push_back(at_least_zero(cores[i], kFunction));
    }
    target.cores = std::move(wanted);
  });
}

ts_status ts_options_set_validate(ts_options* options, bool validate) {
  return guarded_status([&] { changed(options, "ts_options_set_validate").validate = validate; });
}

ts_status ts_options_set_verify(ts_options* options, bool verify) {
  return guarded_status([&] { changed(options, "ts_options_set_verify").verify = verify; });
}

ts_status ts_options_set_verify_digests(ts_options* options, bool verify_digests) {
  return guarded_status(
      [&] { changed(options, "ts_options_set_verify_digests").verify_digests = verify_digests; });
}

ts_status ts_options_set_map(ts_options* options, bool map) {
  return guarded_status([&] { changed(options, "ts_options_set_map").map = map; });
}

ts_status ts_options_set_retarget(ts_options* options, bool retarget) {
  return guarded_status([&] { changed(options, "ts_options_set_retarget").retarget = retarget; });
}

ts_status ts_options_set_warm_up(ts_options* options, bool warm_up) {
  return guarded_status([&] { changed(options, "ts_options_set_warm_up").warm_up = warm_up; });
}

ts_status ts_options_set_optimize(ts_options* options, bool optimize) {
  return guarded_status([&] { changed(options, "ts_options_set_optimize").optimize = optimize; });
}

ts_status ts_options_set_own_streams(ts_options* options, bool own_streams) {
  return guarded_status(
      [&] { changed(options, "ts_options_set_own_streams").own_streams = own_streams; });
}

ts_status ts_options_set_cuda_graphs(ts_options* options, bool cuda_graphs) {
  return guarded_status(
      [&] { changed(options, "ts_options_set_cuda_graphs").cuda_graphs = cuda_graphs; });
}

ts_status ts_options_add_operator_library(ts_options* options, const char* path) {
  return guarded_status([&] {
    constexpr auto kFunction = "ts_options_add_operator_library";
    LoadOptions& target = changed(options, kFunction);
    target.operator_libraries.emplace_back(&given(path, kFunction, "path"));
  });
}
