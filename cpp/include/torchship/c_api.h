#pragma once

/// torchship in C (C99): load an archive, call it, look at it. No other header is needed.
/// docs/c-api.md has an example.
///
/// Errors: a function that gives a ts_status gives TS_OK or what went wrong; one that gives a
/// pointer gives NULL when it failed. ts_error_message() then says why. No function prints, throws
/// or ends the process; NULL where a thing is needed is an error (TS_ARGUMENT_ERROR), and freeing
/// NULL is nothing.
///
/// Ownership: `ts_x*` that a function gives is the caller's, who ends it with ts_x_free(). `const
/// ts_x*` and `const char*` belong to the handle that they were asked of and live as long as it;
/// strings end with a NUL. What is passed in stays the caller's, but for the memory of tensors and
/// archives, of which the functions that take it say more. When a function fails, it has taken
/// nothing.
///
/// Threads: any number of threads may call one ts_model at once, and read one ts_value, ts_info or
/// ts_check; none of them ever changes. A ts_options belongs to one thread at a time. Freeing a
/// handle needs that no other thread uses it. Errors belong to the thread that made the call.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TS_EXPORT __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

// ------------------------------------------------------------------------------------- versions

/// One more for each release that adds functions. A program runs with a library whose
/// ts_api_version() is at least the TS_API_VERSION that it was compiled with.
#define TS_API_VERSION 1

TS_EXPORT int32_t ts_api_version(void);
TS_EXPORT const char* ts_version(void);           ///< Of the library: "0.1.0".
TS_EXPORT const char* ts_libtorch_version(void);  ///< Of the LibTorch in this process: "2.13.0".

// --------------------------------------------------------------------------------------- errors

typedef int32_t ts_status;
enum {
  TS_OK = 0,
  TS_ARCHIVE_ERROR = 1,    ///< The file is absent, damaged, no model, or not for this build.
  TS_SIGNATURE_ERROR = 2,  ///< Values that do not fit: number, names, kinds, dtypes or shapes.
  TS_DEVICE_ERROR = 3,     ///< The device does not exist in this process.
  TS_ENGINE_ERROR = 4,     ///< The model failed while it ran.
  TS_ARGUMENT_ERROR = 5,   ///< This interface was used wrongly: NULL, an index that is too large.
  TS_OTHER_ERROR = 6       ///< Anything else: no memory.
};

/// The last failure of a call on this thread; TS_OK and "" before the first. Successful calls leave
/// it as it is. The strings live until the next failure on this thread, or its end. Languages that
/// move their tasks from thread to thread must stay on one from the call to these (Go:
/// LockOSThread).
TS_EXPORT ts_status ts_error_status(void);
TS_EXPORT const char* ts_error_message(void);  ///< One line: which thing, expected and found.
TS_EXPORT const char* ts_error_hint(void);     ///< What to do about it; may be "".

// --------------------------------------------------------------------------------------- values

/// What crosses a model's boundary: a tensor, a number, a bool, a string, none, or a list, tuple or
/// dict of values. It never changes. Copies are cheap and share tensors and members.
typedef struct ts_value ts_value;

typedef int32_t ts_kind;
enum {
  TS_KIND_INVALID = -1,  ///< Of NULL.
  TS_KIND_NONE = 0,
  TS_KIND_TENSOR = 1,
  TS_KIND_BOOL = 2,
  TS_KIND_INT = 3,
  TS_KIND_FLOAT = 4,
  TS_KIND_COMPLEX = 5,
  TS_KIND_STRING = 6,
  TS_KIND_LIST = 7,
  TS_KIND_TUPLE = 8,
  TS_KIND_DICT = 9,
  TS_KIND_OBJECT = 10,  ///< An instance of the model's own class, which it takes back.
  TS_KIND_ANY = 11      ///< In signatures only.
};

typedef int32_t ts_dtype;
enum {
  TS_DTYPE_UNKNOWN = 0,
  TS_BOOL = 1,  ///< A byte: 0 or 1.
  TS_UINT8 = 2,
  TS_INT8 = 3,
  TS_INT16 = 4,
  TS_INT32 = 5,
  TS_INT64 = 6,
  TS_UINT16 = 7,
  TS_UINT32 = 8,
  TS_UINT64 = 9,
  TS_FLOAT16 = 10,
  TS_BFLOAT16 = 11,
  TS_FLOAT32 = 12,
  TS_FLOAT64 = 13,
  TS_COMPLEX32 = 14,
  TS_COMPLEX64 = 15,
  TS_COMPLEX128 = 16,
  TS_FLOAT8_E4M3FN = 17,
  TS_FLOAT8_E4M3FNUZ = 18,
  TS_FLOAT8_E5M2 = 19,
  TS_FLOAT8_E5M2FNUZ = 20,
  TS_FLOAT8_E8M0FNU = 21
};
TS_EXPORT const char* ts_dtype_name(ts_dtype dtype);  ///< "float32", as Python spells it.
TS_EXPORT size_t ts_dtype_size(ts_dtype dtype);       ///< Bytes of one element; 0 if unknown.

