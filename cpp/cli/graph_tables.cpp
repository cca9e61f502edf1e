#include "graph_tables.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <vector>

#include "ink.h"
#include "text.h"

namespace torchship::cli {
namespace {

struct Time {
  double microseconds = 0;
  std::int64_t calls = 0;
};
using Times = std::map<std::string, Time>;

std::string changes(const std::map<std::string, std::int64_t>& counts, const std::string& sign) {
  std::string text;
  for (const auto& [name, count] : counts) {
    text += (text.empty() ? "" : ", ") + sign + std::to_string(count) + " " + name;
  }
  return text;
}

std::string changes(const GraphPass& pass) {
  const std::string less = changes(pass.removed, "-");
  const std::string more = changes(pass.added, "+");
  return less + (less.empty() || more.empty() ? "" : ", ") + more;
}

/// Time of the node without what is inside it.
double own_time(const GraphNode& node) {
  double inside = 0;
  for (const GraphBlock& block : node.blocks) {
    inside += total_time(block);
  }
  return std::max(0.0, node.microseconds.value_or(inside) - inside);
}

template <typename Key>
void collect(const GraphBlock& block, Key&& key, Times& times) {
  for (const GraphNode& node : block.nodes) {
    if (node.microseconds) {
      Time& time = times[key(node)];
      time.microseconds += own_time(node);
      time.calls += node.executions;
    }
    for (const GraphBlock& inner : node.blocks) {
      collect(inner, key, times);
    }
  }
}

std::string format_share(double part, double whole) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f %%", whole > 0 ? 100 * part / whole : 0);
  return text.data();
}

template <typename Key>
std::string time_table(const Graph& graph, const std::string& heading, Key&& key, bool colour) {
  Times times;
  collect(graph.body, key, times);
  std::vector<std::pair<std::string, Time>> sorted(times.begin(), times.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& left, const auto& right) {
    return left.second.microseconds > right.second.microseconds;
  });
  std::vector<std::vector<Cell>> rows = {
      {{heading, Ink::bold}, {"calls", Ink::dim}, {"time", Ink::dim}, {"share", Ink::dim}}};
  const double whole = total_time(graph.body);
  Time total;
  for (const auto& [name, time] : sorted) {
    rows.push_back({{name},
                    {std::to_string(time.calls)},
                    {format_time(time.microseconds)},
                    {format_share(time.microseconds, whole)}});
    total.calls += time.calls;
    total.microseconds += time.microseconds;
  }
  rows.push_back({{"total", Ink::bold},
                  {std::to_string(total.calls), Ink::bold},
                  {format_time(total.microseconds), Ink::bold},
                  {format_share(total.microseconds, whole), Ink::bold}});
  return "\n" + align(std::move(rows), colour);
}

}  // namespace

std::string describe_passes(const Graph& graph, bool colour) {
  if (graph.passes.empty()) return "";
  std::vector<std::vector<Cell>> rows = {{{"pass", Ink::bold},
                                          {"operators", Ink::dim},
                                          {"constants folded", Ink::dim},
                                          {"weights folded", Ink::dim},
                                          {"changes", Ink::dim}}};
  for (const GraphPass& pass : graph.passes) {
    rows.push_back(
        {{pass.name},
         {std::to_string(pass.operators_before) + " -> " + std::to_string(pass.operators_after)},
         {pass.constants_folded == 0 ? "" : std::to_string(pass.constants_folded)},
         {pass.bytes_folded == 0 ? "" : format_bytes(pass.bytes_folded)},
         {changes(pass), Ink::dim}});
  }
  return "\n" + align(std::move(rows), colour);
}

std::string describe_times(const Graph& graph, bool colour) {
  if (total_time(graph.body) <= 0) return "";
  const auto by_operator = [](const GraphNode& node) { return node.operator_name; };
  const auto by_source = [](const GraphNode& node) {
    return node.source.empty() ? std::string("(unknown)") : node.source;
  };
  return time_table(graph, "time by operator", by_operator, colour) +
         time_table(graph, "time by source line", by_source, colour);
}

double total_time(const GraphBlock& block) {
  double total = 0;
  for (const GraphNode& node : block.nodes) {
    if (node.microseconds) {
      total += *node.microseconds;
      continue;
    }
    for (const GraphBlock& inner : node.blocks) {
      total += total_time(inner);
    }
  }
  return total;
}

std::string format_time(double microseconds) {
  std::array<char, 64> text{};
  if (microseconds >= 1e6) {
    std::snprintf(text.data(), text.size(), "%.2f s", microseconds / 1e6);
  } else if (microseconds >= 1e3) {
    std::snprintf(text.data(), text.size(), "%.2f ms", microseconds / 1e3);
  } else {
    std::snprintf(text.data(), text.size(), "%.1f us", microseconds);
  }
  return text.data();
}

}  // namespace torchship::cli
