#include "archive/inflate.h"

#include <cstddef>
#include <exception>

// LibTorch exports its copy of miniz, but ships no header for it.
extern "C" int tinfl_decompress_mem_to_callback(const void* in, std::size_t* in_length,
                                                int (*put)(const void* bytes, int length,
                                                           void* user),
                                                void* user, int flags);

namespace torchship {
namespace {

struct Output {
  std::uint64_t left;
  const std::function<void(std::string_view)>& take;
  std::exception_ptr error = nullptr;
};

/// Called from C, which no exception may pass. Returns 0 to stop.
int put(const void* bytes, int length, void* user) noexcept {
  auto& out = *static_cast<Output*>(user);
  const auto count = static_cast<std::size_t>(length);
  if (count > out.left) return 0;
  out.left -= count;
  try {
    out.take(std::string_view(static_cast<const char*>(bytes), count));
  } catch (...) {
    out.error = std::current_exception();
  }
  return out.error ? 0 : 1;
}

}  // namespace

bool inflate(std::string_view deflated, std::uint64_t size,
             const std::function<void(std::string_view)>& take) {
  Output out{.left = size, .take = take};
  std::size_t length = deflated.size();
  const int done = tinfl_decompress_mem_to_callback(deflated.data(), &length, put, &out, 0);
  if (out.error) std::rethrow_exception(out.error);
  return done == 1 && out.left == 0;
}

}  // namespace torchship
