"""Loading an archive."""

import os

import torch  # noqa: F401  (the compiled module needs its libraries)

from torchship._core import Model


def load(path: str | os.PathLike[str], *, device: str = "cpu") -> Model:
    """Loads an archive to a device ("cpu", "cuda" or "cuda:1") and returns the C++ model.

    The model is called like the module it was made of: `model(x)`, `model(x, mask=m)`. Tensors go
    in and come out without a copy when they are on the model's device; results are on the device of
    the first tensor given. Any number of threads may call one model; the GIL is released meanwhile.

    Raises ArchiveError or DeviceError.
    """
    return Model(path, device=device)
