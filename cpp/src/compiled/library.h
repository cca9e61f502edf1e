#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include <ATen/core/Tensor.h>
#include <c10/util/SmallVector.h>

#include "compiled/unpack.h"

namespace torchship {

using TensorList = c10::SmallVector<at::Tensor, 4>;

/// What a library is loaded for.
struct LibraryUse {
  at::Device device = at::kCPU;
  std::size_t concurrent_calls = 1;  ///< At most; more wait for their turn.
};

/// A library that AOTInductor compiled, loaded: a function from tensors to tensors.
///
/// Machine code out of the file: it does what it likes. Any number of threads may call it; as many as
/// it was loaded for at once. Loading and calling throw EngineError.
class CompiledLibrary {
 public:
  virtual ~CompiledLibrary() = default;

  virtual std::size_t inputs() const noexcept = 0;
  virtual std::size_t outputs() const noexcept = 0;

  /// Calls it. Inputs must be what it was compiled for, which is not looked at: dtypes, sizes,
  /// strides. Results may be its own memory, where the compiler folded them to constants. On a GPU the
  /// work is given to `stream`, a cudaStream_t, and not waited for.
  virtual TensorList run(std::span<const at::Tensor> inputs, void* stream) const = 0;
};

/// Unpacks and loads it; see Note [Where compiled engines are unpacked].
std::unique_ptr<const CompiledLibrary> load_library(const LibraryBytes& bytes,
                                                    const LibraryUse& use);

}  // namespace torchship
