// One way of running one archive, at the orders of a driver: benchmarks/README.md has the protocol.
//
//   benchmark_runner --way stock|torchship[:ENGINE] --archive FILE --inputs FILE.safetensors
//
// One command a line on standard input, one JSON object a line on standard output; what fails is
// one line on standard error and exit status 1.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <CLI/CLI.hpp>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>
#include <nlohmann/json.hpp>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torchship/torchship.h>

namespace {

using torchship::NamedTensors;
using torchship::Value;

struct Options {
  std::string way;
  std::filesystem::path archive;
  std::filesystem::path inputs;
  int threads = 1;
  bool warm_up = false;  ///< Of torchship: LoadOptions::warm_up.
};

/// A loaded model with its inputs.
class Runner {
 public:
  Runner() = default;
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  virtual ~Runner() = default;

  /// One call with fresh arguments, as a program would make them; the result is thrown away. Any
  /// number of threads may call at once.
  virtual void call() = 0;
  /// What the caller does in a call beside the model's work.
  virtual std::size_t prepare() const = 0;
  virtual NamedTensors outputs() = 0;
  /// The same model for another caller, with inputs of its own: whoever shares a tensor shares the
  /// count of its references.
  virtual std::unique_ptr<Runner> for_another() const = 0;
};

std::vector<at::Tensor> copies(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> made;
  for (const at::Tensor& tensor : tensors) made.push_back(tensor.clone());
  return made;
}

/// As programs do that use LibTorch alone.
class StockRunner final : public Runner {
 public:
  StockRunner(const std::filesystem::path& archive, const std::vector<at::Tensor>& inputs)
      : StockRunner(load(archive), inputs) {}

  void call() override {
    const c10::InferenceMode inference;
    module_.forward(inputs_);
  }
  std::size_t prepare() const override { return std::vector<c10::IValue>(inputs_).size(); }

  NamedTensors outputs() override {
    const c10::InferenceMode inference;
    const c10::IValue result = module_.forward(inputs_);
    if (result.isTensor()) {
      return {{"output.0", result.toTensor()}};
    }
    if (!result.isTuple()) {
      throw std::runtime_error("the model returns neither a tensor nor a tuple of tensors");
    }
    NamedTensors tensors;
    for (const c10::IValue& item : result.toTupleRef().elements()) {
      tensors.emplace_back("output." + std::to_string(tensors.size()), item.toTensor());
    }
    return tensors;
  }

  std::unique_ptr<Runner> for_another() const override {
    return std::unique_ptr<Runner>(new StockRunner(module_, copies(tensors_)));
  }

 private:
  StockRunner(torch::jit::Module module, const std::vector<at::Tensor>& inputs)
      : tensors_(inputs), inputs_(inputs.begin(), inputs.end()), module_(std::move(module)) {}

  static torch::jit::Module load(const std::filesystem::path& archive) {
    const c10::InferenceMode inference;
    torch::jit::Module module = torch::jit::load(archive.string());
    module.eval();
    return module;
  }

  std::vector<at::Tensor> tensors_;
  std::vector<c10::IValue> inputs_;
  torch::jit::Module module_;
};

class TorchshipRunner final : public Runner {
 public:
  TorchshipRunner(const std::filesystem::path& archive, const std::vector<at::Tensor>& inputs,
                  const torchship::LoadOptions& options)
      : TorchshipRunner(torchship::Model(archive, options), inputs) {}

  // With a copy of the arguments, as module.forward() takes one.
  void call() override { model_(std::vector<Value>(inputs_)); }
  std::size_t prepare() const override { return std::vector<Value>(inputs_).size(); }

  NamedTensors outputs() override {
    NamedTensors tensors;
    for (const auto& [name, value] : torchship::flatten(model_(inputs_))) {
      tensors.emplace_back("output." + std::to_string(tensors.size()), value.tensor());
    }
    return tensors;
  }

