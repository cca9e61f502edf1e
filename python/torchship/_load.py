"""Loading and checking an archive."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal

import torch  # noqa: F401  (the compiled module needs its libraries)

from torchship import _core
from torchship._core import CheckReport, Model
from torchship._listed import listed

if TYPE_CHECKING:
    from torchship._source import Archive


def load(
    path: Archive,
    *,
    device: str = "cpu",
    engine: str = "auto",
    weights: Literal["float32", "bfloat16", "int8"] = "float32",
    validate: bool = True,
    verify: bool = True,
    verify_digests: bool = False,
    policy: Literal["trusted", "strict"] = "trusted",
    retarget: bool = True,
    optimize: bool = True,
    map: bool = True,
    decrypt: Callable[[bytes], bytes] | None = None,
    warm_up: bool = False,
    threads: int = 0,
    max_concurrent_calls: int = 0,
    cores: Iterable[int] = (),
    operator_libraries: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] = (),
    own_streams: bool = False,
    cuda_graphs: bool = False,
) -> Model:
    """Loads an archive to a device ("cpu", "cuda" or "cuda:1") and returns the C++ model.

    The model is called like the module it was made of: `model(x)`, `model(x, mask=m)`. Tensors go
    in and come out without a copy when they are on the model's device; results are on the device of
    the first tensor given. Any number of threads may call one model; the GIL is released meanwhile.

    `validate` compares every call with what the archive's manifest promises: dtypes, sizes, sizes
    that must agree. `verify` compares every record with its checksum, so that a damaged weight is
    an error and never a wrong answer; it reads the whole file. `verify_digests` compares with the
    SHA-256 in the manifest instead, which takes longer, and finds changes that mended the checksum.

    `map` uses the weights where the file is in memory already: models of one file share them, in
    this process and in others. Such a file may be deleted or replaced, but must not be written into
    or cut short while the model lives.

    `path` may also be bytes or another buffer, or a binary file: a pipe, `io.BytesIO`. `decrypt` is
    called with the bytes of an encrypted archive and returns those of the archive; they are only
    ever in memory. docs/loading.md.

    `policy="strict"` is for files from strangers: what they must not have is refused before any of
    their code runs. `retarget` puts `device` in the place of other devices that the code names, as
    traces do; the archive's samples are run again then, and must agree. `operator_libraries`
    are shared libraries with operators that the model needs; they are loaded for good.

    `engine` is "auto", "planned", "interpreter", or the id of a compiled engine; `model.engine`
    says which one it is and why. `optimize` prepares every method for inference; without it every
    operator runs as it was recorded, and gives the bits that LibTorch gives. `warm_up` makes the
    calls that are slow while loading.

    `weights` says how linear layers keep theirs: "bfloat16" takes half the memory and, where few
    rows are multiplied, half the time; "int8" a quarter of both. They cost accuracy, which
    `check(path, weights=...)` tells; docs/planned.md.

    `threads` is how many one operator may use; 0 shares PyTorch's number between the calls that run
    at that moment. `max_concurrent_calls` lets more calls wait for their turn. `cores` are the only
    ones that calls may use.

    On CUDA a call computes on PyTorch's current stream and does not wait for results that stay on
    the device. `own_streams` gives each calling thread a stream of its own, in order with that one;
    `cuda_graphs` launches calls whose sizes came before as one CUDA graph. docs/cuda.md.

    Raises ArchiveError, DeviceError or EngineError.
    """
    return Model(
        path,
        device=device,
        engine=engine,
        weights=weights,
        validate=validate,
        verify=verify,
        verify_digests=verify_digests,
        policy=policy,
        retarget=retarget,
        optimize=optimize,
        map=map,
        decrypt=decrypt,
        warm_up=warm_up,
        threads=threads,
        max_concurrent_calls=max_concurrent_calls,
        cores=list(cores),
        operator_libraries=listed(operator_libraries),
        own_streams=own_streams,
        cuda_graphs=cuda_graphs,
    )


def lint(
    path: Archive,
    *,
    ignore: str | Iterable[str] = (),
    audit: bool = False,
    decrypt: Callable[[bytes], bytes] | None = None,
) -> list[_core.Finding]:
    """Finds what is wrong or dangerous with an archive, without running any of its code.

    The findings are sorted by severity; each has a code, a place, the line of the author's source
    where the archive tells, a reason and a hint. `ignore` leaves out codes ("random") or single
    findings ("random@net.py:12", "random@decoder.sampler"). `audit` looks for what a file from a
    stranger must not have as well. docs/lint.md lists the codes. `path` and `decrypt` are as in
    load().

    Raises ArchiveError when the file is no model.
    """
    return _core.lint(path, ignore=listed(ignore), audit=audit, decrypt=decrypt)


def check(
    path: Archive,
    *,
    device: str = "cpu",
    engine: str = "auto",
    weights: Literal["float32", "bfloat16", "int8"] = "float32",
) -> CheckReport:
    """Runs an archive's samples on a device and compares with what the eager model gave at home.

    `engine` and `weights` are as in load(): what weights of fewer bits cost is seen in `normwise`
    of the report's outputs, the norm of the difference over that of the result.

    The report is true when everything passed; its str() is a table. A model that fails on a sample
    is reported. All records are compared with their digests before. Raises ArchiveError when the
    archive is damaged or holds no samples, and DeviceError.
    """
    model = load(path, device=device, engine=engine, weights=weights, verify_digests=True)
    return model.check()
