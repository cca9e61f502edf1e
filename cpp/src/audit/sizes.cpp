#include <algorithm>
#include <array>
#include <limits>

#include <ATen/core/function_schema.h>
#include <torch/csrc/jit/api/function_impl.h>

#include "audit/audit.h"
#include "engines/graph_guard.h"
#include "lint/nodes.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

using namespace std::string_view_literals;

constexpr double kMostElements = 4294967296.0;  ///< 2^32: 16 GiB of float32.
constexpr double kMostRounds = 1e9;
constexpr const char* kHuge = "audit-huge";

/// Operators whose result has as many elements as an argument of theirs says.
constexpr std::array kBySizes = {"aten::zeros"sv,     "aten::ones"sv,      "aten::full"sv,
                                 "aten::rand"sv,      "aten::randn"sv,     "aten::randint"sv,
                                 "aten::new_zeros"sv, "aten::new_ones"sv,  "aten::new_full"sv,
                                 "aten::repeat"sv,    "aten::tile"sv,      "aten::expand"sv,
                                 "aten::broadcast_to"sv, "aten::randperm"sv, "aten::eye"sv,
                                 "aten::arange"sv,    "aten::range"sv,     "aten::linspace"sv,
                                 "aten::logspace"sv,  "aten::normal"sv,    "prim::rangelist"sv};

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Elements of the result as far as constants tell: unknown sizes count as one.
double elements(const jit::Node& node) {
  double count = 1;
  for (const char* name : {"size", "repeats", "dims"}) {
    if (const auto sizes = known_sizes(argument(node, name))) {
      for (const auto& size : *sizes) count *= size && *size > 1 ? static_cast<double>(*size) : 1.0;
    }
  }
  const double step = std::abs(known_number(argument(node, "step")).value_or(1.0));
  for (const char* name : {"n", "m", "steps", "end"}) {
    if (const auto size = known_number(argument(node, name))) {
      count *= std::max(1.0, *size / (name == std::string_view("end") && step > 0 ? step : 1.0));
    }
  }
  return count;
}

/// `[0] * 10000000000`
bool is_huge_list(const jit::Node& node) {
  if (node.kind() != c10::aten::mul || node.inputs().size() != 2) return false;
  if (node.output(0)->type()->kind() != c10::TypeKind::ListType) return false;
  return std::any_of(node.inputs().begin(), node.inputs().end(), [](const jit::Value* input) {
    return known_int(input).value_or(0) > (1 << 28);
  });
}

class SizeAudit {
 public:
  SizeAudit(std::string place, AuditReport& report) : place_(std::move(place)), report_(report) {}

  void block(jit::Block& block, double rounds) {
    for (jit::Node* node : block.nodes()) {
      const std::string name = name_of(*node);
      if ((contains(kBySizes, name) && elements(*node) > kMostElements) || is_huge_list(*node)) {
        error(*node, name + " is asked for more than 4 billion elements");
      }
      const double inner = node->kind() == c10::prim::Loop ? rounds * rounds_of(*node) : rounds;
      if (inner > kMostRounds && inner > rounds) {
        error(*node, "its loops go round more than a billion times");
      }
      for (jit::Block* body : node->blocks()) this->block(*body, std::min(inner, kMostRounds));
    }
  }

 private:
  /// Of `while` loops, which count to the largest number, nothing is known.
  static double rounds_of(const jit::Node& loop) {
    const auto count = known_int(loop.input(0));
    const bool is_while = count == std::numeric_limits<std::int64_t>::max();
    return count && !is_while ? std::max(1.0, static_cast<double>(*count)) : 1.0;
  }

  void error(const jit::Node& node, std::string message) {
    report_.error_at(node.sourceRange(), kHuge, place_, std::move(message),
                     "do not use it, or only in a process with limits; see docs/audit.md");
  }

  std::string place_;
  AuditReport& report_;
};

}  // namespace

void audit_sizes(jit::Block& block, const std::string& place, AuditReport& report) {
  SizeAudit(place, report).block(block, 1.0);
}

void audit_sizes(const CompiledCode& code, AuditReport& report) {
  for (const CompiledUnit& unit : code.units()) {
    for (jit::Function* function : unit.functions) {
      const std::string place =
          unit.source.name + (unit.source.is_class ? "." + function->name() : std::string());
      SizeAudit(place, report).block(*jit::toGraphFunction(*function).graph()->block(), 1.0);
      try {
        require_inlinable(*function);
      } catch (const std::exception& error) {
        report.error(kHuge, place, error.what(), "do not use it; no compiler writes such code");
        report.forbid_reading();
        return;
      }
    }
  }
}

}  // namespace torchship
