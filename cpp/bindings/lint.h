#pragma once

#include <pybind11/pybind11.h>

namespace torchship::bindings {

void bind_lint(pybind11::module_& module);

}  // namespace torchship::bindings
