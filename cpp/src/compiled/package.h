#pragma once

#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "archive/file.h"
#include "archive/zip.h"
#include "compiled/unpack.h"

namespace torchship {

/// An AOTInductor package (.pt2), as torch._inductor.aoti_compile_and_package writes it: a zip with
/// a shared library in `data/aotinductor/<model>/`. The format is torch/export/pt2_archive's.
/// Nothing of it is run here. Throws ArchiveError.
class Package {
 public:
  /// `model` names one of several models in one package.
  explicit Package(std::shared_ptr<const File> file, const std::string& model = "model");

  /// Throws ArchiveError where there is source code alone, which a loader would have to compile.
  std::string_view library() const;
  /// Operators that the library calls by name through LibTorch, as JSON; empty where it calls none.
  std::string_view extern_kernels() const { return extern_kernels_; }
  /// Code for a GPU that the library asks for by the names of these files; they live as long as this.
  const std::vector<NamedBytes>& device_kernels() const { return device_kernels_; }
  /// What the compiler noted: "AOTI_DEVICE_KEY" is "cpu" or "cuda".
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// The generated C++ of the library's interface, where the package has it; else empty.
  std::string_view source() const { return source_; }
  /// "model.pt2": how messages name the package.
  std::string name() const { return zip_.file().path().string(); }

 private:
  std::string_view bytes(const ZipEntry& entry, std::string& copy) const;
  void add_kernel(const ZipEntry& entry, std::string name);

  ZipReader zip_;
  const ZipEntry* library_ = nullptr;
  mutable std::string library_copy_;
  std::string extern_kernels_;
  std::vector<NamedBytes> device_kernels_;
  std::list<std::string> kernel_copies_;
  std::string source_;
  std::map<std::string, std::string> metadata_;
};

/// A zip file inside another one, as a file of its own. It refers to the bytes of the outer one
/// where they lie in memory, and so must not outlive it.
std::shared_ptr<const File> nested_file(const ZipReader& zip, const ZipEntry& entry);

}  // namespace torchship
