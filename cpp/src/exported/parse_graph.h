#pragma once

#include "exported/json_access.h"
#include "exported/program.h"

namespace torchship {

ExportedArgument parse_argument(const JsonAccess& access, const Json& json);
SizeExpression parse_symbolic(const JsonAccess& access, const Json& json);
ExportedTensor parse_tensor(const JsonAccess& access, const Json& json);
/// With the graphs inside it.
ExportedGraph parse_graph(const JsonAccess& access, const Json& json);

}  // namespace torchship
