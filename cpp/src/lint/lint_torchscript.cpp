#include "lint/lint_torchscript.h"

#include <iterator>

#include <torchship/error.h>

#include "lint/rules.h"
#include "torchscript/message.h"

namespace torchship {
namespace {

constexpr auto kRules = {
    find_missing_operators, find_uncompilable,      find_version_skew,      find_train_mode,
    find_random,            find_state_changes,     find_baked_devices,     find_baked_sizes,
    find_double_precision,  find_unused_inputs,     find_number_results,    find_unused_parameters,
    find_large_constants,   find_duplicate_weights, find_example_inputs,
};

/// A file of a newer format is not looked into: what it says may mean something else.
bool is_readable(const std::vector<Hit>& skew) {
  return skew.empty() || skew.front().finding.severity != "error";
}

}  // namespace

std::vector<Finding> lint_torchscript(const TorchScriptFile& file, const ModelInfo& info,
                                      const LintOptions&) {
  try {
    const Subject subject(file, info);
    std::vector<Hit> skew = find_version_skew(subject);
    if (!is_readable(skew)) return merge(std::move(skew));
    std::vector<Hit> hits;
    for (const auto rule : kRules) {
      std::vector<Hit> found = rule(subject);
      hits.insert(hits.end(), std::move_iterator(found.begin()), std::move_iterator(found.end()));
    }
    return merge(std::move(hits));
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    // LibTorch's own, at code that it refuses to look at.
    throw ArchiveError(file.name() + ": " + explain(error).text);
  }
}

}  // namespace torchship