  std::unique_ptr<Runner> for_another() const override {
    return std::unique_ptr<Runner>(new TorchshipRunner(model_, copies(tensors_)));
  }

 private:
  TorchshipRunner(torchship::Model model, const std::vector<at::Tensor>& inputs)
      : tensors_(inputs), inputs_(inputs.begin(), inputs.end()), model_(std::move(model)) {}

  std::vector<at::Tensor> tensors_;
  std::vector<Value> inputs_;
  torchship::Model model_;
};

/// The tensors `input.0`, `input.1` and so on of the file.
std::vector<at::Tensor> read_inputs(const std::filesystem::path& file) {
  const NamedTensors read = torchship::read_tensors(file);
  const std::map<std::string, at::Tensor> by_name(read.begin(), read.end());
  std::vector<at::Tensor> inputs;
  for (auto at = by_name.find("input.0"); at != by_name.end();
       at = by_name.find("input." + std::to_string(inputs.size()))) {
    inputs.push_back(at->second);
  }
  if (inputs.empty()) {
    throw std::runtime_error(file.string() + ": holds no tensor 'input.0'");
  }
  return inputs;
}

std::unique_ptr<Runner> make_runner(const Options& options, const std::vector<at::Tensor>& inputs) {
  const auto colon = options.way.find(':');
  const std::string kind = options.way.substr(0, colon);
  if (options.way == "stock") {
    return std::make_unique<StockRunner>(options.archive, inputs);
  }
  if (kind == "torchship") {
    const bool named = colon != std::string::npos;
    const std::string engine = named ? options.way.substr(colon + 1) : "interpreter";
    const torchship::LoadOptions load{
        .engine = engine, .threads = options.threads, .warm_up = options.warm_up};
    return std::make_unique<TorchshipRunner>(options.archive, inputs, load);
  }
  throw std::runtime_error("way '" + options.way + "' is not one of: stock, torchship[:ENGINE]");
}

double seconds_of(const std::function<void()>& action) {
  const auto start = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// About how long a call is: the fastest of up to three, which fill the caches again meanwhile.
double about_seconds(Runner& runner, double enough) {
  double fastest = seconds_of([&] { runner.call(); });
  for (int more = 0; more < 2 && fastest < enough; ++more) {
    fastest = std::min(fastest, seconds_of([&] { runner.call(); }));
  }
  return std::max(fastest, 1e-9);
}

/// Times `calls` calls in blocks, each long enough that reading the clock does not count. The calls
/// that say how long a block must be are not among them.
nlohmann::json time_calls(Runner& runner, std::int64_t calls) {
  constexpr double kShortestBlock = 200e-6;
  const double about = about_seconds(runner, kShortestBlock);
  const double fitting = std::max(1.0, kShortestBlock / about);
  const std::int64_t block = std::min(calls, static_cast<std::int64_t>(fitting));
  std::vector<double> seconds;
  for (std::int64_t done = 0; done < calls; done += block) {
    const double time = seconds_of([&] {
      for (std::int64_t call = 0; call < block; ++call) {
        runner.call();
      }
    });
    seconds.push_back(time / static_cast<double>(block));
  }
  return {{"calls_per_block", block}, {"seconds", seconds}};
}

/// Calls of several threads in a second.
nlohmann::json throughput(Runner& runner, int callers, double budget) {
  std::atomic<bool> stop = false;
  std::atomic<std::int64_t> calls = 0;
  const double time = seconds_of([&] {
    std::vector<std::jthread> threads;
    for (int caller = 0; caller < callers; ++caller) {
      threads.emplace_back([&] {
        const std::unique_ptr<Runner> own_runner = runner.for_another();
        std::int64_t own = 0;
        for (; !stop.load(std::memory_order_relaxed); ++own) own_runner->call();
        calls += own;
      });
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(budget));
    stop = true;
  });
  return {{"calls_per_second", static_cast<double>(calls) / time}};
}

/// Resident and private bytes of this process.
nlohmann::json memory() {
  std::ifstream file("/proc/self/smaps_rollup");
  std::int64_t resident = 0;
  std::int64_t own = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string key;
    std::int64_t kilobytes = 0;
    words >> key >> kilobytes;
    resident += key == "Rss:" ? kilobytes : 0;
    own += key == "Private_Clean:" || key == "Private_Dirty:" ? kilobytes : 0;
  }
  return {{"resident_bytes", resident * 1024}, {"private_bytes", own * 1024}};
}

/// Loads and answers the commands.
class Session {
 public:
  explicit Session(Options options)
      : options_(std::move(options)), inputs_(read_inputs(options_.inputs)) {
    if (!std::filesystem::exists(options_.archive)) {
      throw std::runtime_error(options_.archive.string() + ": no such file");
    }
  }

