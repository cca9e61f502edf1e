#include "torchscript/import.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/class_type.h>
#include <caffe2/serialize/versions.h>
#include <torch/csrc/jit/api/compilation_unit.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/csrc/jit/serialization/import_source.h>
#include <torch/csrc/jit/serialization/unpickler.h>
#include <torchship/error.h>

#include "torchscript/code_units.h"
#include "torchscript/quantized_conv.h"
#include "torchscript/upgraders.h"
#include "weights/record_memory.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

void require_known(const TorchScriptFile& file, std::int64_t version) {
  const auto least = static_cast<std::int64_t>(caffe2::serialize::kMinSupportedFileFormatVersion);
  const auto most = static_cast<std::int64_t>(caffe2::serialize::kMaxSupportedFileFormatVersion);
  if (version >= least && version <= most) return;
  throw ArchiveError(file.name() + ": has version " + std::to_string(version) +
                         " of the file format; this LibTorch reads " + std::to_string(least) +
                         " to " + std::to_string(most),
                     version < least ? "save it again with a newer PyTorch"
                                     : "it was saved by a newer PyTorch: use that one");
}

/// Reads the constants, then the module; classes are compiled when the pickles name them.
class Importer {
 public:
  Importer(const TorchScriptFile& file, std::int64_t version, at::Device device)
      : file_(file),
        memory_(file.zip()),
        version_(static_cast<std::uint64_t>(version)),
        device_(device),
        unit_(std::make_shared<jit::CompilationUnit>()),
        sources_(
            unit_, &constants_, [this](const std::string& module) { return source_of(module); },
            version_) {}

  jit::Module run() {
    const c10::IValue constants = unpickle("constants");
    for (const c10::IValue& each : constants.toTupleRef().elements()) constants_.push_back(each);
    jit::Module module(unpickle("data").toObject());
    if (has_quantized_conv_) update_quantized_conv(module);
    return module;
  }

 private:
  std::shared_ptr<jit::Source> source_of(std::string module) {
    std::replace(module.begin(), module.end(), '.', '/');
    std::shared_ptr<jit::Source> source = read_source(file_, "code/" + module + ".py");
    if (source == nullptr) return source;
    const std::string code = source->text_str().str();
    prepare_upgraders(code, version_);
    has_quantized_conv_ |= names_quantized_conv(code);
    return source;
  }

  c10::IValue unpickle(const std::string& archive) {
    const std::string pickle = file_.read(archive + ".pkl");
    std::string_view rest = pickle;
    jit::Unpickler unpickler(
        [&rest](char* out, std::size_t size) {
          size = rest.copy(out, size);
          rest.remove_prefix(size);
          return size;
        },
        [this](const c10::QualifiedName& name) {
          return c10::StrongTypePtr(unit_, sources_.loadType(name));
        },
        jit::ObjLoaderFunc,
        [&](const std::string& record) { return storage(archive + "/" + record); }, device_);
    unpickler.set_version(version_);
    return unpickler.parse_ivalue();
  }

  at::DataPtr storage(const std::string& record) const {
    const ZipEntry* const entry = file_.find(record);
    if (entry == nullptr) throw ArchiveError(file_.place(record) + ": the record is missing");
    return memory_.of(*entry);
  }

  const TorchScriptFile& file_;
  const RecordMemory memory_;
  const std::uint64_t version_;
  const at::Device device_;
  std::shared_ptr<jit::CompilationUnit> unit_;
  std::vector<c10::IValue> constants_;
  bool has_quantized_conv_ = false;
  jit::SourceImporter sources_;
};

}  // namespace

jit::Module import_module(const TorchScriptFile& file, std::int64_t version,
                          const at::Device& device) {
  require_known(file, version);
  return Importer(file, version, device).run();
}

}  // namespace torchship
