#include "engines/results.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/clone.h>
#include <c10/core/TensorImpl.h>

#include "plain_tensor.h"

namespace torchship {
namespace {

at::Tensor reborn(const at::Tensor& tensor) {
  auto impl = c10::make_intrusive<c10::TensorImpl>(c10::Storage(tensor.storage()),
                                                   tensor.key_set(), tensor.dtype());
  impl->set_sizes_and_strides(tensor.sizes(), tensor.strides(), tensor.storage_offset());
  return at::Tensor(std::move(impl));
}

}  // namespace

at::Tensor hand_out(const at::Tensor& result, const Storages& owned) {
  const at::NoGradGuard no_grad;
  const bool plain = is_plain(result);
  if (!plain || owned.contains(result.storage().unsafeGetStorageImpl())) {
    return result.clone();
  }
  return result.is_inference() ? reborn(result) : result;
}

}  // namespace torchship
