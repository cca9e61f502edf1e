#include "convert.h"

#include <torch/csrc/autograd/python_variable.h>
#include <torchship/error.h>

namespace py = pybind11;

static_assert(PYBIND11_VERSION_MAJOR == TORCHSHIP_PYBIND11_MAJOR &&
                  PYBIND11_VERSION_MINOR == TORCHSHIP_PYBIND11_MINOR,
              "LibTorch's copy of pybind11 came before the pybind11 package");

namespace torchship::bindings {
namespace {

std::vector<Value> items_of(py::handle sequence) {
  std::vector<Value> items;
  items.reserve(py::len(sequence));
  for (const py::handle item : sequence) {
    items.push_back(from_python(item));
  }
  return items;
}

Value from_tuple(py::handle object) {
  std::vector<std::string> names;
  if (py::hasattr(object, "_fields")) {
    names = object.attr("_fields").cast<std::vector<std::string>>();
  }
  return Value::tuple(items_of(object), std::move(names));
}

Value from_dict(py::handle object) {
  Value::Entries entries;
  for (const auto& [key, value] : py::reinterpret_borrow<py::dict>(object)) {
    entries.emplace_back(from_python(key), from_python(value));
  }
  return Value::dict(std::move(entries));
}

Value from_integer(py::handle object) {
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(object.ptr(), &overflow);
  if (overflow != 0) {
    throw SignatureError("int " + py::str(object).cast<std::string>() +
                         " does not fit into 64 bits");
  }
  return value;
}

bool has_negative_stride(py::handle array) {
  if (!py::hasattr(array, "strides") || !py::isinstance<py::tuple>(array.attr("strides"))) return false;
  for (const py::handle stride : array.attr("strides")) {
    if (stride.cast<std::int64_t>() < 0) return true;
  }
  return false;
}

/// LibTorch ends the process where strides are negative, as those of x[::-1] are.
py::object from_dlpack(py::handle array) {
  const py::object given = has_negative_stride(array) ? array.attr("copy")()
                                                      : py::reinterpret_borrow<py::object>(array);
  return py::module_::import("torch").attr("from_dlpack")(given);
}

/// NumPy's scalars and other types that stand for a plain value.
Value from_protocol(py::handle object) {
  // NumPy's scalars have __dlpack__ too, but no length.
  if (py::hasattr(object, "__dlpack__") && py::hasattr(object, "__len__")) {
    return from_python(from_dlpack(object));
  }
  if (PyIndex_Check(object.ptr()) != 0) {
    const auto number = py::reinterpret_steal<py::object>(PyNumber_Index(object.ptr()));
    if (!number) {
      throw py::error_already_set();
    }
    return from_integer(number);
  }
  if (py::hasattr(object, "__float__")) {
    return py::float_(py::reinterpret_borrow<py::object>(object)).cast<double>();
  }
  if (py::hasattr(object, "__dlpack__")) {
    return from_python(from_dlpack(object));
  }
  throw SignatureError("a value of type '" +
                           py::str(py::type::of(object).attr("__name__")).cast<std::string>() +
                           "' cannot be passed to a model",
                       "supported are tensors (and anything with __dlpack__), numbers, bool, str, "
                       "None, and lists, tuples and dicts of them");
}

py::object named_tuple(const py::tuple& items, const std::vector<std::string>& names) {
  static py::object& make =
      *new py::object(py::module_::import("torchship._named_tuple").attr("named_tuple"));
  return make(py::tuple(py::cast(names)))(*items);
}

py::object from_items(const Value& value) {
  const std::vector<Value>& items = value.items();
  if (value.kind() == Kind::list) {
    py::list list(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
      list[i] = to_python(items[i]);
    }
    return list;
  }
  py::tuple tuple(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    tuple[i] = to_python(items[i]);
  }
  return value.names().empty() ? py::object(tuple) : named_tuple(tuple, value.names());
}

py::object from_entries(const Value& value) {
  py::dict dict;
  for (const auto& [key, item] : value.entries()) {
    dict[to_python(key)] = to_python(item);
  }
  return dict;
}

}  // namespace

Value from_python(py::handle object) {
  PyObject* raw = object.ptr();
  if (THPVariable_Check(raw)) return THPVariable_Unpack(raw);
  if (object.is_none()) return {};
  if (PyBool_Check(raw)) return raw == Py_True;
  if (PyLong_Check(raw)) return from_integer(object);
  if (PyFloat_Check(raw)) return PyFloat_AS_DOUBLE(raw);
  if (PyComplex_Check(raw)) return object.cast<std::complex<double>>();
  if (PyUnicode_Check(raw)) return object.cast<std::string>();
  if (PyList_Check(raw)) return Value::list(items_of(object));
  if (PyTuple_Check(raw)) return from_tuple(object);
  if (PyDict_Check(raw)) return from_dict(object);
  if (py::isinstance<ObjectHandle>(object)) return object.cast<const ObjectHandle&>().value;
  return from_protocol(object);
}

at::Tensor memory_from_python(py::handle object) {
  const auto flags = py::getattr(object, "flags", py::none());
  if (py::hasattr(flags, "writeable") && !flags.attr("writeable").cast<bool>()) {
    throw SignatureError("an output is a read-only array", "give memory that may be written");
  }
  if (has_negative_stride(object)) {
    throw SignatureError("an output is an array with negative strides", "give one without");
  }
  const Value value = from_python(object);
  if (!value.is_tensor()) {
    throw SignatureError("an output is " + describe(value) + ", not a tensor",
                         "give a tensor, or anything with __dlpack__");
  }
  return value.tensor();
}

py::object to_python(const Value& value) {
  switch (value.kind()) {
    case Kind::tensor:
      return py::reinterpret_steal<py::object>(THPVariable_Wrap(value.tensor()));
    case Kind::boolean: return py::bool_(value.boolean());
    case Kind::integer: return py::int_(value.integer());
    case Kind::floating: return py::float_(value.floating());
    case Kind::complex: return py::cast(value.complex());
    case Kind::string: return py::str(value.string());
    case Kind::list:
    case Kind::tuple: return from_items(value);
    case Kind::dict: return from_entries(value);
    case Kind::object: return py::cast(ObjectHandle{value});
    default: return py::none();
  }
}

NamedValues named_values(const py::dict& items) {
  NamedValues values;
  for (const auto& [name, value] : items) {
    if (!py::isinstance<py::str>(name)) {
      throw SignatureError("inputs by name need names that are str, got " +
                           py::repr(name).cast<std::string>());
    }
    values.emplace_back(name.cast<std::string>(), from_python(value));
  }
  return values;
}

std::filesystem::path path_of(const py::object& path) {
  return py::module_::import("os").attr("fsencode")(path).cast<std::string>();
}

}  // namespace torchship::bindings
