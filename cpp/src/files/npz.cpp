#include "files/npz.h"

#include <cstdint>
#include <string_view>

#include "archive/text.h"
#include "files/npy.h"
#include "files/tensor_bytes.h"
#include "files/zip_writer.h"

namespace torchship {
namespace {

constexpr std::string_view kSuffix = ".npy";
/// Stored arrays are as large as the file says by its own size; a small file may inflate to much.
constexpr std::uint64_t kLargestInflated = std::uint64_t{1} << 32;

}  // namespace

NamedTensors read_npz(const ZipReader& zip) {
  const std::string file = zip.file().path().string();
  NamedTensors tensors;
  tensors.reserve(zip.entries().size());
  for (const ZipEntry& entry : zip.entries()) {
    const std::string_view name = entry.name;
    const std::string what = file + ": record " + quote(name);
    if (!name.ends_with(kSuffix)) {
      throw ArchiveError(what + " is not an array (.npy)",
                         "A .npz file holds arrays only; numpy.savez writes one.");
    }
    const std::string bytes = zip.read(entry, entry.deflated ? kLargestInflated : entry.size);
    tensors.emplace_back(name.substr(0, name.size() - kSuffix.size()),
                         read_npy(byte_source(bytes, what)));
  }
  return tensors;
}

void write_npz(AtomicFile& out, const NamedTensors& tensors) {
  ZipWriter zip(out);
  for (const auto& [name, tensor] : tensors) {
    const std::string what = out.path().string() + ": tensor " + quote(name);
    const at::Tensor plain = plain_tensor(tensor, what);
    zip.add(name + std::string(kSuffix), {npy_prefix(plain, what), bytes_of(plain)});
  }
  zip.finish();
}

}  // namespace torchship
