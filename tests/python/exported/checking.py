"""What torchship gives for a program, against what torch gives."""

import copy
import math
from pathlib import Path
from typing import Any

import torch
import torchship
from torch import Tensor

from exported.registry import Call, Variant, quiet


def verify(variant: Variant, folder: Path) -> None:
    """Raises AssertionError unless every call gives what torch gives, one after another.

    Run as recorded, results must be torch's to the last bit, unless the case says otherwise; with
    the kernels that torchship prefers, and planned, they must be near. What a call does to its
    arguments and to the model's state counts too.
    """
    path = folder / f"{variant.name}.pt2"
    program = variant.program()
    with quiet():
        torch.export.save(program, path)
        # Matrix products of weights that need gradients are other kernels of LibTorch's.
        module = program.module().requires_grad_(False)
    case = variant.case
    # What a call gives may be a part of the state that the next one changes.
    expected = [copy.deepcopy(results(module, call)) for call in case.calls()]
    ways = {"as recorded": {"optimize": False}, "optimised": {}, "planned": {"engine": "planned"}}
    for way, options in ways.items():
        model = torchship.load(path, **options)
        tolerance = case.tolerance if way == "as recorded" else case.near
        for k, call in enumerate(case.calls()):
            require_same(results(model, call), expected[k], tolerance, f"call {k}, {way}")


def results(model: Any, call: Call) -> dict[str, Any]:
    """What a call returns, and what it leaves in its arguments."""
    with torch.no_grad():
        returned = model(*call.args, **call.kwargs)
    return {"result": returned, "args": call.args, "kwargs": dict(call.kwargs)}


def require_same(actual: Any, expected: Any, tolerance: float | None, where: str) -> None:
    """Compares trees; a named tuple may come as a tuple. No tolerance: bits, NaN included."""
    if isinstance(expected, dict):
        assert isinstance(actual, dict), f"{where}: {type(actual)}"
        assert list(actual) == list(expected), f"{where}: {list(actual)}"
        for key, value in expected.items():
            require_same(actual[key], value, tolerance, f"{where}[{key!r}]")
    elif isinstance(expected, list | tuple):
        kind = list if isinstance(expected, list) else tuple
        assert isinstance(actual, kind), f"{where}: {type(actual)}"
        assert len(actual) == len(expected), f"{where}: {len(actual)} values"
        for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
            require_same(a, e, tolerance, f"{where}[{i}]")
    elif isinstance(expected, Tensor):
        assert isinstance(actual, Tensor), f"{where}: {type(actual)}"
        torch.testing.assert_close(
            *(actual, expected),
            **allowed(expected.dtype, tolerance),
            equal_nan=True,
            check_stride=False,
            msg=lambda text: f"{where}: {text}",
        )
    else:
        assert type(actual) is type(expected), f"{where}: {actual!r}"
        if isinstance(expected, float) and tolerance is not None:
            assert math.isclose(actual, expected, rel_tol=tolerance, abs_tol=tolerance), where
        else:
            assert actual == expected, f"{where}: {actual!r}, not {expected!r}"


def allowed(dtype: torch.dtype, tolerance: float | None) -> dict[str, float]:
    if tolerance is None or not (dtype.is_floating_point or dtype.is_complex):
        return {"rtol": 0.0, "atol": 0.0}
    # The short formats have some three digits.
    least = 2e-2 if dtype in (torch.float16, torch.bfloat16) else 0.0
    return {"rtol": max(tolerance, least), "atol": max(tolerance / 10, least)}
