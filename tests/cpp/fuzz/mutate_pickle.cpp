#include "fuzz/mutate_pickle.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "archive/little_endian.h"
#include "fuzz/mutate_bytes.h"

namespace torchship::fuzz {
namespace {

using namespace std::string_view_literals;

using Opcodes = std::vector<std::string>;  ///< Each with its argument.

constexpr auto kWithoutArgument = "(.0N\x88\x89)\x85\x86\x87]}elaustdRb\x81Q"sv;

constexpr std::array kGlobals = {
    "torch._utils\n_rebuild_tensor_v2\n"sv, "torch._utils\n_rebuild_qtensor\n"sv,
    "torch._utils\n_rebuild_sparse_tensor\n"sv, "torch._utils\n_rebuild_parameter\n"sv,
    "torch._tensor\n_rebuild_from_type_v2\n"sv, "torch.jit._pickle\nrestore_type_tag\n"sv,
    "torch.jit._pickle\nbuild_tensor_from_id\n"sv, "torch.jit._pickle\nbuild_intlist\n"sv,
    "torch.jit._pickle\nbuild_tensorlist\n"sv, "torch\nFloatStorage\n"sv, "torch\nLongStorage\n"sv,
    "torch\nQInt8Storage\n"sv, "torch\nComplexDoubleStorage\n"sv, "torch\nBits8Storage\n"sv,
    "torch\nper_channel_affine\n"sv, "torch\ndevice\n"sv, "collections\nOrderedDict\n"sv,
    "builtins\ncomplex\n"sv, "__main__\nTensorID\n"sv, "__main__\nIntList\n"sv, "os\nsystem\n"sv,
    "torch.distributed.rpc\nrref\n"sv, "__torch__\nNet\n"sv,
    "__torch__.torch.classes.quantized\nLinearPackedParamsBase\n"sv};
constexpr std::array kTexts = {"storage"sv, "cpu"sv, "cuda:0"sv, "meta"sv, "0"sv, "1"sv, "99"sv,
                               "training"sv, "weight"sv, "List[int]"sv, "Dict[str, Tensor]"sv,
                               "List[Tensor]"sv, ""sv, "../version"sv, "Optional["sv};

/// Bytes of an opcode's argument; everything left where it has no end.
std::size_t argument_length(std::string_view rest) {
  const auto number = [&](auto type) -> std::size_t {
    return rest.size() > sizeof(type) ? load_little<decltype(type)>(rest, 1) : rest.size();
  };
  switch (rest.front()) {
    case '\x80': case 'K': case 'q': case 'h': return 1;
    case 'M': return 2;
    case 'J': case 'r': case 'j': return 4;
    case 'G': return 8;
    case '\x8a': case 'U': return 1 + number(std::uint8_t{});
    case 'X': case 'T': return 4 + number(std::uint32_t{});
    case 'c': {
      const std::size_t line = rest.find('\n');
      const std::size_t end = line == rest.npos ? rest.npos : rest.find('\n', line + 1);
      return end == rest.npos ? rest.size() : end;
    }
    default: return 0;
  }
}

Opcodes split(std::string_view pickle) {
  Opcodes opcodes;
  while (!pickle.empty()) {
    const std::size_t length = std::min(1 + argument_length(pickle), pickle.size());
    opcodes.emplace_back(pickle.substr(0, length));
    pickle.remove_prefix(length);
  }
  return opcodes;
}

std::string text(std::string_view value) {
  return "X" + little_bytes(static_cast<std::uint32_t>(value.size())) + std::string(value);
}

std::string integer(std::int64_t value) {
  return std::string("\x8a\x08") + little_bytes(static_cast<std::uint64_t>(value));
}

std::string number(Random& random) {
  const std::int64_t value = random.once_in(2) ? random.number()
                                               : static_cast<std::int64_t>(random.below(40));
  return integer(value);
}

std::string any_opcode(Random& random) {
  switch (random.below(6)) {
    case 0: return number(random);
    case 1: return text(kTexts[random.below(kTexts.size())]);
    case 2: return "c" + std::string(kGlobals[random.below(kGlobals.size())]);
    case 3: return std::string(random.once_in(3) ? "q" : "h") + static_cast<char>(random.below(64));
    case 4: return (random.once_in(2) ? "r" : "j") +
                   little_bytes(static_cast<std::uint32_t>(random.number()));
    default: return std::string(1, kWithoutArgument[random.below(kWithoutArgument.size())]);
  }
}

bool is_integer(const std::string& opcode) {
  return "KMJ\x8a"sv.find(opcode.front()) != std::string_view::npos;
}

void change_integer(Opcodes& opcodes, Random& random) {
  std::vector<std::size_t> integers;
  for (std::size_t i = 0; i < opcodes.size(); ++i) {
    if (is_integer(opcodes[i])) integers.push_back(i);
  }
  if (!integers.empty()) opcodes[random.pick(integers)] = number(random);
}

/// Something for the top of the stack that is deep, endless, or grows beyond all bounds once walked.
std::string monster(Random& random) {
  const std::size_t depth = std::size_t{1} << (3 + random.below(15));
  std::string pickle;
  switch (random.below(4)) {
    case 0: return "]q\xfeh\xfe" "a";                        // A list in itself.
    case 1: return "}q\xfe" + text("x") + "h\xfes";          // A dict in itself.
    case 2: return std::string(depth, ']') + std::string(depth - 1, 'a');
    default:                                                 // Each tuple holds the last one twice.
      pickle = ")";
      for (std::size_t i = 0; i < std::min<std::size_t>(depth, 100); ++i) pickle += "q\xfeh\xfe\x86";
      return pickle;
  }
}

void mutate_opcodes(Opcodes& opcodes, Random& random) {
  std::string& opcode = random.pick(opcodes);
  const auto where = opcodes.begin() + (&opcode - opcodes.data());
  switch (random.below(11)) {
    case 0: opcodes.erase(where); break;
    case 1: opcodes.insert(where, any_opcode(random)); break;
    case 2: opcode = any_opcode(random); break;
    case 3: std::swap(opcode, random.pick(opcodes)); break;
    case 4: opcodes.insert(where, std::string(random.pick(opcodes))); break;
    case 5: opcode = monster(random); break;
    case 6: opcode = std::string(random.pick(opcodes)); break;
    default: change_integer(opcodes, random); break;
  }
}

}  // namespace

std::string mutate_pickle(const std::string& pickle, Random& random) {
  if (pickle.empty() || random.once_in(10)) return mutate_bytes(pickle, random);
  Opcodes opcodes = split(pickle);
  for (std::size_t times = 1 + random.below(3); times > 0 && !opcodes.empty(); --times) {
    mutate_opcodes(opcodes, random);
  }
  std::string mutant;
  for (const std::string& opcode : opcodes) mutant += opcode;
  return mutant;
}

}  // namespace torchship::fuzz
