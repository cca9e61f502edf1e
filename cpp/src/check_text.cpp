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

std::string tolerance_text(const Tolerance& tolerance) {
  const std::string text = number(tolerance.absolute) + " + " + number(tolerance.relative) + " rel";
  return tolerance.normwise > 0 ? text + ", or " + number(tolerance.normwise) + " norm" : text;
}

/// Norms matter where they are looked at.
Row row_of(const SampleCheck& sample, const OutputCheck& output, bool has_norms) {
  Row row = {std::to_string(sample.sample), sample.method, output.name, number(output.absolute),
             number(output.relative)};
  if (has_norms) row.push_back(number(output.normwise));
  row.push_back(tolerance_text(output.tolerance));
  row.push_back(verdict(output));
  return row;
}

bool looks_at_norms(const CheckReport& report) {
  for (const SampleCheck& sample : report.samples) {
    for (const OutputCheck& output : sample.outputs) {
      if (output.tolerance.normwise > 0) return true;
    }
  }
  return false;
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

std::string departure_text(const Departure& departure) {
  const bool is_kernel = departure.operator_name.starts_with("torchship::");
  const std::string what = is_kernel ? "the kernel furthest from LibTorch is "
                                     : "the first operator that departs is ";
  const std::string how = is_kernel ? "norm " + number(departure.relative)
                                    : "absolute " + number(departure.absolute) + ", relative " +
                                          number(departure.relative);
  return what + departure.operator_name + ", node " + std::to_string(departure.node) +
         (departure.source.empty() ? "" : ", at " + departure.source) + ": " + how + "\n";
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
  const bool has_norms = looks_at_norms(report);
  Row heading = {"sample", "method", "output", "absolute", "relative"};
  if (has_norms) heading.push_back("norm");
  heading.insert(heading.end(), {"tolerance", "verdict"});
  std::vector<Row> rows = {heading};
  std::size_t failed = 0;
  for (const SampleCheck& sample : report.samples) {
    failed += sample.passed() ? 0 : 1;
    for (const OutputCheck& output : sample.outputs) {
      rows.push_back(row_of(sample, output, has_norms));
    }
    if (!sample.error.empty()) {
      Row row(heading.size(), "-");
      row[0] = std::to_string(sample.sample);
      row[1] = sample.method;
      row.back() = "FAILED: " + sample.error;
      rows.push_back(std::move(row));
    }
  }
  const std::string total = std::to_string(report.samples.size());
  std::string text = align(rows) + "\n";
  text += failed == 0 ? "passed: " + total : "failed: " + std::to_string(failed) + " of " + total;
  text += report.samples.size() == 1 ? " sample\n" : " samples\n";
  return report.departure ? text + departure_text(*report.departure) : text;
}

}  // namespace torchship
