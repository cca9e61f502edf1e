// What it costs to validate a call: `validation [ROUNDS]`.
//
// For some signatures, the time of one call's checks with and without what a manifest promises,
// taken in turn: the median over the rounds, in nanoseconds. Nothing is computed.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <ATen/ops/ones.h>

#include "promises.h"
#include "signature.h"

namespace {

using namespace torchship;

struct Example {
  const char* name;
  MethodInfo method;
  std::vector<Value> inputs;
};

ValueSpec tensor(const std::string& name, at::ScalarType dtype, std::vector<Dimension> shape) {
  ValueSpec spec;
  spec.name = name;
  spec.kind = Kind::tensor;
  spec.type = "Tensor";
  spec.dtype = dtype;
  spec.shape = std::move(shape);
  return spec;
}

ValueSpec dict_of_tensors(const std::string& name, const std::vector<std::string>& keys) {
  ValueSpec spec;
  spec.name = name;
  spec.kind = Kind::dict;
  spec.items.resize(2);
  spec.items[0].kind = Kind::string;
  spec.items[1].kind = Kind::tensor;
  spec.members.emplace();
  for (const std::string& key : keys) {
    spec.members->push_back(tensor(key, at::kFloat, {{.size = -1, .symbol = 0}, {.size = 8}}));
  }
  return spec;
}

MethodInfo forward(std::vector<ValueSpec> inputs) {
  MethodInfo method;
  method.name = "forward";
  method.inputs = std::move(inputs);
  for (const char* name : {"B", "T"}) {
    method.dimensions.push_back(
        {.name = name, .min = 1, .max = 1024, .multiple_of = 1, .tried = {}});
  }
  return method;
}

std::vector<Example> examples() {
  const Dimension batch{.size = -1, .symbol = 0};
  const Dimension length{.size = -1, .symbol = 1};
  const Value floats = at::ones({4, 8});
  const Value ids = at::ones({4, 8}, at::kLong);
  return {
      {"one tensor", forward({tensor("x", at::kFloat, {batch, {.size = 8}})}), {floats}},
      {"three tensors that agree",
       forward({tensor("ids", at::kLong, {batch, length}), tensor("mask", at::kLong, {batch, length}),
                tensor("types", at::kLong, {batch, length})}),
       {ids, ids, ids}},
      {"dict of four tensors",
       forward({dict_of_tensors("batch", {"a", "b", "c", "d"})}),
       {Value::dict({{"a", floats}, {"b", floats}, {"c", floats}, {"d", floats}})}},
  };
}

/// Nanoseconds of one call of `action`, over many.
template <typename Action>
double nanoseconds(const Action& action) {
  constexpr int kCalls = 1000;
  const auto start = std::chrono::steady_clock::now();
  for (int call = 0; call < kCalls; ++call) {
    action();
  }
  const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - start;
  return time.count() / kCalls;
}

double median(std::vector<double> times) {
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2),
                   times.end());
  return times[times.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 1000;
  const std::string model = "model.pt";
  std::printf("%-26s %12s %12s %12s\n", "inputs", "off (ns)", "on (ns)", "cost (ns)");
  for (const Example& example : examples()) {
    std::vector<double> off;
    std::vector<double> on;
    for (int round = 0; round < rounds; ++round) {
      off.push_back(nanoseconds([&] { bind_inputs(model, example.method, example.inputs, {}); }));
      on.push_back(nanoseconds([&] {
        require_promises(model, example.method,
                         bind_inputs(model, example.method, example.inputs, {}));
      }));
    }
    std::printf("%-26s %12.0f %12.0f %12.0f\n", example.name, median(off), median(on),
                median(on) - median(off));
  }
}
