#include "fuzz/mutate_bytes.h"

#include <algorithm>
#include <cstring>

namespace torchship::fuzz {
namespace {

void overwrite_number(std::string& bytes, std::size_t at, Random& random) {
  const std::int64_t number = random.number();
  const std::size_t width = std::size_t{1} << random.below(4);
  std::memcpy(bytes.data() + at, &number, std::min(width, bytes.size() - at));
}

void damage(std::string& bytes, Random& random) {
  const std::size_t at = random.below(bytes.size());
  const std::size_t length = 1 + random.below(random.once_in(4) ? bytes.size() : 16);
  switch (random.below(9)) {
    case 0: bytes[at] = random.byte(); break;
    case 1: bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8))); break;
    case 2: overwrite_number(bytes, at, random); break;
    case 3: bytes.erase(at, length); break;
    case 4: bytes.insert(random.below(bytes.size()), bytes.substr(at, length)); break;
    case 5: bytes.insert(at, length, random.byte()); break;
    case 6: bytes.resize(at); break;
    case 7: std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                        std::min(length, bytes.size() - at), random.once_in(2) ? '\0' : '\xff');
            break;
    default: {
      const std::string piece = bytes.substr(at, length);
      bytes.erase(at, length);
      bytes.insert(random.below(bytes.size() + 1), piece);
    }
  }
}

}  // namespace

std::string mutate_bytes(std::string bytes, Random& random) {
  std::size_t times = 1;
  while (times < 8 && random.once_in(2)) ++times;
  for (; times > 0 && !bytes.empty(); --times) damage(bytes, random);
  return bytes;
}

}  // namespace torchship::fuzz
