#include "verification.h"

#include <system_error>

namespace torchship {
namespace {

/// A thread costs as much as comparing half of this.
constexpr std::uint64_t kLarge = 1 << 20;

}  // namespace

Verification::Verification(const ModelFile& file, const LoadOptions& options) {
  if (!options.verify) return;
  if (options.verify_digests) {
    file.verify(/*digests=*/true);
    return;
  }
  const auto verify = [&file] { file.verify(/*digests=*/false); };
  try {
    if (file.size() >= kLarge) done_ = std::async(std::launch::async, verify);
  } catch (const std::system_error&) {
    // No thread to be had.
  }
  if (!done_.valid()) done_ = std::async(std::launch::deferred, verify);
}

void Verification::finish() {
  if (done_.valid()) done_.get();
}

}  // namespace torchship
