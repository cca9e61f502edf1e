#include "torchscript/pickle_guard.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <c10/core/ScalarType.h>
#include <torchship/error.h>

#include "archive/text.h"
#include "torchscript/nesting.h"

namespace torchship {
namespace {

using Node = Pickle::Node;
using Type = Pickle::Type;

constexpr std::string_view kTensor = "torch._utils _rebuild_tensor_v2";
constexpr std::string_view kQuantised = "torch._utils _rebuild_qtensor";
constexpr std::string_view kTyped = "torch.jit._pickle restore_type_tag";

/// What PyTorch's pickler calls. Classes of the model are called by their own names.
constexpr std::array<std::string_view, 10> kFunctions = {
    kTensor, kQuantised, kTyped, "torch.jit._pickle build_intlist",
    "torch.jit._pickle build_tensorlist", "torch.jit._pickle build_doublelist",
    "torch.jit._pickle build_boollist", "collections OrderedDict", "builtins complex",
    "torch device"};

constexpr std::array<std::string_view, 4> kSchemes = {
    "torch per_tensor_affine", "torch per_channel_affine", "torch per_channel_affine_float_qparams",
    "torch per_tensor_symmetric"};

/// Bytes of an element of a storage class, "torch FloatStorage".
std::optional<std::int64_t> element_size(std::string_view storage) {
#define TORCHSHIP_ELEMENT(type, name) \
  if (storage == "torch " #name "Storage") return c10::elementSize(c10::ScalarType::name);
  AT_FORALL_SCALAR_TYPES_WITH_COMPLEX_AND_QINTS(TORCHSHIP_ELEMENT)
#undef TORCHSHIP_ELEMENT
  return std::nullopt;
}

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_class(std::string_view global) { return global.starts_with("__torch__"); }

/// Checks one pickle node by node: a node's faults are its own, whoever refers to it.
class PickleGuard {
 public:
  PickleGuard(const Pickle& pickle, const TorchScriptFile& file, const std::string& name)
      : pickle_(pickle),
        file_(file),
        place_(file.place(name)),
        folder_(name.substr(0, name.rfind('.')) + "/") {}

  void check() {
    for (std::size_t i = 0; i < pickle_.size(); ++i) check_node(pickle_[i]);
    // PyTorch writes a storage once. Some writers may repeat one; none does so without end.
    constexpr std::uint64_t kRepeats = 16;
    if (stored_ / kRepeats > file_.size()) refuse("it reads the same storages over and over");
  }

  void check_names() const {
    for (std::size_t i = 0; i < pickle_.size(); ++i) {
      if (pickle_[i].type == Type::global) check_global(pickle_[i].text);
    }
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw ArchiveError(place_ + ": " + what, "The file is damaged, or made to deceive.");
  }

  const Node& child(const Node& node, std::size_t index) const {
    if (index >= node.children.size()) refuse("a value lacks some of its parts");
    return pickle_[node.children[index]];
  }

  std::int64_t integer(const Node& node) const {
    if (node.type != Type::integer) refuse("a tensor has something else in place of a number");
    return node.integer;
  }

  std::vector<std::int64_t> integers(const Node& node) const {
    if (node.type != Type::tuple) refuse("a tensor has something else in place of its sizes");
    std::vector<std::int64_t> numbers;
    for (const std::size_t item : node.children) numbers.push_back(integer(pickle_[item]));
    return numbers;
  }

  void check_node(const Node& node) {
    switch (node.type) {
      case Type::global: check_global(node.text); break;
      case Type::call: check_call(node); break;
      case Type::object: check_callee(child(node, 0)); break;
      case Type::persistent: stored_ += static_cast<std::uint64_t>(storage_bytes(node)); break;
      case Type::dict: check_dict(node); break;
      default: break;
    }
  }

  void check_global(const std::string& name) const {
    if (!is_class(name) && !contains(kFunctions, name) && !contains(kSchemes, name) &&
        !element_size(name)) {
      refuse("it names " + quote(name) + ", which TorchScript archives have no use for");
    }
  }

  /// LibTorch takes any number for a function.
  void check_callee(const Node& callee) const {
    if (callee.type != Type::global || (!is_class(callee.text) && !contains(kFunctions, callee.text))) {
      refuse("it calls something that is no function");
    }
  }

  void check_call(const Node& call) {
    const Node& callee = child(call, 0);
    check_callee(callee);
    const Node& arguments = child(call, 1);
    if (callee.text == kTensor || callee.text == kQuantised) check_tensor(arguments);
    if (callee.text == kQuantised) check_scales(arguments);
    if (callee.text == kTyped) refuse_deep_nesting(child(arguments, 1).text, place_);
  }

  /// Keys are hashed: a key that is a tree can take for ever.
  void check_dict(const Node& dict) const {
    if (dict.children.size() % 2 != 0) refuse("a dict has a key without a value");
    for (std::size_t i = 0; i < dict.children.size(); i += 2) {
      const Type type = pickle_[dict.children[i]].type;
      if (type == Type::tuple || type == Type::list || type == Type::dict) {
        refuse("a dict has a container for a key");
      }
    }
  }

  /// Bytes of ("storage", class, record, device, elements), which the record must have.
  std::int64_t storage_bytes(const Node& storage) const {
    const Node& id = child(storage, 0);
    const std::int64_t elements = integer(child(id, 4));
    const std::optional<std::int64_t> size = element_size(child(id, 1).text);
    if (!size) refuse("a storage is of unknown type " + quote(child(id, 1).text));
    std::int64_t bytes = 0;
    if (elements < 0 || __builtin_mul_overflow(elements, *size, &bytes)) {
      refuse("a storage has " + std::to_string(elements) + " elements");
    }
    const std::string record = folder_ + child(id, 2).text;
    const ZipEntry* entry = elements == 0 ? nullptr : file_.find(record);
    if (elements > 0 && (entry == nullptr || entry->size < static_cast<std::uint64_t>(bytes))) {
      refuse("a tensor needs " + std::to_string(bytes) + " bytes of the record " + quote(record) +
             ", which has " + (entry == nullptr ? "none" : std::to_string(entry->size)));
    }
    return bytes;
  }

  /// (storage, offset, sizes, strides, ...): every element must lie in the storage.
  void check_tensor(const Node& arguments) const {
    const Node& storage = child(arguments, 0);
    if (storage.type != Type::persistent) refuse("a tensor has no storage");
    const std::int64_t elements = integer(child(child(storage, 0), 4));
    const std::int64_t offset = integer(child(arguments, 1));
    const std::vector<std::int64_t> sizes = integers(child(arguments, 2));
    const std::vector<std::int64_t> strides = integers(child(arguments, 3));
    if (!fits(elements, offset, sizes, strides)) {
      refuse("a tensor reaches beyond its storage of " + std::to_string(elements) + " elements");
    }
  }

  static bool fits(std::int64_t elements, std::int64_t offset, std::span<const std::int64_t> sizes,
                   std::span<const std::int64_t> strides) {
    if (offset < 0 || offset > elements || sizes.size() != strides.size()) return false;
    std::int64_t count = 1;
    std::int64_t last = offset;
    bool overflow = false;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      if (sizes[i] < 0 || strides[i] < 0) return false;
      std::int64_t step = 0;
      overflow |= __builtin_mul_overflow(std::max<std::int64_t>(sizes[i] - 1, 0), strides[i], &step);
      overflow |= __builtin_add_overflow(last, step, &last);
      overflow |= __builtin_mul_overflow(count, sizes[i], &count);
    }
    return !overflow && (count == 0 || last < elements);
  }

  /// Scales and zero points by channel: as many as there are channels.
  void check_scales(const Node& arguments) const {
    const Node& scheme = child(arguments, 4);
    if (!child(scheme, 0).text.starts_with("torch per_channel")) return;
    const std::vector<std::int64_t> sizes = integers(child(arguments, 2));
    const std::int64_t axis = integer(child(scheme, 3));
    if (axis < 0 || axis >= static_cast<std::int64_t>(sizes.size())) {
      refuse("a tensor is quantised along an axis that it lacks");
    }
    for (const std::size_t part : {1, 2}) {
      const Node& tensor = child(scheme, part);
      if (tensor.type != Type::call ||
          integers(child(child(tensor, 1), 2)) != std::vector{sizes[static_cast<std::size_t>(axis)]}) {
        refuse("a tensor is quantised with a wrong number of scales");
      }
    }
  }

  const Pickle& pickle_;
  const TorchScriptFile& file_;
  std::string place_;
  std::string folder_;
  std::uint64_t stored_ = 0;  ///< Bytes of all storages, as often as they are read.
};

}  // namespace

void guard_pickle(const TorchScriptFile& file, const std::string& name) {
  const Pickle pickle(file.read(name), file.place(name));
  PickleGuard(pickle, file, name).check();
}

void guard_pickled_names(const TorchScriptFile& file, const std::string& name) {
  const Pickle pickle(file.read(name), file.place(name));
  PickleGuard(pickle, file, name).check_names();
}

}  // namespace torchship
