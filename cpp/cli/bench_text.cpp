#include "bench_text.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engines.h"
#include "graph_json.h"
#include "json/json.h"
#include "printable.h"
#include "text.h"

namespace torchship::cli {
namespace {

using nlohmann::ordered_json;

std::string format(const char* pattern, double number) {
  char text[32];
  std::snprintf(text, sizeof(text), pattern, number);
  return text;
}

/// "5.21 us", "12.3 ms", "1.50 s"
std::string format_seconds(double seconds) {
  const bool micro = seconds < 1e-3;
  const bool milli = seconds < 1;
  const double number = seconds * (micro ? 1e6 : milli ? 1e3 : 1);
  const char* pattern = number < 10 ? "%.2f" : number < 100 ? "%.1f" : "%.0f";
  return format(pattern, number) + (micro ? " us" : milli ? " ms" : " s");
}

/// One block of eight heights for each call, on a logarithmic scale from `least` to `most`.
std::string draw(const std::vector<double>& curve, double least, double most) {
  constexpr const char* kBlocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  std::string drawn;
  const double range = std::max(std::log(most / least), 1e-9);
  for (const double time : curve) {
    const double height = std::log(std::max(time, least) / least) / range;
    drawn += kBlocks[std::clamp(static_cast<int>(height * 7.999), 0, 7)];
  }
  return drawn;
}

std::string describe_inputs(const Bench& bench) {
  std::string text;
  for (const Value& input : bench.inputs) text += (text.empty() ? "" : ", ") + describe(input);
  return text;
}

std::string curves(const Bench& bench) {
  double least = bench.ways.front().curve.front();
  double most = least;
  std::size_t calls = 0;
  std::size_t width = 0;
  for (const Measurement& way : bench.ways) {
    const auto [low, high] = std::minmax_element(way.curve.begin(), way.curve.end());
    least = std::min(least, std::max(*low, 1e-9));
    most = std::max(most, *high);
    calls = way.curve.size();
    width = std::max(width, way.way.size());
  }
  std::string text = "\nthe first " + std::to_string(calls) + " calls (logarithmic, " +
                     format_seconds(least) + " to " + format_seconds(most) + ")\n";
  for (const Measurement& way : bench.ways) {
    text += printable(way.way) + std::string(width - way.way.size() + 2, ' ') +
            draw(way.curve, least, most) + "\n";
  }
  return text;
}

ordered_json to_json(const Measurement& way) {
  return {{"engine", way.way},
          {"load", way.load},
          {"first_call", way.first_call},
          {"p50", way.quantile(0.5)},
          {"p95", way.quantile(0.95)},
          {"p99", way.quantile(0.99)},
          {"quartiles", {way.quantile(0.25), way.quantile(0.75)}},
          {"calls_a_time", way.calls_a_time},
          {"measured", way.steady.size()},
          {"calls_per_second", way.calls_per_second},
          {"memory", way.memory},
          {"ratio", way.ratio},
          {"first_calls", way.curve}};
}

}  // namespace

std::string bench_text(const Bench& bench) {
  const bool compares = bench.ways.size() > 1;
  std::vector<std::vector<std::string>> rows = {
      {"", "load", "first call", "p50", "p95", "p99", "calls/s", "memory"}};
  if (compares) rows.front().push_back("of " + bench.ways.back().way);
  for (const Measurement& way : bench.ways) {
    rows.push_back({way.way, format_seconds(way.load), format_seconds(way.first_call),
                    format_seconds(way.quantile(0.5)), format_seconds(way.quantile(0.95)),
                    format_seconds(way.quantile(0.99)), format("%.0f", way.calls_per_second),
                    format_bytes(way.memory)});
    if (compares) rows.back().push_back(format("%.3f", way.ratio));
  }
  return printable(bench.archive + ": " + bench.method + "(" + describe_inputs(bench) + ") on " +
                   bench.device) +
         "\n" + std::to_string(bench.threads) + (bench.threads == 1 ? " thread, " : " threads, ") +
         std::to_string(bench.callers) + (bench.callers == 1 ? " caller" : " callers") + "\n\n" +
         align(rows) + describe(bench.passed_over) + curves(bench);
}

std::string bench_json(const Bench& bench) {
  ordered_json inputs = ordered_json::array();
  for (const Value& input : bench.inputs) inputs.push_back(describe(input));
  ordered_json ways = ordered_json::array();
  for (const Measurement& way : bench.ways) ways.push_back(to_json(way));
  return ascii({{"path", bench.archive},
                {"method", bench.method},
                {"device", bench.device},
                {"threads", bench.threads},
                {"callers", bench.callers},
                {"inputs", inputs},
                {"engines", ways},
                {"passed_over", to_json(bench.passed_over)}},
               2);
}

}  // namespace torchship::cli
