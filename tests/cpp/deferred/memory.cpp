// Memory of the device, and pinned memory of the host: both the host's own.
#include <cstdlib>
#include <iterator>
#include <mutex>
#include <set>

#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/Allocator.h>

#include "deferred/device.h"

namespace torchship::test::deferred {
namespace {

class Memory final : public c10::Allocator {
 public:
  explicit Memory(at::Device device) : device_(device) {}

  c10::DataPtr allocate(std::size_t bytes) override {
    void* const data = std::malloc(bytes > 0 ? bytes : 1);
    return {data, data, &std::free, device_};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &std::free; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

 private:
  at::Device device_;
};

/// Knows which memory is its own.
class PinnedMemory final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    void* const data = std::malloc(bytes > 0 ? bytes : 1);
    const std::lock_guard lock(mutex());
    blocks().insert(data);
    return {data, data, &release, at::kCPU};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

  static bool owns(const void* data) {
    const std::lock_guard lock(mutex());
    const auto after = blocks().upper_bound(data);
    return after != blocks().begin() && *std::prev(after) == data;
  }

 private:
  static void release(void* data) {
    const std::lock_guard lock(mutex());
    blocks().erase(data);
    std::free(data);
  }
  static std::mutex& mutex() {
    static std::mutex* const mutex = new std::mutex;
    return *mutex;
  }
  static std::set<const void*>& blocks() {
    static auto* const blocks = new std::set<const void*>;
    return *blocks;
  }
};

Memory device_memory(kDevice);
PinnedMemory pinned_memory;

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(at::DeviceIndex) const override { return true; }
  at::DeviceIndex deviceCount() const override { return 1; }
  at::DeviceIndex getCurrentDevice() const override { return 0; }
  bool isPinnedPtr(const void* data) const override { return PinnedMemory::owns(data); }
  c10::Allocator* getPinnedMemoryAllocator() const override { return &pinned_memory; }
};

const bool registered = [] {
  c10::register_privateuse1_backend("deferred");
  c10::SetAllocator(at::kPrivateUse1, &device_memory);
  at::RegisterPrivateUse1HooksInterface(new Hooks);
  return true;
}();

}  // namespace
}  // namespace torchship::test::deferred
