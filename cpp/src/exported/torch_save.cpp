#include "exported/torch_save.h"

#include <algorithm>

#include <torchship/error.h>

#include "compiled/package.h"
#include "torchscript/pickled_tensor.h"

namespace torchship {
namespace {

constexpr std::uint64_t kLargestPickle = std::uint64_t{1} << 30;
constexpr std::string_view kPickle = "data.pkl";

SizeExpression plain(std::int64_t number) {
  SizeExpression size;
  size.constant = number;
  return size;
}

ExportedTensor described(const PickledTensor& pickled) {
  ExportedTensor tensor;
  tensor.dtype = *pickled.dtype;
  tensor.offset = plain(pickled.offset);
  for (const std::int64_t size : pickled.shape) tensor.sizes.push_back(plain(size));
  for (const std::int64_t stride : pickled.strides) tensor.strides.push_back(plain(stride));
  return tensor;
}

}  // namespace

TorchSaveFile::TorchSaveFile(const ZipReader& outer, const ZipEntry& entry)
    : place_(outer.file().path().string() + ": " + entry.name),
      zip_(std::make_unique<const ZipReader>(nested_file(outer, entry))) {
  const auto data =
      std::find_if(zip_->entries().begin(), zip_->entries().end(), [](const ZipEntry& each) {
        return each.name.ends_with("/" + std::string(kPickle));
      });
  if (data == zip_->entries().end()) throw ArchiveError(place_ + ": is not what torch.save writes");
  folder_ = data->name.substr(0, data->name.size() - kPickle.size());
  pickle_ = std::make_unique<const Pickle>(zip_->read(*data, kLargestPickle), place_);
}

std::optional<StoredTensor> TorchSaveFile::tensor(const Pickle::Node& node) const {
  const std::optional<PickledTensor> pickled = tensor_of(*pickle_, node);
  if (!pickled || !pickled->dtype) return std::nullopt;
  StoredTensor tensor;
  tensor.zip = zip_.get();
  tensor.record = zip_->find(folder_ + "data/" + pickled->storage);
  tensor.is_parameter = pickled->is_parameter;
  tensor.description = described(*pickled);
  if (tensor.record == nullptr) {
    throw ArchiveError(place_ + ": the record data/" + pickled->storage + " is missing");
  }
  return tensor;
}

}  // namespace torchship
