#pragma once

#include <map>
#include <string>

#include <ATen/core/Tensor.h>

#include "archive/zip.h"
#include "exported/program.h"
#include "torchscript/pickled_tensor.h"

namespace torchship {

/// A tensor with its bytes still in a file.
struct StoredTensor {
  const ZipReader* zip = nullptr;     ///< The file, or one inside it.
  const ZipEntry* record = nullptr;   ///< The storage.
  bool is_parameter = false;
  ExportedTensor description;         ///< With numbers for sizes.
};

/// As TensorCounter and the rules of lint take it.
PickledTensor pickled(const StoredTensor& tensor);

/// By name.
using StoredTensors = std::map<std::string, StoredTensor>;

/// Tensors in memory, on the CPU, with the storages that they share shared; see RecordMemory. Sizes and
/// strides are compared with what the records hold. Throws ArchiveError.
std::map<std::string, at::Tensor> load_tensors(const StoredTensors& tensors);

}  // namespace torchship
