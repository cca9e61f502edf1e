#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <torchship/value.h>

#include "ink.h"

namespace torchship::cli {

struct Cell {
  std::string text;
  Ink ink = Ink::plain;
};

/// Rows of cells as lines with aligned columns, two blanks between them; cells are made printable.
std::string align(std::vector<std::vector<Cell>> rows, bool colour);
std::string align(const std::vector<std::vector<std::string>>& rows);

/// "44.7 MB"
std::string format_bytes(std::int64_t bytes);

/// A number, bool, string or None as Python prints it; floats with as many digits as tell them
/// apart.
std::string format_scalar(const Value& value);

/// A tensor as nested brackets; of long dimensions the first and last three items.
std::string format_tensor(const at::Tensor& tensor);

}  // namespace torchship::cli
