// Streams and events of the device, as c10 asks for them.
#include "deferred/guard.h"

#include <atomic>
#include <utility>

#include <c10/core/impl/DeviceGuardImplInterface.h>

#include "deferred/queue.h"

namespace torchship::test::deferred {
namespace {

constexpr std::int64_t kDefaultStream = 0;
thread_local std::int64_t current = kDefaultStream;

struct Guard final : c10::impl::DeviceGuardImplInterface {
  static constexpr at::DeviceType static_type = at::kPrivateUse1;

  at::DeviceType type() const override { return static_type; }
  at::Device exchangeDevice(at::Device) const override { return kDevice; }
  at::Device getDevice() const override { return kDevice; }
  void setDevice(at::Device) const override {}
  void uncheckedSetDevice(at::Device) const noexcept override {}
  at::DeviceIndex deviceCount() const noexcept override { return 1; }

  static c10::Stream stream(std::int64_t id) {
    return c10::Stream(c10::Stream::UNSAFE, kDevice, id);
  }
  c10::Stream getStream(at::Device) const override { return stream(current); }
  c10::Stream getDefaultStream(at::Device) const override { return stream(kDefaultStream); }
  c10::Stream getStreamFromGlobalPool(at::Device, bool) const override { return getNewStream(kDevice, 0); }
  c10::Stream getNewStream(at::Device, int) const override {
    static std::atomic<std::int64_t> last = kDefaultStream;
    return stream(++last);
  }
  c10::Stream exchangeStream(c10::Stream next) const override {
    return stream(std::exchange(current, next.id()));
  }
  void synchronizeStream(const c10::Stream& of) const override { host_wait(of.id()); }
  bool queryStream(const c10::Stream& of) const override {
    const auto lock = Queues::instance().lock();
    return Queues::instance().is_done(Queues::instance().mark(of.id()));
  }
  void recordDataPtrOnStream(const c10::DataPtr&, const c10::Stream&) const override {
    const auto lock = Queues::instance().lock();
    ++mutable_counts().kept_for_stream;
  }

  void record(void** event, const c10::Stream& of, at::DeviceIndex, c10::EventFlag) const override {
    const auto lock = Queues::instance().lock();
    if (*event == nullptr) *event = new Queues::Mark;
    *static_cast<Queues::Mark*>(*event) = Queues::instance().mark(of.id());
  }
  void block(void* event, const c10::Stream& of) const override {
    const auto lock = Queues::instance().lock();
    Queues::instance().push_wait(of.id(), *static_cast<Queues::Mark*>(event));
  }
  bool queryEvent(void* event) const override {
    const auto lock = Queues::instance().lock();
    return Queues::instance().is_done(*static_cast<Queues::Mark*>(event));
  }
  void destroyEvent(void* event, at::DeviceIndex) const noexcept override {
    delete static_cast<Queues::Mark*>(event);
  }
};

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)

}  // namespace

std::int64_t current_stream() { return current; }

Counts& mutable_counts() {
  static Counts counts;
  return counts;
}

void host_wait(std::int64_t stream) {
  const auto lock = Queues::instance().lock();
  TORCH_CHECK(!Queues::instance().is_capturing(stream), "the host may not wait in a capture");
  ++mutable_counts().host_waits;
  Queues::instance().work_off(Queues::instance().mark(stream));
}

Counts counts() {
  const auto lock = Queues::instance().lock();
  return mutable_counts();
}

void reset_counts() {
  const auto lock = Queues::instance().lock();
  mutable_counts() = {};
}

void synchronize() {
  const auto lock = Queues::instance().lock();
  Queues::instance().work_off_all();
}

std::size_t pending(const c10::Stream& stream) {
  const auto lock = Queues::instance().lock();
  return Queues::instance().pending(stream.id());
}

void advance(const c10::Stream& stream, std::size_t works) {
  const auto lock = Queues::instance().lock();
  Queues::instance().advance(stream.id(), works);
}

}  // namespace torchship::test::deferred
