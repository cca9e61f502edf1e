#include "exported/stored_tensor.h"

#include <memory>
#include <optional>
#include <vector>

#include <c10/core/TensorImpl.h>
#include <torchship/error.h>

#include "weights/record_memory.h"

namespace torchship {
namespace {

/// The number of bytes that a tensor reaches to in its storage; throws where that is nonsense.
std::uint64_t reach_of(const ExportedTensor& tensor, const std::string& place) {
  const auto number = [&](const SizeExpression& size) {
    const std::optional<std::int64_t> value = size.number();
    if (!value || *value < 0) throw ArchiveError(place + ": has no plain sizes");
    return *value;
  };
  if (tensor.sizes.size() != tensor.strides.size()) {
    throw ArchiveError(place + ": has " + std::to_string(tensor.sizes.size()) + " sizes, but " +
                       std::to_string(tensor.strides.size()) + " strides");
  }
  bool wrong = false;
  std::int64_t last = number(tensor.offset), elements = 1;
  for (std::size_t i = 0; i < tensor.sizes.size(); ++i) {
    const std::int64_t size = number(tensor.sizes[i]), stride = number(tensor.strides[i]);
    std::int64_t step = 0;
    if (size > 0) wrong |= __builtin_mul_overflow(size - 1, stride, &step);
    wrong |= __builtin_add_overflow(last, step, &last);
    wrong |= __builtin_mul_overflow(elements, size, &elements);
  }
  if (elements == 0 && !wrong) return 0;  // Whatever the strides are.
  std::int64_t bytes = 0;
  wrong |= __builtin_add_overflow(last, 1, &last);
  wrong |= __builtin_mul_overflow(last, static_cast<std::int64_t>(c10::elementSize(tensor.dtype)),
                                  &bytes);
  if (wrong) throw ArchiveError(place + ": is too large");
  return static_cast<std::uint64_t>(bytes);
}

std::vector<std::int64_t> numbers(const std::vector<SizeExpression>& sizes) {
  std::vector<std::int64_t> values;
  for (const SizeExpression& size : sizes) values.push_back(size.constant);
  return values;
}

at::Tensor tensor_in(const c10::Storage& storage, const ExportedTensor& description) {
  at::Tensor tensor = at::detail::make_tensor<c10::TensorImpl>(
      c10::Storage(storage), c10::DispatchKeySet(c10::DispatchKey::CPU),
      c10::scalarTypeToTypeMeta(description.dtype));
  tensor.unsafeGetTensorImpl()->set_sizes_and_strides(numbers(description.sizes),
                                                      numbers(description.strides),
                                                      description.offset.constant);
  return tensor;
}

}  // namespace

PickledTensor pickled(const StoredTensor& tensor) {
  PickledTensor same;
  same.storage = tensor.record->name;
  same.dtype = tensor.description.dtype;
  same.offset = tensor.description.offset.constant;
  same.shape = numbers(tensor.description.sizes);
  return same;
}

std::map<std::string, at::Tensor> load_tensors(const StoredTensors& tensors) {
  std::map<const ZipReader*, std::unique_ptr<const RecordMemory>> memories;
  std::map<const ZipEntry*, c10::Storage> storages;
  std::map<std::string, at::Tensor> loaded;
  for (const auto& [name, tensor] : tensors) {
    const std::string place = tensor.zip->file().path().string() + ": " + tensor.record->name +
                              ": '" + name + "'";
    if (tensor.description.layout != c10::kStrided) {
      throw ArchiveError(place + ": is no plain tensor", "store it as a dense one");
    }
    const std::uint64_t reach = reach_of(tensor.description, place);
    if (reach > tensor.record->size) {
      throw ArchiveError(place + ": needs " + std::to_string(reach) + " bytes, but the record has " +
                         std::to_string(tensor.record->size));
    }
    c10::Storage& storage = storages[tensor.record];
    if (!storage) {
      std::unique_ptr<const RecordMemory>& memory = memories[tensor.zip];
      if (memory == nullptr) memory = std::make_unique<const RecordMemory>(*tensor.zip);
      storage = c10::Storage(c10::Storage::use_byte_size_t(), tensor.record->size,
                             memory->of(*tensor.record), nullptr, false);
    }
    loaded.emplace(name, tensor_in(storage, tensor.description));
  }
  return loaded;
}

}  // namespace torchship