typedef int32_t ts_device_type;
enum { TS_CPU = 1, TS_CUDA = 2 };  ///< As in DLPack.

/// Where a tensor's elements are. All zero but what is set is a fine start: `ts_tensor x = {0}`.
typedef struct ts_tensor {
  void* data;              ///< Its first element.
  const int64_t* shape;    ///< `ndim` sizes.
  const int64_t* strides;  ///< `ndim` steps, in elements; NULL: row by row, without gaps.
  int32_t ndim;
  ts_dtype dtype;
  ts_device_type device_type;  ///< 0 is TS_CPU.
  int32_t device_index;
} ts_tensor;

/// Called once, from whichever thread lets go of the memory last, which may be inside any function
/// here.
typedef void (*ts_release)(void* context);

/// A tensor in the caller's memory, without a copy. Shape and strides are copied.
/// `release(context)` is called when nothing uses the memory any more; results that are the input
/// itself, or a view of it, use it too. Without `release` the memory must outlive them all. A model
/// that writes into its inputs writes here.
TS_EXPORT ts_value* ts_value_from_tensor(const ts_tensor* tensor, ts_release release,
                                         void* context);
/// The same with a copy of the elements: nothing of the caller's is used after.
TS_EXPORT ts_value* ts_value_from_tensor_copy(const ts_tensor* tensor);

/// A DLPack tensor, without a copy: include any dlpack.h. Its deleter is called once, when nothing
/// uses the memory any more, unless the function failed: then the tensor is still the caller's.
struct DLManagedTensor;
struct DLManagedTensorVersioned;
TS_EXPORT ts_value* ts_value_from_dlpack(struct DLManagedTensor* tensor);
TS_EXPORT ts_value* ts_value_from_dlpack_versioned(struct DLManagedTensorVersioned* tensor);

TS_EXPORT ts_value* ts_value_from_none(void);
TS_EXPORT ts_value* ts_value_from_bool(bool boolean);
TS_EXPORT ts_value* ts_value_from_int(int64_t integer);
TS_EXPORT ts_value* ts_value_from_float(double number);
TS_EXPORT ts_value* ts_value_from_complex(double real, double imaginary);
TS_EXPORT ts_value* ts_value_from_string(const char* text, size_t length);
TS_EXPORT ts_value* ts_value_from_list(const ts_value* const* items, size_t count);
/// `names` is NULL, or has the name of each field of a named tuple.
TS_EXPORT ts_value* ts_value_from_tuple(const ts_value* const* items, const char* const* names,
                                        size_t count);
TS_EXPORT ts_value* ts_value_from_dict(const ts_value* const* keys, const ts_value* const* values,
                                       size_t count);
TS_EXPORT ts_value* ts_value_copy(const ts_value* value);
TS_EXPORT void ts_value_free(ts_value* value);

TS_EXPORT ts_kind ts_value_kind(const ts_value* value);
/// Where the elements are: `tensor`'s pointers live as long as `value`.
TS_EXPORT ts_status ts_value_as_tensor(const ts_value* value, ts_tensor* tensor);
/// The tensor without a copy, for its `deleter` to end; it outlives value and model. NULL for what
/// DLPack does not know.
TS_EXPORT struct DLManagedTensor* ts_value_to_dlpack(const ts_value* value);
TS_EXPORT struct DLManagedTensorVersioned* ts_value_to_dlpack_versioned(const ts_value* value);
TS_EXPORT ts_status ts_value_as_bool(const ts_value* value, bool* boolean);
TS_EXPORT ts_status ts_value_as_int(const ts_value* value, int64_t* integer);
TS_EXPORT ts_status ts_value_as_float(const ts_value* value, double* number);
TS_EXPORT ts_status ts_value_as_complex(const ts_value* value, double* real, double* imaginary);
/// Its bytes, a NUL behind them; `length` may be NULL.
TS_EXPORT const char* ts_value_as_string(const ts_value* value, size_t* length);

