#pragma once

#include <pybind11/pybind11.h>

namespace torchship::bindings {

/// Adds ModelInfo and what it is made of.
void bind_info(pybind11::module_& module);

}  // namespace torchship::bindings
