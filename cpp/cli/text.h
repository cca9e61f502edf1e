#pragma once

#include <string>
#include <vector>

#include <torchship/info.h>
#include <torchship/value.h>

namespace torchship::cli {

/// Rows of cells as lines with aligned columns, two blanks between them.
std::string align(const std::vector<std::vector<std::string>>& rows);

/// A number, bool, string or None as Python prints it; floats with as many digits as tell them
/// apart.
std::string format_scalar(const Value& value);

/// A tensor as nested brackets; of long dimensions the first and last three items.
std::string format_tensor(const at::Tensor& tensor);

/// The page that `torchship info` prints.
std::string describe_model(const ModelInfo& info);

}  // namespace torchship::cli
