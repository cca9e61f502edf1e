"""torchship through ctypes and NumPy, without torchship's Python package and without torch.

run.py LIBTORCHSHIP ARCHIVE
"""

import ctypes
import sys

import numpy

POINTER = ctypes.c_void_p
TEXT = ctypes.c_char_p

# DLPack's own word for a tensor that is on offer, and one that was taken.
OFFERED, TAKEN = b"dltensor", b"used_dltensor"


def declared(function, result, *arguments):
    function.restype, function.argtypes = result, arguments
    return function


new_capsule = declared(ctypes.pythonapi.PyCapsule_New, ctypes.py_object, POINTER, TEXT, POINTER)
pointer_in = declared(ctypes.pythonapi.PyCapsule_GetPointer, POINTER, ctypes.py_object, TEXT)
rename = declared(ctypes.pythonapi.PyCapsule_SetName, ctypes.c_int, ctypes.py_object, TEXT)


class Result:
    """A tensor that numpy.from_dlpack() takes."""

    def __init__(self, managed):
        self._managed = managed

    def __dlpack__(self, **options):
        return new_capsule(self._managed, OFFERED, None)

    def __dlpack_device__(self):
        return 1, 0


class Library:
    """The functions of c_api.h that are needed here."""

    def __init__(self, path):
        library = ctypes.CDLL(path)
        self.message = declared(library.ts_error_message, TEXT)
        self.load = declared(library.ts_model_load, POINTER, TEXT, POINTER)
        self.free_model = declared(library.ts_model_free, None, POINTER)
        self.from_dlpack = declared(library.ts_value_from_dlpack, POINTER, POINTER)
        self.to_dlpack = declared(library.ts_value_to_dlpack, POINTER, POINTER)
        self.free_value = declared(library.ts_value_free, None, POINTER)
        self.call = declared(
            library.ts_model_call,
            POINTER,
            POINTER,
            TEXT,
            ctypes.POINTER(POINTER),
            ctypes.POINTER(TEXT),
            ctypes.c_size_t,
        )

    def required(self, pointer):
        if pointer is None:
            raise RuntimeError(self.message().decode())
        return pointer


class Model:
    """An archive as a function of NumPy arrays; nothing is copied on the way in or out."""

    def __init__(self, library, path):
        self.library = library
        self.model = library.required(library.load(path.encode(), None))

    def __del__(self):
        self.library.free_model(getattr(self, "model", None))

    def value(self, array):
        capsule = array.__dlpack__()
        value = self.library.required(self.library.from_dlpack(pointer_in(capsule, OFFERED)))
        rename(capsule, TAKEN)
        return value

    def __call__(self, *arrays):
        values = (POINTER * len(arrays))(*map(self.value, arrays))
        answer = self.library.call(self.model, None, values, None, len(values))
        try:
            managed = self.library.to_dlpack(self.library.required(answer))
            return numpy.from_dlpack(Result(self.library.required(managed)))
        finally:
            for value in (*values, answer):
                self.library.free_value(value)


def main(library, archive):
    model = Model(Library(library), archive)
    numbers = numpy.ones((1, 3), dtype=numpy.float32)
    print(f"{model(numbers).item():.9g}")
    numbers[0, 0] = 2
    print(f"{model(numbers).item():.9g}")
    try:
        model(numbers, numbers)
    except RuntimeError as error:
        print(error, file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
    assert not {"torch", "torchship"} & set(sys.modules)
