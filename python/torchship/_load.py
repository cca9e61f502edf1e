"""Loading and checking an archive."""

import os

import torch  # noqa: F401  (the compiled module needs its libraries)

from torchship._core import CheckReport, Model


def load(
    path: str | os.PathLike[str],
    *,
    device: str = "cpu",
    validate: bool = True,
    verify: bool = True,
    retarget: bool = True,
) -> Model:
    """Loads an archive to a device ("cpu", "cuda" or "cuda:1") and returns the C++ model.

    The model is called like the module it was made of: `model(x)`, `model(x, mask=m)`. Tensors go
    in and come out without a copy when they are on the model's device; results are on the device of
    the first tensor given. Any number of threads may call one model; the GIL is released meanwhile.

    `validate` compares every call with what the archive's manifest promises: dtypes, sizes, sizes
    that must agree. `verify` compares every record with its digest, so that a damaged weight is an
    error and never a wrong answer; it reads the whole file.

    `retarget` puts `device` in the place of other devices that the code names, as traces do; the
    archive's samples are run again then, and must agree.

    Raises ArchiveError or DeviceError.
    """
    return Model(path, device=device, validate=validate, verify=verify, retarget=retarget)


def check(path: str | os.PathLike[str], *, device: str = "cpu") -> CheckReport:
    """Runs an archive's samples on a device and compares with what the eager model gave at home.

    The report is true when everything passed; its str() is a table. A model that fails on a sample
    is reported. Raises ArchiveError when the archive is damaged or holds no samples, and
    DeviceError.
    """
    return load(path, device=device).check()
