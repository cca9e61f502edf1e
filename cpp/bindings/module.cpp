#include <pybind11/complex.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>
#include <torchship/torchship.h>

#include "check.h"
#include "convert.h"
#include "graph.h"
#include "info.h"

namespace py = pybind11;

namespace torchship::bindings {
namespace {

std::vector<Value> positional(const py::args& args) {
  std::vector<Value> values;
  values.reserve(args.size());
  for (const py::handle argument : args) {
    values.push_back(from_python(argument));
  }
  return values;
}

py::object call(const Model& model, std::string_view method, const std::vector<Value>& inputs,
                const NamedValues& by_name) {
  Value result;
  {
    const py::gil_scoped_release release;
    result = model.call(method, inputs, by_name);
  }
  return to_python(result);
}

/// The default method, by a name that Model::call() takes; Model::run() words its absence.
std::string_view default_method(const Model& model) {
  if (model.info().default_method.empty()) {
    model.run({});
  }
  return model.info().default_method;
}

/// str, bytes or os.PathLike, whatever bytes are in it.
std::filesystem::path path_of(const py::object& path) {
  return py::module_::import("os").attr("fsencode")(path).cast<std::string>();
}

Model load(const py::object& archive, const std::string& device, bool validate, bool verify,
           bool retarget) {
  const std::filesystem::path path = path_of(archive);
  const py::gil_scoped_release release;
  return Model(path, LoadOptions{.device = parse_device(device),
                                 .validate = validate,
                                 .verify = verify,
                                 .retarget = retarget});
}

void raise(const char* name, const Error& error) {
  const py::object type = py::module_::import("torchship.errors").attr(name);
  PyErr_SetObject(type.ptr(), type(error.message(), error.hint()).ptr());
}

/// The exception classes are Python's own, in torchship/errors.py.
void translate(std::exception_ptr pending) {
  try {
    std::rethrow_exception(std::move(pending));
  } catch (const ArchiveError& error) {
    raise("ArchiveError", error);
  } catch (const SignatureError& error) {
    raise("SignatureError", error);
  } catch (const DeviceError& error) {
    raise("DeviceError", error);
  } catch (const EngineError& error) {
    raise("EngineError", error);
  }
}

py::class_<Model> bind_model(py::module_& module) {
  py::class_<ObjectHandle>(module, "Object", "An instance of a TorchScript class: only for handing "
                                             "back to the model it came from.")
      .def("__repr__", [](const ObjectHandle& object) { return "<" + describe(object.value) + ">"; });
  return py::class_<Model>(module, "Model", "A loaded model; see torchship.load().")
      .def(py::init(&load), py::arg("path"), py::kw_only(), py::arg("device") = "cpu",
           py::arg("validate") = true, py::arg("verify") = true,
           py::arg("retarget") = true)
      .def_property_readonly("info", &Model::info)
      .def_property_readonly("device", [](const Model& model) { return model.device().str(); })
      .def("__call__",
           [](const Model& model, const py::args& args, const py::kwargs& kwargs) {
             return call(model, default_method(model), positional(args), named_values(kwargs));
           },
           "Calls the default method, arguments by position or by name.")
      .def("run",
           [](const Model& model, const py::dict& inputs) {
             return call(model, default_method(model), {}, named_values(inputs));
           },
           py::arg("inputs"), "Calls the default method with a dict of inputs by name.")
      .def("call",
           [](const Model& model, const std::string& method, const py::args& args,
              const py::kwargs& kwargs) {
             return call(model, method, positional(args), named_values(kwargs));
           },
           py::arg("method"), "Calls a method of info.methods.")
      .def("__repr__", [](const Model& model) {
        return "<torchship.Model " + model.info().path.string() + " on " + model.device().str() +
               ">";
      });
}

}  // namespace
}  // namespace torchship::bindings

PYBIND11_MODULE(_core, module) {
  namespace bindings = torchship::bindings;
  py::register_exception_translator(&bindings::translate);
  bindings::bind_info(module);
  py::class_<torchship::Model> model = bindings::bind_model(module);
  bindings::bind_check(module, model);
  bindings::bind_graph(module, model);
  module.def(
      "info",
      [](const py::object& archive) {
        const std::filesystem::path path = bindings::path_of(archive);
        const py::gil_scoped_release release;
        return torchship::read_info(path);
      },
      py::arg("path"));
  module.attr("__version__") = torchship::version();
  module.attr("torch_version") = TORCHSHIP_TORCH_VERSION;
}
