#include "info.h"

#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>
#include <torchship/info.h>

#include "convert.h"

namespace py = pybind11;

namespace torchship::bindings {
namespace {

std::optional<std::string_view> name_of(const std::optional<at::ScalarType>& dtype) {
  return dtype ? std::optional(to_string(*dtype)) : std::nullopt;
}

void bind_promises(py::module_& module) {
  py::class_<Dimension>(module, "Dimension")
      .def_readonly("size", &Dimension::size)
      .def_readonly("symbol", &Dimension::symbol);
  py::class_<DimensionRange>(module, "DimensionRange")
      .def_readonly("name", &DimensionRange::name)
      .def_readonly("min", &DimensionRange::min)
      .def_readonly("max", &DimensionRange::max)
      .def_readonly("multiple_of", &DimensionRange::multiple_of)
      .def_readonly("tried", &DimensionRange::tried);
  py::class_<Tolerance>(module, "Tolerance")
      .def_readonly("absolute", &Tolerance::absolute)
      .def_readonly("relative", &Tolerance::relative)
      .def_readonly("normwise", &Tolerance::normwise);
}

void bind_signature(py::module_& module) {
  py::class_<ValueSpec>(module, "ValueSpec")
      .def_readonly("name", &ValueSpec::name)
      .def_property_readonly("kind", [](const ValueSpec& spec) { return to_string(spec.kind); })
      .def_readonly("type", &ValueSpec::type)
      .def_readonly("optional", &ValueSpec::optional)
      .def_readonly("has_default", &ValueSpec::has_default)
      .def_readonly("items", &ValueSpec::items)
      .def_property_readonly("traced_dtype",
                             [](const ValueSpec& spec) { return name_of(spec.traced_dtype); })
      .def_readonly("traced_shape", &ValueSpec::traced_shape)
      .def_property_readonly("dtype", [](const ValueSpec& spec) { return name_of(spec.dtype); })
      .def_readonly("shape", &ValueSpec::shape)
      .def_readonly("members", &ValueSpec::members)
      .def_property_readonly("has_constant",
                             [](const ValueSpec& spec) { return spec.constant.has_value(); })
      .def_property_readonly("constant",
                             [](const ValueSpec& spec) {
                               return spec.constant ? to_python(*spec.constant) : py::none();
                             })
      .def_readonly("tolerance", &ValueSpec::tolerance)
      .def("__repr__", [](const ValueSpec& spec) {
        return "<ValueSpec " + spec.name + ": " + spec.type + ">";
      });
  py::class_<MethodInfo>(module, "MethodInfo")
      .def_readonly("name", &MethodInfo::name)
      .def_readonly("inputs", &MethodInfo::inputs)
      .def_readonly("output", &MethodInfo::output)
      .def_readonly("dimensions", &MethodInfo::dimensions)
      .def("__str__", [](const MethodInfo& method) { return to_string(method); })
      .def("__repr__", [](const MethodInfo& method) { return "<" + to_string(method) + ">"; });
}

void bind_sizes(py::module_& module) {
  py::class_<TensorCount>(module, "TensorCount")
      .def_readonly("tensors", &TensorCount::tensors)
      .def_readonly("elements", &TensorCount::elements)
      .def_readonly("bytes", &TensorCount::bytes);
  py::class_<ModuleSize>(module, "ModuleSize")
      .def_readonly("path", &ModuleSize::path)
      .def_readonly("class_name", &ModuleSize::class_name)
      .def_readonly("parameters", &ModuleSize::parameters)
      .def_readonly("buffers", &ModuleSize::buffers);
}

void bind_records(py::module_& module) {
  py::class_<Producer>(module, "Producer")
      .def_readonly("torchship", &Producer::torchship)
      .def_readonly("torch", &Producer::torch)
      .def_readonly("python", &Producer::python);
  py::class_<SampleInfo>(module, "SampleInfo")
      .def_readonly("method", &SampleInfo::method)
      .def_readonly("origin", &SampleInfo::origin);
  py::class_<EngineInfo>(module, "EngineInfo")
      .def_readonly("id", &EngineInfo::id)
      .def_readonly("method", &EngineInfo::method)
      .def_readonly("target", &EngineInfo::target)
      .def_readonly("checked", &EngineInfo::checked)
      .def_readonly("ratio", &EngineInfo::ratio)
      .def_readonly("beside", &EngineInfo::beside)
      .def_readonly("settings", &EngineInfo::settings);
}

}  // namespace

void bind_info(py::module_& module) {
  bind_promises(module);
  bind_signature(module);
  bind_sizes(module);
  bind_records(module);
  py::class_<ModelInfo>(module, "ModelInfo")
      .def_readonly("path", &ModelInfo::path)
      .def_readonly("format", &ModelInfo::format)
      .def_readonly("format_version", &ModelInfo::format_version)
      .def_readonly("class_name", &ModelInfo::class_name)
      .def_readonly("file_size", &ModelInfo::file_size)
      .def_readonly("methods", &ModelInfo::methods)
      .def_readonly("default_method", &ModelInfo::default_method)
      .def_readonly("parameters", &ModelInfo::parameters)
      .def_readonly("buffers", &ModelInfo::buffers)
      .def_readonly("modules", &ModelInfo::modules)
      .def_readonly("manifest_version", &ModelInfo::manifest_version)
      .def_readonly("producer", &ModelInfo::producer)
      .def_readonly("findings", &ModelInfo::findings)
      .def_readonly("samples", &ModelInfo::samples)
      .def_readonly("has_intermediates", &ModelInfo::has_intermediates)
      .def_readonly("engines", &ModelInfo::engines)
      .def_readonly("metadata", &ModelInfo::metadata);
}

}  // namespace torchship::bindings
