"""What was made of a source beside the source itself."""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from torchship import _core
from torchship._load import load
from torchship.archives.calls import Call, Json
from torchship.archives.subject import Subject
from torchship.compiling.bridge.exporting import quiet
from torchship.converting.probes import Probe
from torchship.errors import EngineError, Error
from torchship.tracing.compare import compare
from torchship.tracing.replay import one_line
from torchship.tracing.state import seeded

Function = Callable[..., Any]


class Source:
    """The source, run by torchship's interpreter with the very operators that it has."""

    def __init__(self, subject: Subject, method: str) -> None:
        self._path = subject.path
        self._method = method
        self._trying = self.function()

    def function(self) -> Function:
        """The method of a model of its own, which has not been called yet."""
        return self._loaded(optimize=False)

    def _loaded(self, optimize: bool) -> Function:
        model = load(self._path, engine="interpreter", optimize=optimize)
        return lambda *inputs: model.call(self._method, *inputs)

    def takes(self, call: Call) -> bool:
        try:
            run(self._trying, call)
        except Error:
            return False
        return True

    def first_result(self, call: Call) -> tuple[Any, bool]:
        """What the first call of a model gives, and whether other models agree: results may be
        random, or small differences in them grow large."""
        first = run(self.function(), call)[0]
        again = run(self._loaded(optimize=True), call, seed=1)[0]
        return first, not compare(first, again).problem


def run(function: Function, call: Call, seed: int = 0) -> tuple[Any, list[Any]]:
    """The result of a call, and its inputs as it left them."""
    inputs = call.around([each.detach().clone() for each in call.tensors])
    with torch.no_grad(), seeded(seed):
        return function(*inputs), inputs


@dataclass(frozen=True)
class Side:
    """One way to run what was made."""

    name: str
    function: Function


def check(
    subject: Subject, source: Source, made: Path, is_program: bool, probes: Sequence[Probe],
    output: Json | None,
) -> list[str]:  # fmt: skip
    """The labels of all calls on which the source and the file that was made of it agree.

    `output` is the result's spec in the manifest, if there is one. Raises EngineError where a
    result differs.
    """
    with _naming(subject, made):
        model = load(made, engine="interpreter", optimize=False)
        stock = stock_program(made) if is_program else stock_torchscript(made)
        # As it will be loaded, and with the tolerances of its manifest.
        whole = load(made, engine="interpreter", verify_digests=True)
        samples = whole.check().samples if whole.info.samples else []
    _require_passed(subject, samples)
    sides = [Side("torchship", model), Side("stock PyTorch", stock)]
    # One model each, so that what they remember of a call counts in the next.
    original = source.function()
    for probe in probes:
        expected = run(original, probe.call)
        for side in sides:
            problem = _difference(subject, expected, side, probe.call, output)
            if problem:
                raise _differs(subject, side.name, probe.label, problem)
    return [each.label for each in probes]


def _difference(
    subject: Subject, expected: tuple[Any, list[Any]], side: Side, call: Call, output: Json | None
) -> str:
    try:
        result, inputs = run(side.function, call)
    except Exception as error:  # stock PyTorch raises what it likes
        if "Tracer cannot infer type" in str(error):
            raise EngineError(
                f"{subject.path}: a list or dict among its arguments has values of several kinds, "
                "which Python cannot hand to TorchScript",
                "torchship runs the exported program as it is",
            ) from error
        return f"it fails: {one_line(error)}"
    problem = _other_kinds(expected[0], result, "the result")
    problem = problem or compare(expected[0], result, spec=output).problem
    return problem or compare(expected[1], inputs, "what the call leaves in its inputs").problem


def _other_kinds(expected: Any, got: Any, name: str) -> str:
    """compare() takes a tuple for a list, and 1 for 1.0 and True."""
    kinds = [_kind(expected), _kind(got)]
    if kinds[0] != kinds[1]:
        return f"{name} is a {kinds[1]}, not a {kinds[0]}"
    if isinstance(expected, list | tuple) and len(expected) == len(got):
        pairs = enumerate(zip(expected, got, strict=True))
        found = (_other_kinds(a, b, f"{name}[{i}]") for i, (a, b) in pairs)
    elif isinstance(expected, dict) and list(expected) == list(got):
        found = (_other_kinds(expected[key], got[key], f"{name}[{key!r}]") for key in expected)
    else:
        return ""
    return next((each for each in found if each), "")


def _kind(value: Any) -> str:
    kinds = (torch.Tensor, dict, list, tuple)
    found = next((kind for kind in kinds if isinstance(value, kind)), type(value))
    return found.__name__


def _require_passed(subject: Subject, samples: Sequence[_core.SampleCheck]) -> None:
    for sample in samples:
        if sample.error:
            raise _differs(subject, "torchship", f"sample {sample.sample}", sample.error)
        for output in sample.outputs:
            if not output.passed:
                what = output.problem or f"is off by up to {output.absolute:.3g}"
                problem = f"{output.name}: {what}"
                raise _differs(subject, "torchship", f"sample {sample.sample}", problem)


def _differs(subject: Subject, side: str, label: str, problem: str) -> EngineError:
    return EngineError(
        f"{subject.path}: what was made of it, run by {side} with {label}, differs: {problem}",
        "nothing was written; keep the file as it is, and please report this",
    )


def stock_torchscript(path: Path) -> Function:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.load` ", DeprecationWarning)
        return torch.jit.load(path, map_location="cpu").eval()


def stock_program(path: Path) -> Function:
    # An open file: PyTorch has an opinion on the ending of names.
    with quiet(), open(path, "rb") as file:
        return torch.export.load(file).module()


@contextlib.contextmanager
def _naming(subject: Subject, made: Path) -> Iterator[None]:
    """Errors about the file that was made, which has no name that anybody knows."""
    try:
        yield
    except Exception as error:  # stock PyTorch raises what it likes
        reason = error.message if isinstance(error, Error) else one_line(error)
        reason = reason.replace(f"{made}: ", "").replace(str(made), "it")
        raise EngineError(
            f"{subject.path}: what was made of it cannot be loaded: {reason}",
            "nothing was written; keep the file as it is, and please report this",
        ) from error
