#include "bench.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>

#include <ATen/Parallel.h>
#include <ATen/ops/arange.h>
#include <torchship/model.h>

#include "bench_text.h"
#include "engines.h"
#include "inputs.h"
#include "json/json.h"
#include "measure.h"
#include "method.h"
#include "usage_error.h"
#include "way.h"

namespace torchship::cli {
namespace {

/// The first symbolic dimension of the first tensor that has one: what grows with the batch.
std::optional<int> batch_symbol(const MethodInfo& method) {
  for (const ValueSpec& spec : method.inputs) {
    if (!spec.shape) continue;
    for (const Dimension& dimension : *spec.shape) {
      if (dimension.symbol >= 0) return dimension.symbol;
    }
  }
  return std::nullopt;
}

/// Repeats the rows of tensors until there are `batch` of them.
std::vector<Value> with_batch(const MethodInfo& method, std::vector<Value> inputs, int batch) {
  const std::optional<int> symbol = batch_symbol(method);
  if (!symbol) {
    throw UsageError("--batch: no size of " + method.name + " is known to vary",
                     "give inputs of that size with -i");
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const ValueSpec& spec = method.inputs[i];
    if (!spec.shape || !inputs[i].is_tensor()) continue;
    at::Tensor tensor = inputs[i].tensor();
    for (std::size_t k = 0; k < spec.shape->size(); ++k) {
      if ((*spec.shape)[k].symbol != *symbol) continue;
      const auto dimension = static_cast<std::int64_t>(k);
      const at::Tensor rows = at::arange(batch, at::kLong).remainder(tensor.size(dimension));
      tensor = tensor.index_select(dimension, rows.to(tensor.device()));
    }
    inputs[i] = tensor;
  }
  return inputs;
}

/// In the order of the method; what is left out has a default, and nothing after it is given.
std::vector<Value> positional(const MethodInfo& method, const NamedValues& named) {
  std::vector<Value> inputs;
  for (const ValueSpec& spec : method.inputs) {
    const auto found = std::find_if(named.begin(), named.end(),
                                    [&](const auto& pair) { return pair.first == spec.name; });
    if (found == named.end()) break;
    inputs.push_back(found->second);
  }
  return inputs;
}

std::vector<Value> inputs_of(const BenchOptions& options, const Model& model,
                             const MethodInfo& method) {
  std::vector<Value> inputs = options.inputs.empty()
                                  ? model.example_inputs(method.name)
                                  : positional(method, parse_inputs(method, options.inputs));
  return options.batch > 0 ? with_batch(method, std::move(inputs), options.batch) : inputs;
}

/// Puts the process on these cores, if it may use them; if not, loading says so.
void pin_process(const std::vector<int>& cores) {
  cpu_set_t allowed, wanted;
  CPU_ZERO(&wanted);
  sched_getaffinity(0, sizeof(allowed), &allowed);
  for (const int core : cores) {
    if (core < 0 || core >= CPU_SETSIZE || !CPU_ISSET(core, &allowed)) return;
    CPU_SET(core, &wanted);
  }
  sched_setaffinity(0, sizeof(wanted), &wanted);
}

/// The executable is the host: here threads and cores belong to the process, for stock LibTorch too.
void prepare_process(const LoadArguments& load) {
  if (!load.cores.empty()) pin_process(load.cores);
  if (load.threads > 0) {
    at::set_num_threads(load.threads);
  } else if (!load.cores.empty()) {
    at::set_num_threads(static_cast<int>(load.cores.size()));
  }
}

}  // namespace

void run_bench(const BenchOptions& options) {
  prepare_process(options.load);
  LoadOptions load = load_options(options.load);
  load.warm_up = options.warm_up;
  if (options.stock && options.load.archive == "-") {
    throw UsageError("stock LibTorch cannot load standard input again and again",
                     "give bench --stock a file");
  }
  const Source archive = archive_source(options.load.archive);
  const EveryEngine every = usable_engines(archive, load);
  load.engine = every.names.front();
  const Model model(archive, load);
  const MethodInfo& method = chosen_method(model.info(), options.method);
  const std::vector<Value> inputs = inputs_of(options, model, method);
  model.call(method.name, inputs);  // Wrong inputs are an error before anything is measured.
  std::vector<std::unique_ptr<Way>> ways;
  for (const std::string& engine : every.names) {
    load.engine = engine;
    ways.push_back(make_torchship_way(archive, load, method.name, inputs));
  }
  if (options.stock) {
    ways.push_back(make_stock_way(options.load.archive, load.device, method.name, inputs));
  }
  if (!options.json && isatty(STDERR_FILENO) == 1) {
    std::cerr << "measuring for " << 1.5 * options.seconds * static_cast<double>(ways.size())
              << " s ...\n";
  }
  const Bench bench{.archive = archive_name(options.load.archive),
                    .method = method.name,
                    .device = load.device.str(),
                    .threads = at::get_num_threads(),
                    .callers = options.callers,
                    .inputs = inputs,
                    .passed_over = every.passed_over,
                    .ways = measure(ways, {.seconds = options.seconds, .callers = options.callers})};
  if (options.json) {
    std::cout << bench_json(bench) << '\n';
  } else {
    std::cout << bench_text(bench);
  }
}

}  // namespace torchship::cli
