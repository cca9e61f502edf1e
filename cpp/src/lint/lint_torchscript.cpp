#include "lint/lint_torchscript.h"

#include <iterator>

#include <torchship/error.h>

#include "lint/rules.h"
#include "torchscript/message.h"

namespace torchship {
namespace {

/// A file of a newer format is not looked into: what it says may mean something else.
bool is_readable(const std::vector<Hit>& skew) {
  return skew.empty() || skew.front().finding.severity != "error";
}

void add(std::vector<Hit> more, std::vector<Hit>& hits) {
  hits.insert(hits.end(), std::move_iterator(more.begin()), std::move_iterator(more.end()));
}

}  // namespace

std::vector<Finding> lint_torchscript(const TorchScriptFile& file, const ModelInfo& info,
                                      const LintOptions&) {
  try {
    const ScriptSubject subject(file, info);
    std::vector<Hit> skew = find_version_skew(subject);
    if (!is_readable(skew)) return merge(std::move(skew));
    std::vector<Hit> hits = find_missing_operators(subject);
    add(find_uncompilable(subject), hits);
    add(std::move(skew), hits);
    add(find_in_any_format(subject), hits);
    add(find_example_inputs(subject), hits);
    return merge(std::move(hits));
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    // LibTorch's own, at code that it refuses to look at.
    throw ArchiveError(file.name() + ": " + explain(error).text);
  }
}

}  // namespace torchship
