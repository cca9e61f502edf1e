#pragma once

#include <string>
#include <vector>

#include <torchship/value.h>

namespace torchship::cli {

/// Rows of cells as lines with aligned columns, two blanks between them; cells are made printable.
std::string align(std::vector<std::vector<std::string>> rows);

/// A number, bool, string or None as Python prints it; floats with as many digits as tell them
/// apart.
std::string format_scalar(const Value& value);

/// A tensor as nested brackets; of long dimensions the first and last three items.
std::string format_tensor(const at::Tensor& tensor);

}  // namespace torchship::cli
