#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <torchship/info.h>

#include "archive/pickle.h"

namespace torchship {

/// A tensor as a pickle describes it; its bytes are elsewhere.
struct PickledTensor {
  std::string storage;  ///< The record that holds the bytes.
  std::optional<at::ScalarType> dtype;
  std::int64_t offset = 0;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;
  bool is_parameter = false;
};

/// Lists and dicts come wrapped: `torch.jit._pickle.restore_type_tag(value, "Dict[str, Any]")`.
const Pickle::Node& unwrap(const Pickle& pickle, const Pickle::Node& node);

/// Understands `torch._utils._rebuild_tensor_v2(storage, offset, sizes, strides, ...)`, its
/// quantised form, and a parameter wrapped around either.
std::optional<PickledTensor> tensor_of(const Pickle& pickle, const Pickle::Node& node);

/// Counts tensors, each one once however often it is shared.
class TensorCounter {
 public:
  /// The tensor's size where it is met first, else nothing.
  TensorCount count(const PickledTensor& tensor);

 private:
  std::set<std::tuple<std::string, std::int64_t, std::vector<std::int64_t>>> seen_;
};

void add(const TensorCount& count, TensorCount& sum);

}  // namespace torchship
