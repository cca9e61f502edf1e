#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace torchship {

/// One entry of a .safetensors header, as written: nothing but its form is checked.
struct SafetensorsEntry {
  std::string name;
  std::string dtype;  ///< "F32"
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> data_offsets;
};

/// The entries in the order of the header, `__metadata__` left out. Throws ArchiveError naming
/// `source` when the text is not JSON, or not of the form the format has.
std::vector<SafetensorsEntry> parse_safetensors_header(std::string_view json,
                                                       const std::string& source);

/// The header's text, padded so that the data after it is aligned to 8 bytes.
std::string make_safetensors_header(const std::vector<SafetensorsEntry>& entries);

}  // namespace torchship
