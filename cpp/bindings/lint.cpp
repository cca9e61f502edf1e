#include "lint.h"

#include <pybind11/stl.h>
#include <torchship/lint.h>

#include "convert.h"
#include "source.h"

namespace py = pybind11;

namespace torchship::bindings {
namespace {

/// "net.py:12", or the module or record, or nothing.
std::string where(const Finding& finding) {
  return finding.file.empty() ? finding.place
                              : finding.file + ":" + std::to_string(finding.line);
}

std::string text_of(const Finding& finding) {
  const std::string place = where(finding);
  std::string text = finding.severity + ": " + finding.code + ": " +
                     (place.empty() ? "" : place + ": ") + finding.message;
  if (!finding.source.empty()) text += "\n    " + finding.source;
  if (!finding.hint.empty()) text += "\n    " + finding.hint;
  return text;
}

std::vector<Finding> run_lint(const py::object& archive, std::vector<std::string> ignore,
                              bool audit, const py::object& decrypt) {
  const Source source = source_of(archive, decrypt);
  const py::gil_scoped_release release;
  return lint(source, {.ignore = std::move(ignore), .audit = audit});
}

}  // namespace

void bind_lint(py::module_& module) {
  py::class_<Finding>(module, "Finding")
      .def_readonly("code", &Finding::code)
      .def_readonly("severity", &Finding::severity)
      .def_readonly("message", &Finding::message)
      .def_readonly("hint", &Finding::hint)
      .def_readonly("method", &Finding::method)
      .def_readonly("place", &Finding::place)
      .def_readonly("file", &Finding::file)
      .def_readonly("line", &Finding::line)
      .def_readonly("source", &Finding::source)
      .def("__str__", &text_of)
      .def("__repr__", [](const Finding& finding) {
        const std::string place = where(finding);
        return "<Finding " + finding.severity + " " + finding.code +
               (place.empty() ? "" : " at " + place) + ">";
      });
  module.def("lint", &run_lint, py::arg("path"), py::kw_only(),
             py::arg("ignore") = std::vector<std::string>(), py::arg("audit") = false,
             py::arg("decrypt") = py::none(),
             "Find what is wrong with an archive, without running any of its code.");
  module.def(
      "load_operator_library",
      [](const py::object& library) { load_operator_library(path_of(library)); },
      py::arg("library"));
}

}  // namespace torchship::bindings
