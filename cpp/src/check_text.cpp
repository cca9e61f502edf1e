#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <torchship/check.h>

#include "check.h"

namespace torchship {
namespace {

using Row = std::vector<std::string>;

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), value == 0 ? "%.0f" : "%.2g", value);
  return text;
}

std::string verdict(const OutputCheck& output) {
  return output.passed ? "ok" : "FAILED" + (output.problem.empty() ? "" : ": " + output.problem);
}

Row row_of(const SampleCheck& sample, const OutputCheck& output) {
  return {std::to_string(sample.sample), sample.method, output.name, number(output.absolute),
          number(output.relative),
          number(output.tolerance.absolute) + " + " + number(output.tolerance.relative) + " rel",
          verdict(output)};
}

/// Rows as lines with aligned columns, two blanks between them.
std::string align(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) {
      text += row[i] + std::string(widths[i] - row[i].size() + 2, ' ');
    }
    text += row.back() + "\n";
  }
  return text;
}

}  // namespace

std::string failure_of(const SampleCheck& sample) {
  if (!sample.error.empty()) return sample.error;
  for (const OutputCheck& output : sample.outputs) {
    if (output.passed) continue;
    return "output '" + output.name + "': " +
           (output.problem.empty() ? "absolute error " + number(output.absolute) : output.problem);
  }
  return "";
}

std::string first_failure(const CheckReport& report) {
  const auto failed = std::find_if(report.samples.begin(), report.samples.end(),
                                   [](const SampleCheck& sample) { return !sample.passed(); });
  if (failed == report.samples.end()) return "";
  return "sample " + std::to_string(failed->sample) + ": " + failure_of(*failed);
}

std::string to_string(const CheckReport& report) {
  std::vector<Row> rows = {
      {"sample", "method", "output", "absolute", "relative", "tolerance", "verdict"}};
  std::size_t failed = 0;
  for (const SampleCheck& sample : report.samples) {
    failed += sample.passed() ? 0 : 1;
    for (const OutputCheck& output : sample.outputs) {
      rows.push_back(row_of(sample, output));
    }
    if (!sample.error.empty()) {
      rows.push_back({std::to_string(sample.sample), sample.method, "-", "-", "-", "-",
                      "FAILED: " + sample.error});
    }
  }
  const std::string total = std::to_string(report.samples.size());
  std::string text = align(rows) + "\n";
  text += failed == 0 ? "passed: " + total : "failed: " + std::to_string(failed) + " of " + total;
  text += report.samples.size() == 1 ? " sample\n" : " samples\n";
  if (const auto& departure = report.departure) {
    text += "the first operator that departs is " + departure->operator_name + ", node " +
            std::to_string(departure->node) +
            (departure->source.empty() ? "" : ", at " + departure->source) + ": absolute " +
            number(departure->absolute) + ", relative " + number(departure->relative) + "\n";
  }
  return text;
}

}  // namespace torchship
