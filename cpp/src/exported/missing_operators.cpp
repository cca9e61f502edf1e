#include "exported/missing_operators.h"

#include <algorithm>
#include <map>

#include <torch/csrc/jit/runtime/operator.h>
#include <torchship/error.h>

#include "exported/lowering/lowering.h"
#include "exported/walk.h"
#include "lint/libraries.h"

namespace torchship {
namespace {

bool is_known(const OperatorTarget& target) {
  const auto& overloads =
      torch::jit::getAllOperatorsFor(c10::Symbol::fromQualString(target.name));
  return std::any_of(overloads.begin(), overloads.end(), [&](const auto& each) {
    return each->schema().overload_name() == target.overload;
  });
}

}  // namespace

std::vector<MissingOperator> missing_operators(const ExportedProgram& program) {
  std::map<std::string, bool> known;
  std::map<std::string, std::size_t> places;
  std::vector<MissingOperator> missing;
  for_each_node(program.graph, [&](const ExportedNode& node) {
    const std::optional<OperatorTarget> target = parse_target(called_target(node));
    if (!target || target->name.starts_with("higher_order::")) return;
    const auto [slot, is_new] = known.try_emplace(called_target(node), true);
    if (is_new) slot->second = is_known(*target);
    if (slot->second) return;
    const std::string name =
        target->name + (target->overload.empty() ? "" : "." + target->overload);
    const auto [place, is_first] = places.try_emplace(name, missing.size());
    if (is_first) missing.push_back({.name = name, .calls = 0, .stack_traces = {}});
    MissingOperator& each = missing[place->second];
    each.calls += 1;
    if (!node.stack_trace.empty()) each.stack_traces.push_back(node.stack_trace);
  });
  return missing;
}

std::string missing_operator_hint(const std::string& name) {
  if (name.starts_with("aten::")) {
    return "the file needs another version of LibTorch than this one";
  }
  const std::string library = library_of(name);
  return "it comes from " + (library.empty() ? "a library of the model's maker" : library) +
         "; load the library's shared object: --op-library FILE, or operator_libraries in "
         "LoadOptions";
}

void require_operators(const ExportedProgram& program, const std::string& place) {
  const std::vector<MissingOperator> missing = missing_operators(program);
  if (missing.empty()) return;
  std::string names;
  for (const MissingOperator& each : missing) names += (names.empty() ? "" : ", ") + each.name;
  throw ArchiveError(place + ": needs " +
                         (missing.size() == 1 ? "the operator " : "operators that this process does "
                                                                  "not have: ") +
                         names + (missing.size() == 1 ? ", which this process does not have" : ""),
                     missing_operator_hint(missing.front().name));
}

}  // namespace torchship
