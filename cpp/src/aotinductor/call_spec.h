#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <torchship/info.h>

#include "manifest/json.h"

namespace torchship {

/// How a compiled library takes its arguments and returns its result: torch.utils._pytree's trees, which
/// AOTInductor writes into the library as JSON. Leaves are tensors.
struct CallSpec {
  std::vector<ValueSpec> inputs;  ///< "input_0", ... by position, then those by name.
  ValueSpec output;
};

/// Finds both trees in the library's bytes, or in its source. Throws ArchiveError, which `place`
/// begins, where they are not there or hold other things than tuples, lists and dicts.
CallSpec find_call_spec(std::string_view library, const std::string& place);

/// Adds the dtypes and sizes that a library's generated source checks, to leaves in their order.
void add_checked_sizes(std::string_view source, MethodInfo& method);

}  // namespace torchship
