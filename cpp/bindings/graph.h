#pragma once

#include <pybind11/pybind11.h>
#include <torchship/model.h>

namespace torchship::bindings {

/// Graph and its parts, and Model.graph().
void bind_graph(pybind11::module_& module, pybind11::class_<Model>& model);

}  // namespace torchship::bindings
