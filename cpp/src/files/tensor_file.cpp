#include <torchship/tensor_file.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <string_view>

#include "archive/file.h"
#include "archive/text.h"
#include "archive/zip.h"
#include "files/atomic_file.h"
#include "files/byte_source.h"
#include "files/npy.h"
#include "files/npy_header.h"
#include "files/npz.h"
#include "files/safetensors.h"

namespace torchship {
namespace {

constexpr std::size_t kStart = 9;  ///< Bytes that tell the formats apart.
constexpr std::string_view kZipStart = "PK";

constexpr const char* kFormatsHint = "Tensors are kept in .npy, .npz or .safetensors files.";

void check_names(const std::filesystem::path& file, const NamedTensors& tensors) {
  std::set<std::string_view> seen;
  for (const auto& [name, tensor] : tensors) {
    if (!seen.insert(name).second) {
      throw ArchiveError(file.string() + ": two tensors are named " + quote(name));
    }
    if (!is_utf8(name)) {
      throw ArchiveError(file.string() + ": the name " + quote(name) + " is not UTF-8");
    }
  }
}

}  // namespace

NamedTensors read_tensors(const std::filesystem::path& path) {
  const auto file = std::make_shared<const File>(path);
  const std::string start = file->read(0, std::min<std::uint64_t>(file->size(), kStart));
  if (is_npy(start)) return {{"", read_npy(byte_source(*file))}};
  if (is_safetensors(start, file->size())) return read_safetensors(byte_source(*file));
  if (start.starts_with(kZipStart)) return read_npz(ZipReader(file));
  throw ArchiveError(path.string() + ": not a .npy, .npz or .safetensors file", kFormatsHint);
}

void write_tensors(const std::filesystem::path& file, const NamedTensors& tensors) {
  const std::string extension = file.extension().string();
  if (extension != ".npy" && extension != ".npz" && extension != ".safetensors") {
    throw ArchiveError(
        file.string() + ": " +
            (extension.empty() ? "has no extension" : "unknown extension " + quote(extension)),
        "Name it .npy, .npz or .safetensors.");
  }
  if (extension == ".npy" && tensors.size() != 1) {
    throw ArchiveError(
        file.string() + ": a .npy file holds one tensor, not " + std::to_string(tensors.size()),
        "Name it .npz or .safetensors.");
  }
  check_names(file, tensors);
  AtomicFile out(file);
  if (extension == ".npy") {
    write_npy(out, tensors.front().second);
  } else if (extension == ".npz") {
    write_npz(out, tensors);
  } else {
    write_safetensors(out, tensors);
  }
  out.commit();
}

}  // namespace torchship
