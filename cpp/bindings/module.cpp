#include <pybind11/complex.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>
#include <torchship/torchship.h>

#include "check.h"
#include "convert.h"
#include "graph.h"
#include "info.h"
#include "lint.h"
#include "source.h"

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

Policy policy_named(const std::string& name) {
  if (name == "trusted") return Policy::trusted;
  if (name == "strict") return Policy::strict;
  throw py::value_error("policy must be 'trusted' or 'strict', not '" + name + "'");
}

Model load(const py::object& archive, const std::string& device, const std::string& engine,
           const std::string& weights, bool validate, bool verify, bool verify_digests, const std::string& policy, bool retarget, bool optimize,
           bool warm_up, int threads, int max_concurrent_calls, std::vector<int> cores,
           bool map, const py::object& decrypt, const py::iterable& operator_libraries, bool own_streams,
           bool cuda_graphs) {
  const Source source = source_of(archive, decrypt);
  LoadOptions options;
  options.engine = engine;
  options.weights = weights;
  options.optimize = optimize;
  options.warm_up = warm_up;
  options.own_streams = own_streams;
  options.cuda_graphs = cuda_graphs;
  options.threads = threads;
  options.max_concurrent_calls = max_concurrent_calls;
  options.cores = std::move(cores);
  options.validate = validate;
  options.verify = verify;
  options.verify_digests = verify_digests;
  options.map = map;
  options.policy = policy_named(policy);
  options.retarget = retarget;
  for (const py::handle library : operator_libraries) {
    options.operator_libraries.push_back(path_of(py::reinterpret_borrow<py::object>(library)));
  }
  const py::gil_scoped_release release;
  options.device = parse_device(device);
  return Model(source, options);
}

void raise(const char* name, const Error& error) {
  const py::object type = py::module_::import("torchship.errors").attr(name);
  PyErr_SetObject(type.ptr(), type(error.message(), error.hint()).ptr());
}

/// The exception classes are Python's own, in torchship/errors.py.
void translate(std::exception_ptr pending) {
  if (PyErr_Occurred() != nullptr) return;  // What passes through C++ as it is: hook_of().
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

void bind_engine(py::module_& module) {
  py::class_<PassedOver>(module, "PassedOver")
      .def_readonly("engine", &PassedOver::engine)
      .def_readonly("reason", &PassedOver::reason)
      .def("__repr__", [](const PassedOver& passed) {
        return "<" + passed.engine + ": " + passed.reason + ">";
      });
  py::class_<EngineChoice>(module, "EngineChoice", "Which engine runs a model, and why.")
      .def_readonly("name", &EngineChoice::name)
      .def_readonly("reason", &EngineChoice::reason)
      .def_readonly("passed_over", &EngineChoice::passed_over)
      .def("__repr__", [](const EngineChoice& choice) {
        return "<" + choice.name + ": " + choice.reason + ">";
      });
}

py::class_<Model> bind_model(py::module_& module) {
  py::class_<ObjectHandle>(module, "Object", "An instance of a TorchScript class: only for handing "
                                             "back to the model it came from.")
      .def("__repr__", [](const ObjectHandle& object) { return "<" + describe(object.value) + ">"; });
  return py::class_<Model>(module, "Model", "A loaded model; see torchship.load().")
      .def(py::init(&load), py::arg("path"), py::kw_only(), py::arg("device") = "cpu",
           py::arg("engine") = "auto", py::arg("weights") = "float32", py::arg("validate") = true, py::arg("verify") = true,
           py::arg("verify_digests") = false,
           py::arg("policy") = "trusted", py::arg("retarget") = true, py::arg("optimize") = true,
           py::arg("warm_up") = false, py::arg("threads") = 0, py::arg("max_concurrent_calls") = 0,
           py::arg("cores") = std::vector<int>(), py::arg("map") = true,
           py::arg("decrypt") = py::none(), py::arg("operator_libraries") = py::tuple(),
           py::arg("own_streams") = false, py::arg("cuda_graphs") = false)
      .def_property_readonly("engine", &Model::engine)
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
      .def("call_into",
           [](const Model& model, const std::string& method, const std::vector<py::object>& outputs,
              const py::args& args, const py::kwargs& kwargs) {
             const std::vector<Value> inputs = positional(args);
             const NamedValues by_name = named_values(kwargs);
             std::vector<at::Tensor> tensors;
             for (const py::object& output : outputs) tensors.push_back(memory_from_python(output));
             const py::gil_scoped_release release;
             model.call_into(method, inputs, tensors, by_name);
           },
           py::arg("method"), py::arg("outputs"),
           "Calls a method and leaves the tensors of its result in those given.")
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
  bindings::bind_lint(module);
  bindings::bind_info(module);
  bindings::bind_engine(module);
  py::class_<torchship::Model> model = bindings::bind_model(module);
  bindings::bind_check(module, model);
  bindings::bind_graph(module, model);
  module.def(
      "info",
      [](const py::object& archive, const py::object& decrypt) {
        const torchship::Source source = bindings::source_of(archive, decrypt);
        const py::gil_scoped_release release;
        return torchship::read_info(source);
      },
      py::arg("path"), py::kw_only(), py::arg("decrypt") = py::none());
  module.def(
      "to_torchscript",
      [](const py::object& program, const py::object& decrypt) {
        const torchship::Source source = bindings::source_of(program, decrypt);
        std::string bytes;
        {
          const py::gil_scoped_release release;
          bytes = torchship::to_torchscript(source);
        }
        return py::bytes(bytes);
      },
      py::arg("path"), py::kw_only(), py::arg("decrypt") = py::none());
  module.attr("__version__") = torchship::version();
  module.attr("torch_version") = TORCHSHIP_TORCH_VERSION;
}