/// Members of a list, tuple or dict; 0 for other kinds, which have none.
TS_EXPORT size_t ts_value_size(const ts_value* value);
/// The member at `index`; of a dict the value there.
TS_EXPORT const ts_value* ts_value_item(const ts_value* value, size_t index);
/// The key at `index` of a dict.
TS_EXPORT const ts_value* ts_value_key(const ts_value* value, size_t index);
/// The field's name at `index` of a named tuple; "" of a plain one.
TS_EXPORT const char* ts_value_field(const ts_value* value, size_t index);
/// The value under a string key of a dict, or of a field of a named tuple.
TS_EXPORT const ts_value* ts_value_find(const ts_value* value, const char* name);

// -------------------------------------------------------------------------------------- loading

/// How to load, with the names and defaults of C++'s LoadOptions and of Python's load(), of which
/// docs/runtime.md and docs/loading.md say more. Devices, policies and numbers are checked when
/// they are set, the rest when something is loaded.
typedef struct ts_options ts_options;

TS_EXPORT ts_options* ts_options_new(void);
TS_EXPORT void ts_options_free(ts_options* options);
TS_EXPORT ts_status ts_options_set_device(ts_options* options, const char* device);    ///< "cuda:1"
TS_EXPORT ts_status ts_options_set_engine(ts_options* options, const char* engine);    ///< "auto"
TS_EXPORT ts_status ts_options_set_weights(ts_options* options, const char* weights);  ///< "int8"
TS_EXPORT ts_status ts_options_set_policy(ts_options* options, const char* policy);    ///< "strict"
TS_EXPORT ts_status ts_options_set_threads(ts_options* options, int32_t threads);
TS_EXPORT ts_status ts_options_set_max_concurrent_calls(ts_options* options, int32_t calls);
TS_EXPORT ts_status ts_options_set_cores(ts_options* options, const int32_t* cores, size_t count);
TS_EXPORT ts_status ts_options_set_validate(ts_options* options, bool validate);
TS_EXPORT ts_status ts_options_set_verify(ts_options* options, bool verify);
TS_EXPORT ts_status ts_options_set_verify_digests(ts_options* options, bool verify_digests);
TS_EXPORT ts_status ts_options_set_map(ts_options* options, bool map);
TS_EXPORT ts_status ts_options_set_retarget(ts_options* options, bool retarget);
TS_EXPORT ts_status ts_options_set_warm_up(ts_options* options, bool warm_up);
TS_EXPORT ts_status ts_options_set_optimize(ts_options* options, bool optimize);
TS_EXPORT ts_status ts_options_set_own_streams(ts_options* options, bool own_streams);
TS_EXPORT ts_status ts_options_set_cuda_graphs(ts_options* options, bool cuda_graphs);
TS_EXPORT ts_status ts_options_add_operator_library(ts_options* options, const char* path);

/// A loaded model: a function from values to a value.
typedef struct ts_model ts_model;

/// `options` may be NULL: the defaults. The file may be deleted or replaced after; see
/// docs/loading.md.
TS_EXPORT ts_model* ts_model_load(const char* path, const ts_options* options);
/// An archive in memory, which `name` is called in messages. `release(context)` is called when the
/// bytes are not needed any more, at the latest by ts_model_free(); without `release` they must
/// outlive the model.
TS_EXPORT ts_model* ts_model_load_memory(const void* bytes, size_t size, const char* name,
                                         ts_release release, void* context,
                                         const ts_options* options);
TS_EXPORT void ts_model_free(ts_model* model);

// -------------------------------------------------------------------------------------- calling

/// Makes `stream`, a cudaStream_t, the one that the calling thread's calls compute on on a CUDA device;
/// NULL for the default stream, which it is without. Results that stay on the device are ready when
/// the stream gets there. The stream stays the caller's, and must outlive those calls and their results.
TS_EXPORT ts_status ts_set_current_stream(const char* device, void* stream);

/// Calls `method`, or where plain calls go if it is NULL. `names` is NULL, or has an entry for each
/// input: its name, or NULL for those given by position, which come first. TS_SIGNATURE_ERROR
/// before anything is computed when the inputs do not fit.
TS_EXPORT ts_value* ts_model_call(const ts_model* model, const char* method,
                                  const ts_value* const* inputs, const char* const* names,
                                  size_t input_count);
/// The same, with the result copied into tensors of the caller's: one for each leaf of the result,
/// depth first, of its dtype and sizes. They are untouched when one does not fit.
TS_EXPORT ts_status ts_model_call_into(const ts_model* model, const char* method,
                                       const ts_value* const* inputs, const char* const* names,
                                       size_t input_count, const ts_value* const* outputs,
                                       size_t output_count);

