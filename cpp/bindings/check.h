#pragma once

#include <pybind11/pybind11.h>
#include <torchship/model.h>

namespace torchship::bindings {

/// CheckReport and what is inside it, and the methods of Model that look inside a call.
void bind_check(pybind11::module_& module, pybind11::class_<Model>& model);

}  // namespace torchship::bindings
