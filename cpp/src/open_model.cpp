#include "aotinductor/package_file.h"
#include "archive/open_source.h"
#include "archive/recognise.h"
#include "archive/zip.h"
#include "audit/native.h"
#include "exported/exported_file.h"
#include "model_file.h"
#include "torchscript/torchscript_file.h"

namespace torchship {

std::unique_ptr<const ModelFile> open_model(const Source& source, File::Access access) {
  std::shared_ptr<const File> file = open_source(source, access);
  require_zip(*file);
  ZipReader zip(file);
  if (native_package(zip).has_library) return std::make_unique<const PackageFile>(file);
  if (ProgramArchive::recognises(zip)) return std::make_unique<const ExportedFile>(std::move(zip));
  std::string folder = require_torchscript(zip);
  return std::make_unique<const TorchScriptFile>(std::move(zip), std::move(folder));
}

}  // namespace torchship
