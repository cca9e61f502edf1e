#include "check.h"

#include <pybind11/stl.h>
#include <torchship/check.h>

#include "convert.h"

namespace py = pybind11;

namespace torchship::bindings {
namespace {

CheckReport check(const Model& model) {
  const py::gil_scoped_release release;
  return model.check();
}

/// (node, output, operator, source, tensor) for each result, as the writer of archives records it.
py::list intermediates(const Model& model, const std::string& method, const py::sequence& inputs) {
  std::vector<Value> values;
  for (const py::handle input : inputs) {
    values.push_back(from_python(input));
  }
  std::vector<Intermediate> results;
  {
    const py::gil_scoped_release release;
    results = model.intermediates(method, values);
  }
  py::list list;
  for (const Intermediate& result : results) {
    list.append(py::make_tuple(result.node, result.output, result.operator_name, result.source,
                               to_python(result.value)));
  }
  return list;
}

void bind_samples(py::module_& module) {
  py::class_<OutputCheck>(module, "OutputCheck")
      .def_readonly("name", &OutputCheck::name)
      .def_readonly("absolute", &OutputCheck::absolute)
      .def_readonly("relative", &OutputCheck::relative)
      .def_readonly("normwise", &OutputCheck::normwise)
      .def_readonly("tolerance", &OutputCheck::tolerance)
      .def_readonly("passed", &OutputCheck::passed)
      .def_readonly("problem", &OutputCheck::problem);
  py::class_<SampleCheck>(module, "SampleCheck")
      .def_readonly("sample", &SampleCheck::sample)
      .def_readonly("method", &SampleCheck::method)
      .def_readonly("outputs", &SampleCheck::outputs)
      .def_readonly("error", &SampleCheck::error)
      .def_property_readonly("passed", &SampleCheck::passed);
  py::class_<Departure>(module, "Departure")
      .def_readonly("operator_name", &Departure::operator_name)
      .def_readonly("node", &Departure::node)
      .def_readonly("source", &Departure::source)
      .def_readonly("absolute", &Departure::absolute)
      .def_readonly("relative", &Departure::relative);
}

}  // namespace

void bind_check(py::module_& module, py::class_<Model>& model) {
  bind_samples(module);
  py::class_<CheckReport>(module, "CheckReport")
      .def_readonly("samples", &CheckReport::samples)
      .def_readonly("departure", &CheckReport::departure)
      .def_property_readonly("passed", &CheckReport::passed)
      .def("__bool__", &CheckReport::passed)
      .def("__str__", [](const CheckReport& report) { return to_string(report); })
      .def("__repr__", [](const CheckReport& report) {
        return std::string("<CheckReport ") + (report.passed() ? "passed" : "failed") + ">";
      });
  model.def("check", &check, "Runs the archive's samples and compares the results.")
      .def("_intermediates", &intermediates, py::arg("method"), py::arg("inputs"));
}

}  // namespace torchship::bindings