TS_EXPORT const char* ts_model_device(const ts_model* model);         ///< "cpu", "cuda:0"
TS_EXPORT const char* ts_model_engine(const ts_model* model);         ///< "interpreter"
TS_EXPORT const char* ts_model_engine_reason(const ts_model* model);  ///< Why that one: one line.
/// Engines that were considered and do not run the model.
TS_EXPORT size_t ts_model_passed_over_count(const ts_model* model);
TS_EXPORT ts_status ts_model_passed_over(const ts_model* model, size_t index, const char** engine,
                                         const char** reason);

// ------------------------------------------------------------------------------------- checking

/// What became of the archive's golden samples on this machine.
typedef struct ts_check ts_check;

/// Runs them all. NULL when the archive has none; a sample that fails is in what it gives.
TS_EXPORT ts_check* ts_model_check(const ts_model* model);
TS_EXPORT void ts_check_free(ts_check* check);
TS_EXPORT bool ts_check_passed(const ts_check* check);
TS_EXPORT const char* ts_check_text(const ts_check* check);  ///< For people; several lines.
TS_EXPORT const char* ts_check_json(const ts_check* check);  ///< As `torchship check --json`.
TS_EXPORT size_t ts_check_sample_count(const ts_check* check);
TS_EXPORT bool ts_check_sample_passed(const ts_check* check, size_t index);
/// What failed, in one line; "" of a sample that passed.
TS_EXPORT const char* ts_check_sample_message(const ts_check* check, size_t index);

// ------------------------------------------------------------------------------ what a file says

/// What an archive says of itself; no weight is loaded and no code of it is run.
typedef struct ts_info ts_info;
typedef struct ts_method ts_method;  ///< Lives in its ts_info.
typedef struct ts_spec ts_spec;      ///< What a value must be; lives in its ts_info.

TS_EXPORT ts_info* ts_info_read(const char* path);
TS_EXPORT ts_info* ts_info_read_memory(const void* bytes, size_t size, const char* name);
TS_EXPORT void ts_info_free(ts_info* info);
TS_EXPORT const ts_info* ts_model_info(const ts_model* model);
/// All of it, as `torchship info --json` prints it: docs/cli.md.
TS_EXPORT const char* ts_info_json(const ts_info* info);

TS_EXPORT size_t ts_info_method_count(const ts_info* info);
TS_EXPORT const ts_method* ts_info_method(const ts_info* info, size_t index);
/// By name; NULL for where plain calls go.
TS_EXPORT const ts_method* ts_info_find_method(const ts_info* info, const char* name);
TS_EXPORT const char* ts_method_name(const ts_method* method);
TS_EXPORT const char* ts_method_text(const ts_method* method);  ///< "forward(x: Tensor) -> Tensor"
TS_EXPORT size_t ts_method_input_count(const ts_method* method);
TS_EXPORT const ts_spec* ts_method_input(const ts_method* method, size_t index);
TS_EXPORT const ts_spec* ts_method_output(const ts_method* method);

TS_EXPORT const char* ts_spec_name(const ts_spec* spec);  ///< "" where the value has none.
TS_EXPORT const char* ts_spec_type(const ts_spec* spec);  ///< As TorchScript spells it.
TS_EXPORT ts_kind ts_spec_kind(const ts_spec* spec);
TS_EXPORT bool ts_spec_may_be_none(const ts_spec* spec);
TS_EXPORT bool ts_spec_may_be_left_out(const ts_spec* spec);  ///< It has a default.
/// What the manifest promises of a tensor: TS_DTYPE_UNKNOWN and -1 where it is silent.
TS_EXPORT ts_dtype ts_spec_dtype(const ts_spec* spec);
TS_EXPORT int32_t ts_spec_ndim(const ts_spec* spec);

/// A size. One with a symbol is the same wherever the symbol is, throughout a call.
typedef struct ts_dimension {
  const char* symbol;  ///< "batch"; NULL where it has none.
  int64_t size;        ///< The only one; -1 for any between `min` and `max`.
  int64_t min;
  int64_t max;          ///< -1: no limit is known.
  int64_t multiple_of;  ///< At least 1.
} ts_dimension;
TS_EXPORT ts_status ts_spec_dimension(const ts_spec* spec, size_t index, ts_dimension* dimension);

/// Members of a tuple; of a list or dict where the manifest tells each one.
TS_EXPORT size_t ts_spec_member_count(const ts_spec* spec);
TS_EXPORT const ts_spec* ts_spec_member(const ts_spec* spec, size_t index);

#ifdef __cplusplus
}
#endif
