#include "planned/call_key.h"

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "plain_tensor.h"

namespace torchship {
namespace {

void add(std::string& key, std::int64_t number) {
  key.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

void add(std::string& key, const at::Tensor& tensor) {
  if (!tensor.defined()) {
    key += 'u';
    return;
  }
  const bool readable =
      is_plain(tensor) && tensor.is_cpu() && !tensor.is_conj() && !tensor.is_neg();
  key += readable ? 't' : 'o';
  key += static_cast<char>(tensor.scalar_type());
  if (!readable) return;
  key += static_cast<char>(tensor.dim());
  for (const std::int64_t size : tensor.sizes()) add(key, size);
}

void add(std::string& key, const c10::IValue& value) {
  if (value.isTensor()) {
    add(key, value.toTensor());
  } else if (value.isNone()) {
    key += 'n';
  } else if (value.isList()) {
    const auto items = value.toListRef();
    key += 'l';
    add(key, static_cast<std::int64_t>(items.size()));
    for (const c10::IValue& item : items) add(key, item);
  } else if (value.isTuple()) {
    key += 'c';
    for (const c10::IValue& item : value.toTupleRef().elements()) add(key, item);
  } else if (value.isGenericDict()) {
    key += 'd';
    for (const auto& entry : value.toGenericDict()) add(key, entry.value());
  } else {
    key += 'x';
  }
}

}  // namespace

std::string call_key(const std::vector<c10::IValue>& arguments) {
  std::string key;
  key.reserve(64);
  for (const c10::IValue& argument : arguments) add(key, argument);
  return key;
}

}  // namespace torchship
