"""The file of either format."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from torchship import _program
from torchship._archive import PLACES, write_archive
from torchship.archives.calls import Json, Method
from torchship.archives.describe import method_json
from torchship.archives.signature import method_spec
from torchship.archives.subject import Subject
from torchship.compiling.bridge import BridgeError, exported
from torchship.compiling.bridge.sizes import Sizes
from torchship.converting.boundary import narrowed_sizes, with_boundary
from torchship.converting.carried import (
    Carried,
    add_sample,
    fitting_samples,
    one_method,
    whole,
)
from torchship.converting.checking import Source
from torchship.errors import EngineError

TORCHSCRIPT = "torchscript"
PROGRAM = "exported program"


@dataclass
class Made:
    """What was written, and how it is to be tried."""

    method: Method  # of the source, with the sizes that the new file takes
    samples: list[int]  # those of the source's that the new file has, by number
    output: Json | None  # the result's spec in the manifest
    notes: list[str] = field(default_factory=list)


def make_torchscript(
    subject: Subject, method: Method, source: Source, path: Path, keep_examples: bool
) -> Made:
    """An exported program as a TorchScript archive."""
    content = subject.torchscript
    carried = whole(subject, TORCHSCRIPT)
    manifest = carried.manifest
    manifest.setdefault("default_method", method.name)
    manifest["methods"] = manifest.get("methods") or [method_json(subject.method_info(method.name))]
    if not method.samples:
        add_sample(carried, method, source, keep_examples)
    _write(subject, path, lambda file: file.write(content), carried, TORCHSCRIPT)
    return Made(method, list(range(len(method.samples))), manifest["methods"][0]["output"])


def make_program(
    subject: Subject,
    method: Method,
    source: Source,
    path: Path,
    keep_examples: bool,
    dynamic: Mapping[str, Any] | None,
) -> Made:
    """A method of a TorchScript archive as an exported program."""
    try:
        made = exported(subject.module, method.name, method.call.inputs, method.dynamic)
        program = with_boundary(made, method, narrowed_sizes(method.dynamic, made.ranges))
    except (BridgeError, EngineError) as error:
        raise EngineError(f"{subject.path}: {error.message}", error.hint) from error
    sizes = Sizes(method.dynamic)
    supported = made.ranges
    left = replace(method, dynamic=narrowed_sizes(method.dynamic, supported))
    samples = fitting_samples(subject, method, supported)
    carried = one_method(subject, method, samples, supported, PROGRAM)
    manifest = carried.manifest
    if dynamic is not None or not manifest["methods"]:
        with torch.no_grad():
            results = made.program.module()(*method.call.tensors)
        names, call = method.argument_names, method.call
        spec = method_spec("forward", names, call, left.dynamic, made.output, results, {})
        manifest["methods"] = [spec]
    if not samples:
        add_sample(carried, left, source, keep_examples)
    keeps = keep_examples and method.origin == "example"
    _write(subject, path, _program.writer(program, keeps), carried, PROGRAM)
    notes = [str(each) for each in sizes.restricted(supported)]
    return Made(left, samples, manifest["methods"][0]["output"], notes)


def _write(subject: Subject, path: Path, write: Any, carried: Carried, target: str) -> None:
    with TemporaryDirectory(prefix="torchship-convert-") as folder:
        files = carried.files(subject, Path(folder))
        tensors = {PLACES[target].samples: carried.samples}
        write_archive(write, path, carried.manifest, tensors, files)
