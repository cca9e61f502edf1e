#include "archive/zip_format.h"

#include <algorithm>

#include "archive/text.h"

namespace torchship::zip_format {

std::string_view zip_name_fault(std::string_view name) {
  if (name.empty()) return "has no name";
  if (name.front() == '/') return "has an absolute name";
  if (name.find('\\') != std::string_view::npos) return "has a backslash in its name";
  if (has_control_characters(name)) return "has a control character in its name";
  if (!is_utf8(name)) return "has a name that is not UTF-8";
  for (std::size_t start = 0; start <= name.size();) {
    const std::size_t end = std::min(name.find('/', start), name.size());
    if (name.substr(start, end - start) == "..") return "has '..' in its name";
    start = end + 1;
  }
  return {};
}

}  // namespace torchship::zip_format
