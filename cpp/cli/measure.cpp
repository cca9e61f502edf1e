#include "measure.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <exception>
#include <fstream>
#include <mutex>
#include <thread>

#include <unistd.h>

namespace torchship::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kCurve = 24;
/// A block of calls this long is not distorted by the clock, nor by one interruption.
constexpr double kBlock = 200e-6;

template <typename Work>
double seconds(const Work& work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t all = 0;
  std::int64_t resident = 0;
  file >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

Measurement begin(Way& way) {
  Measurement result;
  const std::int64_t before = resident_bytes();
  result.load = seconds([&] { way.load(); });
  result.way = way.name();
  for (int call = 0; call < kCurve; ++call) {
    result.curve.push_back(seconds([&] { way.call(); }));
  }
  result.first_call = result.curve.front();
  result.memory = std::max<std::int64_t>(0, resident_bytes() - before);
  const double typical = median({result.curve.end() - kCurve / 2, result.curve.end()});
  result.calls_a_time = std::max(1, static_cast<int>(std::ceil(kBlock / std::max(typical, 1e-8))));
  return result;
}

/// Mean seconds of the calls of one block.
double block(const Way& way, int calls) {
  return seconds([&] {
           for (int call = 0; call < calls; ++call) way.call();
         }) /
         calls;
}

void take_turns(const std::vector<std::unique_ptr<Way>>& ways, double budget,
                std::vector<Measurement>& results) {
  constexpr std::size_t kLeastRounds = 5;
  std::vector<std::vector<double>> rounds(ways.size());
  const double end = budget * static_cast<double>(ways.size());
  double spent = 0;
  for (std::size_t round = 0; round < kLeastRounds || spent < end; ++round) {
    for (std::size_t k = 0; k < ways.size(); ++k) {
      const std::size_t i = (k + round) % ways.size();
      const double time = block(*ways[i], results[i].calls_a_time);
      rounds[i].push_back(time);
      spent += time * results[i].calls_a_time;
    }
  }
  for (std::size_t i = 0; i < ways.size(); ++i) {
    std::vector<double> ratios;
    for (std::size_t round = 0; round < rounds[i].size(); ++round) {
      ratios.push_back(rounds[i][round] / rounds.back()[round]);
    }
    results[i].ratio = median(std::move(ratios));
    results[i].steady = std::move(rounds[i]);
    std::sort(results[i].steady.begin(), results[i].steady.end());
  }
}

/// Calls per second of several threads; what one of them throws is passed on.
double throughput(const Way& way, int callers, double budget) {
  std::atomic<bool> stop = false;
  std::atomic<std::int64_t> calls = 0;
  std::exception_ptr failure;
  std::mutex failing;
  const auto work = [&] {
    try {
      const std::function<void()> call = way.caller();
      std::int64_t mine = 0;
      for (; !stop.load(std::memory_order_relaxed); ++mine) call();
      calls += mine;
    } catch (...) {
      const std::lock_guard lock(failing);
      failure = std::current_exception();
      stop = true;
    }
  };
  const double time = seconds([&] {
    std::vector<std::jthread> threads;
    for (int caller = 0; caller < callers; ++caller) threads.emplace_back(work);
    std::this_thread::sleep_for(std::chrono::duration<double>(budget));
    stop = true;
  });
  if (failure) std::rethrow_exception(failure);
  return static_cast<double>(calls) / time;
}

}  // namespace

double Measurement::quantile(double part) const {
  if (steady.empty()) return 0;
  const double last = static_cast<double>(steady.size() - 1);
  return steady[static_cast<std::size_t>(std::lround(part * last))];
}

std::vector<Measurement> measure(const std::vector<std::unique_ptr<Way>>& ways,
                                 const MeasureOptions& options) {
  std::vector<Measurement> results;
  for (const auto& way : ways) results.push_back(begin(*way));
  take_turns(ways, options.seconds, results);
  for (std::size_t i = 0; i < ways.size(); ++i) {
    results[i].calls_per_second = throughput(*ways[i], options.callers, options.seconds / 2);
  }
  return results;
}

}  // namespace torchship::cli
