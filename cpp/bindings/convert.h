#pragma once

#include <filesystem>

#include <pybind11/complex.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <torchship/value.h>

namespace torchship::bindings {

/// A Python object as a value. Tensors are taken as they are; anything with `__dlpack__` becomes a
/// tensor over the same memory. Throws SignatureError for what cannot cross.
Value from_python(pybind11::handle object);

/// The memory that an output goes to. Throws SignatureError for what is no tensor, or may not be written.
at::Tensor memory_from_python(pybind11::handle object);

/// A value as Python's own: torch.Tensor, list, tuple or named tuple, dict, numbers, str, None.
pybind11::object to_python(const Value& value);

/// Inputs by name. Throws SignatureError for keys that are no str.
NamedValues named_values(const pybind11::dict& items);

/// str, bytes or os.PathLike, whatever bytes are in it.
std::filesystem::path path_of(const pybind11::object& path);

/// An instance of a TorchScript class, which Python only hands on.
struct ObjectHandle {
  Value value;
};

}  // namespace torchship::bindings
