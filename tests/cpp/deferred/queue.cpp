#include "deferred/queue.h"

namespace torchship::test::deferred {

Queues& Queues::instance() {
  static Queues* const queues = new Queues;  // Tensors may outlive static objects.
  return *queues;
}

void Queues::push(std::int64_t stream, Work work) {
  if (const auto capture = captures_.find(stream); capture != captures_.end()) {
    capture->second.push_back(std::move(work));
  } else {
    queues_[stream].work.push_back(std::move(work));
  }
}

void Queues::push_wait(std::int64_t stream, Mark mark) {
  push(stream, [this, mark] { work_off(mark); });
}

void Queues::work_off(Mark mark) {
  for (Queue& queue = queues_[mark.stream]; queue.done < mark.position;) {
    const Work work = std::exchange(queue.work[queue.done++], nullptr);
    work();
  }
}

void Queues::work_off_all() {
  for (auto& [stream, queue] : queues_) work_off({stream, queue.work.size()});
}

void Queues::begin_capture(std::int64_t stream) { captures_[stream]; }

std::vector<Queues::Work> Queues::end_capture(std::int64_t stream) {
  std::vector<Work> work = std::move(captures_.at(stream));
  captures_.erase(stream);
  return work;
}

}  // namespace torchship::test::deferred
