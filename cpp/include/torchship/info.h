#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <torchship/value.h>

namespace torchship {

/// What a value at a method's boundary must be; a tree shaped like Value.
struct ValueSpec {
  std::string name;            ///< Of an argument or field; empty where the value has none.
  Kind kind = Kind::any;
  std::string type;            ///< As TorchScript spells it: "Tensor", "Dict[str, Tensor]".
  bool optional = false;       ///< None is accepted as well.
  bool has_default = false;    ///< An argument that may be left out.
  /// list: the item; tuple: every item; dict: the key, then the value; any: the alternatives of a
  /// union, if it is one.
  std::vector<ValueSpec> items;
  /// Of a tensor, where the file tells: what the model was traced with. Other dtypes and sizes may
  /// work too.
  std::optional<at::ScalarType> traced_dtype;
  std::optional<std::vector<std::int64_t>> traced_shape;
};

/// One callable method of a model.
struct MethodInfo {
  std::string name;
  std::vector<ValueSpec> inputs;
  ValueSpec output;
};

/// "forward(x: Tensor, lengths: Tensor?) -> Dict[str, Tensor]": one line for people.
TORCHSHIP_EXPORT std::string to_string(const MethodInfo& method);

/// Size of a set of tensors.
struct TensorCount {
  std::int64_t tensors = 0;
  std::int64_t elements = 0;
  std::int64_t bytes = 0;
};

/// What an archive says about itself.
struct TORCHSHIP_EXPORT ModelInfo {
  std::filesystem::path path;
  std::string format;             ///< "torchscript".
  std::int64_t format_version = 0;  ///< The file format's own version, as the writer recorded it.
  std::string class_name;         ///< Of the module: "__torch__.Net".
  std::int64_t file_size = 0;     ///< Bytes.
  std::vector<MethodInfo> methods;
  /// Where plain calls go: `forward`, else R torch's `evalforward`, else the only method; empty
  /// when there is no such method.
  std::string default_method;
  TensorCount parameters;  ///< Each shared tensor once.
  TensorCount buffers;     ///< Tensors that are no parameters, constants of the code included.

  /// The method of that name, or null.
  const MethodInfo* find(std::string_view method) const noexcept;
};

/// Reads what the file says of itself: no weight is loaded, no code is run or compiled.
/// Throws ArchiveError.
TORCHSHIP_EXPORT ModelInfo read_info(const std::filesystem::path& archive);

}  // namespace torchship