  nlohmann::json answer(const std::string& line) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    if (command == "first") {
      return first();
    }
    if (command == "memory") {
      return memory();
    }
    if (!runner_) {
      throw std::runtime_error("'" + command + "' comes before 'first', which loads the model");
    }
    if (command == "call") {
      return time_calls(*runner_, count(words));
    }
    if (command == "repeat") {
      for (std::int64_t call = count(words); call > 0; --call) runner_->call();
      return nlohmann::json::object();
    }
    if (command == "callers") {
      const auto callers = static_cast<int>(count(words));
      double seconds = 0;
      words >> seconds;
      return throughput(*runner_, callers, seconds);
    }
    if (command == "outputs") {
      std::string file;
      std::getline(words >> std::ws, file);
      torchship::write_tensors(file, runner_->outputs());
      return {{"file", file}};
    }
    throw std::runtime_error("command '" + command +
                             "' is not one of: first, call N, repeat N, callers N SECONDS, outputs FILE, "
                             "memory, quit");
  }

 private:
  nlohmann::json first() {
    runner_.reset();
    const double load = seconds_of([&] { runner_ = make_runner(options_, inputs_); });
    nlohmann::json answer = {{"load_seconds", load}};
    if (options_.way != "stock") {
      runner_.reset();
      options_.warm_up = true;
      answer["warm_load_seconds"] =
          seconds_of([&] { runner_ = make_runner(options_, inputs_); });
      options_.warm_up = false;
    }
    // The first look at the clock and the first copy of inputs are not the model's.
    seconds_of([&] { runner_->prepare(); });
    answer["first_call_seconds"] = seconds_of([&] { runner_->call(); });
    return answer;
  }

  static std::int64_t count(std::istringstream& words) {
    constexpr std::int64_t kMost = 100'000'000;
    std::int64_t calls = 0;
    words >> calls;
    if (calls < 1 || calls > kMost) {
      throw std::runtime_error("a number of calls is from 1 to 100000000");
    }
    return calls;
  }

  Options options_;
  std::vector<at::Tensor> inputs_;
  std::unique_ptr<Runner> runner_;
};

void serve(const Options& options) {
  at::set_num_threads(options.threads);
  at::set_num_interop_threads(1);
  Session session(options);
  for (std::string line; std::getline(std::cin, line) && line != "quit";) {
    std::cout << session.answer(line) << std::endl;
  }
}

int fail(std::string message) {
  std::replace(message.begin(), message.end(), '\n', ' ');
  std::cerr << "benchmark_runner: error: " << message << '\n';
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Runs one archive in one way, at the orders of benchmarks/compare.py");
  app.add_option("--way", options.way, "stock or torchship[:ENGINE]")->required();
  app.add_option("--archive", options.archive, "The model")->required();
  app.add_option("--inputs", options.inputs, "A .safetensors file: input.0, input.1, ...")
      ->required();
  app.add_option("--threads", options.threads, "Threads that share an operator")
      ->check(CLI::Range(1, 1024));
  CLI11_PARSE(app, argc, argv);
  try {
    serve(options);
    return 0;
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    return fail(message.substr(0, message.find('\n')));
  } catch (const std::exception& error) {
    return fail(error.what());
  }
}
