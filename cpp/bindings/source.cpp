#include "source.h"

#include <stdexcept>

#include "convert.h"

namespace py = pybind11;

namespace torchship::bindings {
namespace {

/// Python's objects are let go with the GIL, which whoever drops a Source or a Model may not have.
template <typename Object>
std::shared_ptr<Object> kept(Object* object) {
  return {object, [](Object* last) {
            const py::gil_scoped_acquire acquire;
            delete last;
          }};
}

Source buffer_source(const py::object& buffer) {
  const auto view = kept(new py::buffer_info(py::buffer(buffer).request()));
  // Several dimensions and gaps are for arrays; an archive is a row of bytes.
  if (PyBuffer_IsContiguous(view->view(), 'C') == 0) {
    throw py::type_error("an archive in memory must be contiguous");
  }
  const std::span bytes(static_cast<const std::byte*>(view->ptr),
                        static_cast<std::size_t>(view->size * view->itemsize));
  return Source::memory(bytes, "<bytes>", view);
}

/// Files become (descriptor, name), or bytes and a name.
Source file_source(const py::object& file) {
  const py::tuple opened = py::module_::import("torchship._source").attr("opened")(file);
  const auto name = opened[1].cast<std::string>();
  if (py::isinstance<py::int_>(opened[0])) return Source::descriptor(opened[0].cast<int>(), name);
  const auto bytes = kept(new py::bytes(opened[0]));
  const std::string_view view = *bytes;
  return Source::memory(std::as_bytes(std::span(view)), name, bytes);
}

Source plain_source(const py::object& archive) {
  if (PyObject_CheckBuffer(archive.ptr()) != 0) return buffer_source(archive);
  if (py::hasattr(archive, "read")) return file_source(archive);
  return Source(path_of(archive));
}

Source::Decrypt hook_of(const py::object& decrypt) {
  const auto hook = kept(new py::object(decrypt));
  return [hook](std::span<const std::byte> bytes) {
    const py::gil_scoped_acquire acquire;
    try {
      const py::object result =
          (*hook)(py::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
      if (PyObject_CheckBuffer(result.ptr()) == 0) {
        const auto kind = py::str(py::type::of(result).attr("__name__")).cast<std::string>();
        throw std::runtime_error("decrypt returned " + kind + ", not bytes");
      }
      const py::bytes plain(py::module_::import("builtins").attr("bytes")(result));
      const auto* const start = reinterpret_cast<const std::byte*>(PyBytes_AS_STRING(plain.ptr()));
      return std::vector(start, start + PyBytes_GET_SIZE(plain.ptr()));
    } catch (py::error_already_set& error) {
      if (!error.matches(PyExc_Exception)) {
        error.restore();  // Ctrl-C is nobody's to explain: translate() lets it pass.
        throw std::runtime_error("it was interrupted");
      }
      // Its text needs the GIL, so it is taken here.
      const auto kind = py::str(error.type().attr("__name__")).cast<std::string>();
      throw std::runtime_error(kind + ": " + py::str(error.value()).cast<std::string>());
    }
  };
}

}  // namespace

Source source_of(const py::object& archive, const py::object& decrypt) {
  Source source = plain_source(archive);
  return decrypt.is_none() ? source : Source::decrypted(std::move(source), hook_of(decrypt));
}

}  // namespace torchship::bindings
