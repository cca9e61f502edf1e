#include "torchscript/torchscript_file.h"

#include <torchship/error.h>

#include "engines/interpreter.h"
#include "torchscript/describe.h"
#include "torchscript/load.h"

namespace torchship {

namespace {

/// Code and descriptions are small next to weights; anything above this is an attack.
constexpr std::uint64_t kLargestRecord = std::uint64_t{1} << 30;

}  // namespace

std::string TorchScriptFile::place(const std::string& name) const {
  return this->name() + ": " + name;
}

std::string TorchScriptFile::read(const std::string& name) const {
  if (const ZipEntry* entry = find(name)) {
    return zip_.read(*entry, kLargestRecord);
  }
  throw ArchiveError(place(name) + ": the record is missing");
}

ModelInfo TorchScriptFile::info() const {
  ModelInfo info = describe_torchscript(*this);
  info.path = zip_.file().path();
  info.file_size = static_cast<std::int64_t>(zip_.file().size());
  return info;
}

void TorchScriptFile::verify() const {}

std::vector<Sample> TorchScriptFile::samples(const ModelInfo&) const { return {}; }

std::optional<Intermediates> TorchScriptFile::intermediates(const ModelInfo&) const {
  return std::nullopt;
}

std::unique_ptr<const Engine> TorchScriptFile::load(const ModelInfo& info,
                                                    const LoadOptions& options) const {
  return make_interpreter(load_module(zip_.file(), options.device), info, options.device);
}

}  // namespace torchship
