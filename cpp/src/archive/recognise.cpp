#include "archive/recognise.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>
#include <unordered_set>

#include <torchship/error.h>

#include "archive/text.h"
#include "audit/native.h"

namespace torchship {
namespace {

using namespace std::string_view_literals;

constexpr auto kTraceFirst =
    "save a traced or scripted module instead: torch.jit.trace(model.eval(), example).save(path)"sv;

struct Signature {
  std::size_t offset;
  std::string_view bytes;
  std::string_view what;
  std::string_view hint;
};

/// What people pass by mistake, by its first bytes.
constexpr std::array kSignatures = {
    Signature{0, "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv,
              "a checkpoint of torch.save (before PyTorch 1.6)", kTraceFirst},
    Signature{0, "PK\x03\x04"sv, "a zip archive that is cut off or damaged: it has no end record",
              "copy or download the file again"},
    Signature{0, "\x89HDF\r\n"sv, "an HDF5 file", "torchship opens TorchScript archives"},
    Signature{0, "\x1f\x8b"sv, "a gzip file", "unpack it first"},
    Signature{0, "\x93NUMPY"sv, "a NumPy array", "torchship opens TorchScript archives"},
    Signature{0, "GGUF"sv, "a GGUF file", "torchship opens TorchScript archives"},
    Signature{0, "\x7f" "ELF"sv, "a compiled program or library", "pass the model's archive"},
    Signature{4, "TFL3"sv, "a TensorFlow Lite model", "torchship opens TorchScript archives"},
    Signature{4, "ET12"sv, "an ExecuTorch program", "torchship opens TorchScript archives"},
    Signature{4, "PTMF"sv, "a PyTorch Mobile flatbuffer",
              "save the module with torch.jit.save instead"},
    Signature{257, "ustar"sv, "a tar archive", "unpack it and pass the model inside"},
    Signature{9, "\"__metadata__\""sv, "a safetensors file: weights without code", kTraceFirst},
    Signature{0, "\x80\x02"sv, "a Python pickle", kTraceFirst},
    Signature{0, "\x80\x03"sv, "a Python pickle", kTraceFirst},
    Signature{0, "\x80\x04"sv, "a Python pickle", kTraceFirst},
    Signature{0, "\x80\x05"sv, "a Python pickle", kTraceFirst},
};

[[noreturn]] void refuse(const File& file, std::string_view what, std::string_view hint) {
  throw ArchiveError(file.path().string() + ": is not a TorchScript archive: it is " +
                         std::string(what),
                     std::string(hint));
}

bool any_name_contains(const ZipReader& zip, std::string_view part) {
  return std::any_of(zip.entries().begin(), zip.entries().end(), [&](const ZipEntry& entry) {
    return entry.name.find(part) != std::string::npos;
  });
}

/// The folder that all records share, or nothing.
std::string common_folder(const ZipReader& zip) {
  if (zip.entries().empty()) {
    return {};
  }
  const std::string& first = zip.entries().front().name;
  const std::string folder = first.substr(0, first.find('/') + 1);
  const bool shared =
      std::all_of(zip.entries().begin(), zip.entries().end(),
                  [&](const ZipEntry& entry) { return entry.name.starts_with(folder); });
  return shared ? folder : std::string();
}

/// Says what a zip archive that is no TorchScript archive seems to be.
[[noreturn]] void refuse_zip(const ZipReader& zip, const std::string& folder) {
  const File& file = zip.file();
  const auto has = [&](std::string_view name) {
    return zip.find(folder + std::string(name)) != nullptr;
  };
  if (zip.entries().empty()) {
    refuse(file, "an empty zip archive", "");
  }
  if (has("model.json")) {
    refuse(file, "in the format of PyTorch 1.0 and 1.1, which no current LibTorch reads",
           "load and save it again with PyTorch 1.2 to 1.4");
  }
  if (const NativePackage package = native_package(zip); package.is_package) {
    refuse(file, describe(package), "this version of torchship opens TorchScript archives only");
  }
  if (has("data.pkl")) {
    refuse(file, "a checkpoint of torch.save (a state dict, tensors or a pickled module): it holds "
                 "no code",
           kTraceFirst);
  }
  if (has("bytecode.pkl")) {
    refuse(file, "a PyTorch Mobile archive without TorchScript code",
           "save the module with torch.jit.save instead");
  }
  if (any_name_contains(zip, "MAR-INF/MANIFEST.json")) {
    refuse(file, "a TorchServe model archive (.mar)", "unpack it and pass the model inside");
  }
  if (std::all_of(zip.entries().begin(), zip.entries().end(),
                  [](const ZipEntry& entry) { return entry.name.ends_with(".npy"); })) {
    refuse(file, "a NumPy .npz file", "pass it as an input, not as the model");
  }
  refuse(file, "some other zip archive, whose first record is " + quote(zip.entries().front().name),
         kTraceFirst);
}

/// LibTorch looks records up without regard to case: of two such names it would read the wrong one.
void refuse_names_alike(const ZipReader& zip) {
  std::unordered_set<std::string> seen;
  for (const ZipEntry& entry : zip.entries()) {
    std::string name = entry.name;
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char letter) { return std::tolower(letter); });
    if (!seen.insert(std::move(name)).second) {
      throw ArchiveError(zip.file().path().string() + ": two of its records are both named '" +
                         entry.name + "', but for upper and lower case");
    }
  }
}

}  // namespace

void require_zip(const File& file) {
  if (file.size() == 0) {
    throw ArchiveError(file.path().string() + ": the file is empty",
                       "save or copy the model again");
  }
  if (ZipReader::recognises(file)) {
    return;
  }
  constexpr std::uint64_t kLook = 512;
  const std::string head = file.read(0, std::min<std::uint64_t>(file.size(), kLook));
  for (const Signature& signature : kSignatures) {
    if (head.size() >= signature.offset &&
        std::string_view(head).substr(signature.offset).starts_with(signature.bytes)) {
      refuse(file, signature.what, signature.hint);
    }
  }
  throw ArchiveError(file.path().string() + ": is not a TorchScript archive: it is no zip file",
                     std::string(kTraceFirst));
}

namespace {

/// From format version 6 on, which models with a gelu have, the record is in `.data/`.
bool has_version(const ZipReader& zip, const std::string& folder) {
  return zip.find(folder + ".data/version") != nullptr || zip.find(folder + "version") != nullptr;
}

}  // namespace

std::string require_torchscript(const ZipReader& zip) {
  const std::string folder = common_folder(zip);
  if (folder.empty() || zip.find(folder + "data.pkl") == nullptr ||
      zip.find(folder + "constants.pkl") == nullptr || !has_version(zip, folder) ||
      zip.find(folder + "model.json") != nullptr) {
    refuse_zip(zip, folder);
  }
  refuse_names_alike(zip);
  return folder;
}

}  // namespace torchship
