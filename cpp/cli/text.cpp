#include "text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include <ATen/core/Tensor.h>

#include "printable.h"

namespace torchship::cli {
namespace {

template <typename T>
std::string shortest(T number) {
  if (!std::isfinite(number)) {
    return std::isnan(number) ? "nan" : number > 0 ? "inf" : "-inf";
  }
  std::array<char, 64> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  return std::string(digits.data(), end);
}

std::string format_element(const at::Tensor& element) {
  if (element.is_complex()) {
    const auto number = element.item().toComplexDouble();
    return shortest(number.real()) + (number.imag() < 0 ? "" : "+") + shortest(number.imag()) + "j";
  }
  if (element.scalar_type() == at::kBool) {
    return element.item().toBool() ? "True" : "False";
  }
  if (element.is_floating_point()) {
    return element.scalar_type() == at::kDouble ? shortest(element.item().toDouble())
                                                : shortest(element.item().toFloat());
  }
  return element.scalar_type() == at::ScalarType::UInt64
             ? std::to_string(element.item().toUInt64())
             : std::to_string(element.item().toLong());
}

constexpr std::int64_t kWholeElements = 1000;
constexpr std::int64_t kEdge = 3;

std::string format_nested(const at::Tensor& tensor, bool whole, const std::string& indent) {
  if (tensor.dim() == 0) {
    return format_element(tensor);
  }
  const std::int64_t size = tensor.size(0);
  const bool cut = !whole && size > 2 * kEdge;
  const std::string separator =
      tensor.dim() == 1 ? ", " : "," + std::string(static_cast<std::size_t>(tensor.dim()) - 1, '\n') +
                                     indent + " ";
  std::string text = "[";
  for (std::int64_t i = 0; i < size; ++i) {
    if (cut && i == kEdge) {
      text += separator + "...";
      i = size - kEdge;
    }
    text += (i == 0 ? "" : separator) + format_nested(tensor[i], whole, indent + " ");
  }
  return text + "]";
}

}  // namespace

std::string align(std::vector<std::vector<Cell>> rows, bool colour) {
  std::vector<std::size_t> widths;
  for (auto& row : rows) {
    while (!row.empty() && row.back().text.empty()) {
      row.pop_back();
    }
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      row[i].text = printable(row[i].text);
      widths[i] = std::max(widths[i], characters(row[i].text));
    }
  }
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool last = i + 1 == row.size();
      text += paint(row[i].text, row[i].ink, colour);
      text += last ? "" : std::string(widths[i] - characters(row[i].text) + 2, ' ');
    }
    text += '\n';
  }
  return text;
}

std::string align(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::vector<Cell>> cells;
  for (const auto& row : rows) {
    cells.emplace_back();
    for (const std::string& text : row) {
      cells.back().push_back({text});
    }
  }
  return align(std::move(cells), /*colour=*/false);
}

std::string format_bytes(std::int64_t bytes) {
  constexpr std::array kUnits = {"bytes", "kB", "MB", "GB", "TB"};
  double amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; amount >= 1000 && unit + 1 < kUnits.size(); ++unit) {
    amount /= 1000;
  }
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", amount, kUnits[unit]);
  return text.data();
}

std::string format_scalar(const Value& value) {
  switch (value.kind()) {
    case Kind::boolean: return value.boolean() ? "True" : "False";
    case Kind::integer: return std::to_string(value.integer());
    case Kind::floating: return shortest(value.floating());
    case Kind::complex:
      return shortest(value.complex().real()) + (value.complex().imag() < 0 ? "" : "+") +
             shortest(value.complex().imag()) + "j";
    case Kind::string: return value.string();
    default: return describe(value);
  }
}

std::string format_tensor(const at::Tensor& tensor) {
  const at::Tensor here = tensor.is_quantized() ? tensor.dequantize() : tensor;
  return format_nested(here.cpu().to_dense(), here.numel() <= kWholeElements, "");
}

}  // namespace torchship::cli
