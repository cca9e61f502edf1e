#include "engines/captured.h"

#include <exception>
#include <sstream>

#include <ATen/core/Tensor.h>

#include "engines/capture.h"
#include "torchscript/message.h"

namespace torchship {
namespace {

constexpr std::size_t kMostGraphs = 8;
constexpr std::size_t kMostKnown = 64;
constexpr int kCallsBefore = 2;  ///< The second one makes the kernels of fused operators.

void add(std::string& key, const void* bytes, std::size_t count) {
  key.append(static_cast<const char*>(bytes), count);
}

void add(std::string& key, const c10::IValue& value) {
  key += value.tagKind().front();
  if (value.isTensor()) {
    const at::Tensor& tensor = value.toTensor();
    key += static_cast<char>(tensor.scalar_type());
    key += static_cast<char>(tensor.dim());
    add(key, tensor.sizes().data(), tensor.sizes().size() * sizeof(std::int64_t));
    add(key, tensor.strides().data(), tensor.strides().size() * sizeof(std::int64_t));
  } else if (value.isList()) {
    key += std::to_string(value.toListRef().size());
    for (const c10::IValue& item : value.toListRef()) add(key, item);
  } else if (value.isTuple()) {
    for (const c10::IValue& item : value.toTupleRef().elements()) add(key, item);
  } else if (value.isGenericDict()) {
    key += std::to_string(value.toGenericDict().size());
    for (const auto& entry : value.toGenericDict()) {
      add(key, entry.key());
      add(key, entry.value());
    }
  } else if (value.isString()) {
    key += std::to_string(value.toStringRef().size()) + ":" + value.toStringRef();
  } else if (value.isScalar() || value.isDevice()) {
    std::ostringstream text;
    text << std::hexfloat << value;
    key += text.str();
  }
  key += ';';
}

std::string key_of(const std::vector<c10::IValue>& arguments) {
  std::string key;
  for (std::size_t i = 1; i < arguments.size(); ++i) add(key, arguments[i]);
  return key;
}

}  // namespace

struct CapturedCalls::Entry {
  std::mutex mutex;
  int calls = 0;
  std::unique_ptr<Capture> capture;
  std::string refusal;  ///< Why there is none, and will be none.
};

CapturedCalls::~CapturedCalls() = default;

std::shared_ptr<CapturedCalls::Entry> CapturedCalls::find(const std::vector<c10::IValue>& arguments) {
  const std::string key = key_of(arguments);
  const std::lock_guard lock(mutex_);
  const auto known = entries_.find(key);
  if (known != entries_.end()) return known->second;
  if (entries_.size() >= kMostKnown) return nullptr;
  auto entry = std::make_shared<Entry>();
  return entries_.emplace(key, std::move(entry)).first->second;
}

Capture* CapturedCalls::capture_for(Entry& entry, const std::vector<c10::IValue>& arguments,
                                    Run plain) {
  const std::lock_guard lock(entry.mutex);
  const bool decided = entry.capture != nullptr || !entry.refusal.empty();
  if (!decided && entry.calls++ >= kCallsBefore) capture(entry, arguments, plain);
  return entry.capture.get();
}

void CapturedCalls::capture(Entry& entry, const std::vector<c10::IValue>& arguments, Run plain) {
  if (++graphs_ > kMostGraphs) {
    entry.refusal = "there are " + std::to_string(kMostGraphs) + " already, for other inputs";
    return;
  }
  try {
    entry.capture = std::make_unique<Capture>(device_, arguments, plain);
  } catch (const std::exception& error) {
    --graphs_;
    entry.refusal = explain(error).text;
  }
}

void CapturedCalls::run(std::vector<c10::IValue>& stack, Run plain) {
  const std::optional<std::vector<at::Tensor>> tensors = tensors_in(stack);
  const std::shared_ptr<Entry> entry = tensors ? find(stack) : nullptr;
  Capture* capture = entry != nullptr ? capture_for(*entry, stack, plain) : nullptr;
  if (capture != nullptr) {
    capture->replay(*tensors, stack);
  } else {
    plain(stack);
  }
}

std::string CapturedCalls::describe(const std::vector<c10::IValue>& arguments) const {
  const std::lock_guard lock(mutex_);
  const auto known = entries_.find(key_of(arguments));
  if (known == entries_.end()) return "calls like this one become a device graph when they are repeated";
  const std::lock_guard entry_lock(known->second->mutex);
  if (!known->second->refusal.empty()) {
    return "calls like this one are no device graph: " + known->second->refusal;
  }
  return known->second->capture != nullptr
             ? "calls like this one are one launch of a device graph"
             : "calls like this one become a device graph when they are repeated";
}

}  // namespace torchship
