#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <c10/core/Device.h>
#include <torchship/check.h>
#include <torchship/engine.h>
#include <torchship/error.h>
#include <torchship/graph.h>
#include <torchship/info.h>
#include <torchship/source.h>
#include <torchship/value.h>

namespace torchship {

/// How far a file is trusted.
enum class Policy : std::uint8_t {
  trusted,  ///< Damage is refused, and what would crash LibTorch; the file's code may do what it likes.
  /// For files from strangers: refused, before any of its code runs, when lint() with `audit` has an
  /// error to say of it. docs/audit.md.
  strict,
};

struct LoadOptions {
  at::Device device = at::kCPU;  ///< See parse_device().
  /// Compare every call with what the manifest promises: dtypes, sizes, sizes that must agree.
  bool validate = true;
  /// Compare every record with its checksum, so that a damaged weight is an error and never a wrong
  /// answer. Reads the whole file, on a second thread where it is large.
  bool verify = true;
  /// How `verify` compares: with the SHA-256 in the manifest, where there is one, and before anything
  /// is loaded. Finds what was changed together with its checksum as well. Takes half a millisecond for
  /// a megabyte.
  bool verify_digests = false;
  /// Use the weights where the file is in memory already, instead of copying them: models of one
  /// file share them, in this process and in others, and a model that writes its own state gets its
  /// own pages of it. Not to be used for files that may be written to, or cut short, while the
  /// model lives. Other devices than the CPU get copies in any case. docs/loading.md.
  bool map = true;
  Policy policy = Policy::trusted;
  /// Where the code names a device that is not `device`, take `device` instead: a device that was
  /// baked in by the tracer. The archive's samples are run again then, and must agree.
  bool retarget = true;
  /// "auto", "planned", "interpreter", "compiled", or the id of a compiled engine in the archive; see
  /// Model::engine(). "auto" takes compiled engines where they fit; on the CPU it makes plans for the
  /// rest, each of which must give LibTorch's results, or LibTorch's interpreter runs the call
  /// (docs/planned.md).
  std::string engine = "auto";
  /// Threads that one operator of a call may use. 0 shares LibTorch's number for the calling thread
  /// between the calls that run at that moment. Results may differ in the last bits from one number
  /// to another.
  int threads = 0;
  /// Calls that run at once; more wait for their turn. 0: no limit.
  int max_concurrent_calls = 0;
  /// The only cores that calls may use: calling threads are bound to them for the time of a call,
  /// their helpers for good. Empty: any.
  std::vector<int> cores = {};
  /// Call every method some times while loading, on the samples or on zeros, so that the first call
  /// afterwards has nothing left to set up. Not done to models that keep state.
  bool warm_up = false;
  /// On CUDA: give each calling thread a stream of its own, so that calls of several threads run beside
  /// each other. Otherwise a call computes on the stream that is current for its thread. Either way it
  /// is in order with what the thread does on its current stream. docs/cuda.md.
  bool own_streams = false;
  /// On CUDA: launch a call whose dtypes and sizes came before as one CUDA graph. For models of
  /// many small operators; each signature of a call, eight at most, holds memory of its own on the
  /// device. docs/cuda.md.
  bool cuda_graphs = false;
  /// Prepare every method for inference at load: freeze it, fold batch norms into the weights before
  /// them, use faster kernels. Without, each operator runs as it was recorded, which is slower and
  /// gives the bits that LibTorch gives.
  bool optimize = true;
  /// How the weights of linear layers are kept: "float32" as they are; "bfloat16", which takes half
  /// the memory and, where one or few rows are multiplied, half the time; "int8", a quarter of both,
  /// with the numbers that they are multiplied with rounded to 7 bits in each call (dynamic
  /// quantisation). Others than "float32" are for the engine "planned", on the CPU, and cost accuracy,
  /// which check() tells. docs/planned.md.
  std::string weights = "float32";
  /// Shared libraries with operators that the model needs; see load_operator_library().
  std::vector<std::filesystem::path> operator_libraries = {};
};

/// "cpu", "cuda" or "cuda:1". Throws DeviceError on anything else, or when this process has no
/// such device.
TORCHSHIP_EXPORT at::Device parse_device(std::string_view name);

/// A loaded model: a function from values to a value.
///
/// Ownership: a Model is a cheap handle; copies share the weights, and the last one frees them.
/// The file may be deleted after loading, or another one renamed to its name; it must not be
/// written to or cut short unless LoadOptions::map is false.
///
/// Threads: any number of threads may call one Model at once. A method that writes the model's own
/// state (a recurrent policy that keeps its hidden state in a buffer) runs alone, and that state is
/// shared by the copies.
///
/// Semantics: the model is always in eval mode and records no gradients. Tensor inputs are moved to
/// device() if needed; tensors in the result come back on the device of the first tensor input. Those on
/// a CUDA device are ready when the thread's current stream gets there, those on the CPU when the call
/// returns. Results are ordinary tensors that never alias the model's weights or state; they may alias an input that
/// the model returns as it is.
class TORCHSHIP_EXPORT Model {
 public:
  /// Loads the archive to a device. Throws ArchiveError or DeviceError.
  explicit Model(const Source& archive, const LoadOptions& options = {});

  const ModelInfo& info() const noexcept;
  at::Device device() const noexcept;

  /// Calls the default method with positional arguments: `model({x}).tensor()`.
  /// Throws SignatureError before any computation when the values do not fit, EngineError when the
  /// model fails while it runs.
  Value operator()(const std::vector<Value>& inputs) const;

  /// The same by name, in any order: `model.run({{"x", x}})`.
  Value run(const NamedValues& inputs) const;

  /// Calls any method of info().methods: positional arguments first, then arguments by name.
  Value call(std::string_view method, const std::vector<Value>& inputs,
             const NamedValues& named = {}) const;

  /// The same, with the tensors of the result left in memory of the caller's, one for each leaf of
  /// flatten(), in its order: of the dtype and sizes of the result, on any device, with any strides.
  /// Throws SignatureError when they do not fit; they are untouched then.
  void call_into(std::string_view method, const std::vector<Value>& inputs,
                 const std::vector<at::Tensor>& outputs, const NamedValues& named = {}) const;

  /// Inputs that a method accepts: those of the archive's first sample of it, else zeros of the sizes
  /// that its signature tells. Throws SignatureError where nothing tells them.
  std::vector<Value> example_inputs(std::string_view method) const;

  /// Which engine runs this model, and why.
  const EngineChoice& engine() const noexcept;

  /// Runs the archive's golden samples on this device and compares the results with what the eager
  /// model gave at home. Throws ArchiveError when the archive holds none, or they are damaged; a
  /// model that fails on a sample is reported, not thrown.
  CheckReport check() const;

  /// The operators of a method at a stage; see graph.h. Runs the method for stage `optimized` if there
  /// are inputs to run it on. Throws SignatureError and EngineError as a call does.
  Graph graph(Stage stage, const GraphOptions& options = {}) const;

  /// What the engine executes for these inputs of the default method: graph(Stage::optimized).
  Graph graph_for(const std::vector<Value>& inputs) const;

  /// The result of every operator of one call, as far as it gives a tensor, as it was right after
  /// the operator ran; on the CPU. All of them are held at once. Changes the state of a model that
  /// keeps some, as a call does.
  std::vector<Intermediate> intermediates(std::string_view method,
                                          const std::vector<Value>& inputs) const;

 private:
  class Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace torchship
