#include "archive/file.h"
#include "archive/recognise.h"
#include "archive/zip.h"
#include "model_file.h"
#include "torchscript/torchscript_file.h"

namespace torchship {

std::unique_ptr<const ModelFile> open_model(const std::filesystem::path& path) {
  auto file = std::make_shared<const File>(path);
  require_zip(*file);
  ZipReader zip(file);
  std::string folder = require_torchscript(zip);
  return std::make_unique<const TorchScriptFile>(std::move(zip), std::move(folder));
}

}  // namespace torchship
