// Graphs of the device: what a stream was given meanwhile, given to a stream again.
#include <torch/headeronly/version.h>
#if TORCH_VERSION_MAJOR > 2 || TORCH_VERSION_MINOR >= 13
#include <ATen/core/GraphImplInterface.h>

#include <vector>

#include "deferred/guard.h"
#include "deferred/queue.h"

namespace torchship::test::deferred {
namespace {

class Graph final : public at::GraphImplInterface {
 public:
  explicit Graph(const at::GraphImplArgs&) {}

  void capture_begin(at::MempoolId_t, at::GraphCaptureMode) override {
    TORCH_CHECK(current_stream() != 0, "the default stream cannot be captured");
    const auto lock = Queues::instance().lock();
    Queues::instance().begin_capture(current_stream());
  }
  void capture_end() override {
    const auto lock = Queues::instance().lock();
    work_ = Queues::instance().end_capture(current_stream());
  }
  void replay() override {
    const auto lock = Queues::instance().lock();
    ++mutable_counts().launches;
    for (const Queues::Work& work : work_) Queues::instance().push(current_stream(), work);
  }
  void instantiate() override {}
  void reset() override { work_.clear(); }
  at::MempoolId_t pool() const override { return {}; }
  void enable_debug_mode() override {}
  void debug_dump(const std::string&) override {}

 private:
  std::vector<Queues::Work> work_;
};

}  // namespace
}  // namespace torchship::test::deferred

namespace at {
REGISTER_GRAPH_IMPL(DEFERRED, torchship::test::deferred::Graph)
}  // namespace at
#endif
