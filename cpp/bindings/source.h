#pragma once

#include <pybind11/pybind11.h>
#include <torchship/source.h>

namespace torchship::bindings {

/// A path, bytes-like, or a binary file, as torchship.load() takes it; `decrypt` may be None.
/// Buffers are kept until the source is gone. Needs the GIL; the source may be used, copied and
/// dropped without.
Source source_of(const pybind11::object& archive, const pybind11::object& decrypt);

}  // namespace torchship::bindings
