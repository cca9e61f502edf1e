"""Proves that no element is copied: an archive that gives its input back, called through ctypes.

no_copy.py LIBTORCHSHIP IDENTITY
"""

import gc
import sys
import weakref

import numpy
from run import Library, Model


def address(array):
    return array.__array_interface__["data"][0]


class Row(numpy.ndarray):
    """An array that can be watched."""


def main(library, archive):
    model = Model(Library(library), archive)
    numbers = numpy.arange(6, dtype=numpy.float64).reshape(2, 3)
    for view in (numbers, numbers.T, numbers[1:, ::2]):
        same = model(view)
        assert address(same) == address(view)
        assert same.strides == view.strides and (same == view).all()
    numbers[1, 0] = 7
    assert same[0, 0] == 7

    watched = numpy.zeros(1000).view(Row)
    gone = weakref.ref(watched)
    same = model(watched)
    del watched, model
    gc.collect()
    assert gone() is not None, "the result is still its memory"
    del same
    gc.collect()
    assert gone() is None, "nothing uses the memory any more"
    print("no copies")


if __name__ == "__main__":
    main(*sys.argv[1:])
