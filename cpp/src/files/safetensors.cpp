#include "files/safetensors.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include <torchship/value.h>

#include "archive/little_endian.h"
#include "archive/text.h"
#include "files/safetensors_header.h"
#include "files/tensor_bytes.h"

namespace torchship {
namespace {

constexpr std::size_t kLead = 8;  ///< The header's length.
constexpr std::uint64_t kLongestHeader = 100'000'000;

struct SafetensorsDtype {
  std::string_view name;
  at::ScalarType dtype;
};

constexpr std::array<SafetensorsDtype, 19> kDtypes = {
    {{"BOOL", at::ScalarType::Bool},
     {"U8", at::ScalarType::Byte},
     {"U16", at::ScalarType::UInt16},
     {"U32", at::ScalarType::UInt32},
     {"U64", at::ScalarType::UInt64},
     {"I8", at::ScalarType::Char},
     {"I16", at::ScalarType::Short},
     {"I32", at::ScalarType::Int},
     {"I64", at::ScalarType::Long},
     {"F16", at::ScalarType::Half},
     {"BF16", at::ScalarType::BFloat16},
     {"F32", at::ScalarType::Float},
     {"F64", at::ScalarType::Double},
     {"C64", at::ScalarType::ComplexFloat},
     {"F8_E4M3", at::ScalarType::Float8_e4m3fn},
     {"F8_E5M2", at::ScalarType::Float8_e5m2},
     {"F8_E4M3FNUZ", at::ScalarType::Float8_e4m3fnuz},
     {"F8_E5M2FNUZ", at::ScalarType::Float8_e5m2fnuz},
     {"F8_E8M0", at::ScalarType::Float8_e8m0fnu}}};

at::ScalarType dtype_of(const SafetensorsEntry& entry, const std::string& what) {
  const auto found = std::find_if(
      kDtypes.begin(), kDtypes.end(),
      [&](const SafetensorsDtype& candidate) { return candidate.name == entry.dtype; });
  if (found == kDtypes.end()) {
    throw ArchiveError(what + " has the dtype " + quote(entry.dtype) +
                       ", which cannot be read here");
  }
  return found->dtype;
}

std::string name_of(at::ScalarType dtype, const std::string& what) {
  const auto found =
      std::find_if(kDtypes.begin(), kDtypes.end(),
                   [&](const SafetensorsDtype& candidate) { return candidate.dtype == dtype; });
  if (found == kDtypes.end()) {
    throw ArchiveError(what + " is " + std::string(to_string(dtype)) +
                           ", which the .safetensors format does not have",
                       "Convert the tensor, or write a .npz file if numpy has that dtype.");
  }
  return std::string(found->name);
}

std::string name_in(const std::string& source, const SafetensorsEntry& entry) {
  return source + ": tensor " + quote(entry.name);
}

/// Each tensor's bytes must begin where those of the one before end, and the last end the file.
void check_offsets(const std::vector<SafetensorsEntry>& entries, std::uint64_t data_size,
                   const std::string& source) {
  std::vector<const SafetensorsEntry*> by_offset;
  by_offset.reserve(entries.size());
  for (const SafetensorsEntry& entry : entries) {
    const std::vector<std::int64_t>& offsets = entry.data_offsets;
    if (offsets.size() != 2 || offsets[0] > offsets[1]) {
      throw ArchiveError(name_in(source, entry) + " has data_offsets that are no range");
    }
    by_offset.push_back(&entry);
  }
  std::sort(by_offset.begin(), by_offset.end(),
            [](const SafetensorsEntry* a, const SafetensorsEntry* b) {
              return a->data_offsets < b->data_offsets;
            });
  std::int64_t end = 0;
  for (const SafetensorsEntry* entry : by_offset) {
    if (entry->data_offsets[0] != end) {
      throw ArchiveError(name_in(source, *entry) + " begins at byte " +
                         std::to_string(entry->data_offsets[0]) + " of the data, not at " +
                         std::to_string(end) + " where the one before ends");
    }
    end = entry->data_offsets[1];
  }
  if (static_cast<std::uint64_t>(end) != data_size) {
    throw ArchiveError(source + ": has " + std::to_string(data_size) +
                           " bytes of data, but its header announces " + std::to_string(end),
                       "It is cut short or damaged: copy or download it again.");
  }
}

at::Tensor read_entry(const ByteSource& source, std::uint64_t data_start,
                      const SafetensorsEntry& entry) {
  const std::string what = name_in(source.name, entry);
  const TensorHeader header{.dtype = dtype_of(entry, what), .shape = entry.shape};
  const std::int64_t length = entry.data_offsets[1] - entry.data_offsets[0];
  const std::uint64_t needed = byte_count(header, what);
  if (static_cast<std::uint64_t>(length) != needed) {
    throw ArchiveError(what + " has " + std::to_string(length) + " bytes, but " + describe(header) +
                       " takes " + std::to_string(needed));
  }
  return read_tensor(source, data_start + static_cast<std::uint64_t>(entry.data_offsets[0]),
                     header);
}

/// Where tensors go in the file: large elements first, so that each is aligned to its own size.
std::vector<std::size_t> data_order(const NamedTensors& tensors) {
  std::vector<std::size_t> order(tensors.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return tensors[a].second.element_size() > tensors[b].second.element_size();
  });
  return order;
}

}  // namespace

bool is_safetensors(std::string_view start, std::uint64_t size) {
  if (start.size() <= kLead || start[kLead] != '{') return false;
  const auto length = load_little<std::uint64_t>(start, 0);
  return length <= kLongestHeader && length <= size - kLead;
}

NamedTensors read_safetensors(const ByteSource& source) {
  const std::string start = source.text(0, std::min<std::uint64_t>(source.size, kLead + 1));
  if (!is_safetensors(start, source.size)) {
    throw ArchiveError(source.name + ": not a .safetensors file");
  }
  const auto length = load_little<std::uint64_t>(start, 0);
  const std::vector<SafetensorsEntry> entries =
      parse_safetensors_header(source.text(kLead, length), source.name);
  const std::uint64_t data_start = kLead + length;
  check_offsets(entries, source.size - data_start, source.name);
  NamedTensors tensors;
  tensors.reserve(entries.size());
  for (const SafetensorsEntry& entry : entries) {
    tensors.emplace_back(entry.name, read_entry(source, data_start, entry));
  }
  return tensors;
}

void write_safetensors(AtomicFile& out, const NamedTensors& tensors) {
  NamedTensors plain;
  std::vector<SafetensorsEntry> entries;
  for (const auto& [name, tensor] : tensors) {
    const std::string what = out.path().string() + ": tensor " + quote(name);
    plain.emplace_back(name, plain_tensor(tensor, what));
    const at::Tensor& made = plain.back().second;
    entries.push_back({.name = name,
                       .dtype = name_of(made.scalar_type(), what),
                       .shape = made.sizes().vec(),
                       .data_offsets = {}});
  }
  const std::vector<std::size_t> order = data_order(plain);
  std::int64_t end = 0;
  for (const std::size_t i : order) {
    const auto begin = end;
    end += static_cast<std::int64_t>(plain[i].second.nbytes());
    entries[i].data_offsets = {begin, end};
  }
  const std::string header = make_safetensors_header(entries);
  out.write(little_bytes(static_cast<std::uint64_t>(header.size())));
  out.write(header);
  for (const std::size_t i : order) out.write(bytes_of(plain[i].second));
}

}  // namespace torchship
