#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <torchship/source.h>
#include <torchship/value.h>

namespace torchship {

/// One dimension of a tensor that a manifest describes.
struct Dimension {
  std::int64_t size = -1;  ///< The only size allowed; -1 where `symbol` says more, or any will do.
  int symbol = -1;         ///< Index into MethodInfo::dimensions, or -1.
};

/// A size that may vary from call to call, and is one and the same throughout a call.
struct DimensionRange {
  std::string name;                 ///< "batch"
  std::int64_t min = 0;
  std::optional<std::int64_t> max;  ///< Nothing where no limit is known.
  std::int64_t multiple_of = 1;     ///< At least 1.
  std::vector<std::int64_t> tried;  ///< Sizes at which the trace agreed with the eager model.

  /// A size that is factor * that of another symbol + offset.
  struct Relation {
    std::size_t symbol = 0;  ///< Index into MethodInfo::dimensions.
    std::int64_t factor = 1;
    std::int64_t offset = 0;
  };
  std::optional<Relation> relation = std::nullopt;

  bool contains(std::int64_t size) const noexcept {
    return size >= min && (!max || size <= *max) && size % multiple_of == 0;
  }
};

/// How far a result may be from the recorded one: |got - expected| <= absolute + relative *
/// |expected|, element by element; or, where `normwise` is not 0, as a whole: the Euclidean norm of
/// got - expected <= normwise * that of expected.
struct Tolerance {
  double absolute = 0;
  double relative = 0;
  double normwise = 0;
};

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

  // What the manifest promises, for archives that have one; calls are checked against it.
  std::optional<at::ScalarType> dtype;          ///< Of a tensor.
  std::optional<std::vector<Dimension>> shape;  ///< Of a tensor.
  /// Of a list, tuple or dict: exactly these members, in this order; those of a dict are named by
  /// their keys, numbers in decimal.
  std::optional<std::vector<ValueSpec>> members;
  std::optional<Value> constant;       ///< The only value that the model was traced with.
  std::optional<Tolerance> tolerance;  ///< Of an output; where not said, check() has one by dtype.
};

/// One callable method of a model.
struct MethodInfo {
  std::string name;
  std::vector<ValueSpec> inputs;
  ValueSpec output;
  std::vector<DimensionRange> dimensions;  ///< The symbols of its shapes.
};

/// "forward(x: Tensor, lengths: Tensor?) -> Dict[str, Tensor]": one line for people.
TORCHSHIP_EXPORT std::string to_string(const MethodInfo& method);

/// Size of a set of tensors.
struct TensorCount {
  std::int64_t tensors = 0;
  std::int64_t elements = 0;
  std::int64_t bytes = 0;
};

/// One module of the model, without the modules inside it.
struct ModuleSize {
  std::string path;        ///< "encoder.layers.0"; empty for the model itself.
  std::string class_name;  ///< "__torch__.torch.nn.modules.linear.Linear"
  TensorCount parameters;  ///< A tensor that several modules share is counted where it is met first.
  TensorCount buffers;
};

/// Something that the tracer or the linter found.
struct Finding {
  std::string code;      ///< "lost-branch"; docs/findings.md and docs/lint.md list them.
  std::string severity;  ///< "error": changes results; "warning": may; "note".
  std::string message;
  std::string hint;      ///< What to do about it.
  std::string method;
  std::string place;     ///< Of the linter: a module ("encoder.layers.0"), a tensor or a record.
  std::string file;      ///< The user's own source, as the tracer saw it; may be empty.
  std::int64_t line = 0;
  std::string source;    ///< The text of that line.
};

/// Who wrote the file.
struct Producer {
  std::string torchship;
  std::string torch;
  std::string python;
};

/// A golden sample: inputs, and what the eager model made of them.
struct SampleInfo {
  std::string method;
  std::string origin;  ///< "synthetic", or "example": the author's own data.
};

/// A compiled engine inside the archive.
struct EngineInfo {
  std::string id;
  std::string method;                         ///< What it runs.
  std::map<std::string, std::string> target;  ///< "isa": "x86-64-v3", "device": "cpu", ...
  /// Whether it gave the samples' results where it was compiled; what could not run there was not.
  bool checked = false;
  std::optional<double> ratio;  ///< Of its time to that of the engine `beside`, measured there.
  std::string beside;           ///< "planned" or "interpreter"; empty where nothing was measured.
  std::map<std::string, std::string> settings;  ///< Of the compiler: "freezing": "true", ...
};

/// What an archive says about itself.
struct TORCHSHIP_EXPORT ModelInfo {
  std::filesystem::path path;       ///< Or the name of a source that has none.
  std::string format;               ///< "torchscript".
  std::int64_t format_version = 0;  ///< The file format's own version, as the writer recorded it.
  std::string class_name;           ///< Of the module: "__torch__.Net".
  std::int64_t file_size = 0;       ///< Bytes.
  std::vector<MethodInfo> methods;
  /// Where plain calls go: what the manifest says, else `forward`, else R torch's `evalforward`,
  /// else the only method; empty when there is no such method.
  std::string default_method;
  TensorCount parameters;           ///< Each shared tensor once.
  TensorCount buffers;              ///< Tensors that are no parameters, constants of the code included.
  std::vector<ModuleSize> modules;  ///< In the order of the file, those without tensors too.

  // From the manifest (docs/archive-format.md); empty for archives that others wrote.
  std::int64_t manifest_version = 0;  ///< 0: the archive has no manifest.
  Producer producer;
  std::vector<Finding> findings;
  std::vector<SampleInfo> samples;
  bool has_intermediates = false;
  std::vector<EngineInfo> engines;
  std::map<std::string, std::string> metadata;  ///< The author's own notes.

  /// The method of that name, or null.
  const MethodInfo* find(std::string_view method) const noexcept;
};

/// Reads what the file says of itself: no weight is loaded, no code is run or compiled.
/// Throws ArchiveError.
TORCHSHIP_EXPORT ModelInfo read_info(const Source& archive);

}  // namespace torchship
