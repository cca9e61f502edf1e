"""The exported program beside the method that it was made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from torchship.compiling.bridge.exporting import Attempt
from torchship.compiling.bridge.runner import Runner
from torchship.compiling.bridge.sizes import (
    Restriction,
    fits,
    inputs_of,
    sizes_to_check,
    smallest,
)
from torchship.tracing.compare import compare
from torchship.tracing.state import seeded
from torchship.tracing.structure import Structure, rebuild


class Original:
    """The TorchScript method, called with flat tensors; leaves them as they were."""

    def __init__(self, script: torch.jit.ScriptModule, method: str, runner: Runner) -> None:
        self._method = script._c._get_method(method)
        self._runner = runner

    def __call__(self, tensors: Sequence[Tensor]) -> Any:
        own = [each.detach().clone(memory_format=torch.contiguous_format) for each in tensors]
        # The profiling executor would compile anew for each shape.
        with torch.no_grad(), seeded(0), torch.jit.optimized_execution(False):
            # Where it names a device that is not here, its graph run on the CPU is what there is.
            if self._runner.names_devices():
                return self._runner.by_itself(own)
            return self._method(*self._runner.arguments.around(own))

    def takes(self, tensors: Sequence[Tensor]) -> bool:
        try:
            self(tensors)
        except Exception:
            return False
        return True


def run_flat(function: Any, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    with torch.no_grad(), seeded(0):
        return tuple(
            function(
                *(each.detach().clone(memory_format=torch.contiguous_format) for each in tensors)
            )
        )


def different(expected: Any, got: Any) -> str:
    return compare(expected, got).problem


def named(structure: Structure, value: Any) -> Structure:
    """The structure with the field names that the tuples of an actual result have."""
    if structure.kind in ("list", "tuple"):
        values = list(value) if isinstance(value, list | tuple) else []
    elif structure.kind == "dict":
        values = list(value.values()) if isinstance(value, dict) else []
    else:
        return structure
    if len(values) != len(structure.items):
        return structure
    items = tuple(map(named, structure.items, values))
    fields = tuple(getattr(value, "_fields", ()))
    names = {"keys": fields, "type_name": "Result"} if fields else {}
    keys = {"keys": structure.keys, "type_name": ""}
    return Structure(structure.kind, items=items, **{**keys, **names})


@dataclass
class Verdict:
    """How a program did beside its method."""

    checked: list[str]  # the inputs at which both agree: "batch=1"
    problem: str = ""  # empty: they agree everywhere
    smallest: dict[str, int | None] = field(default_factory=dict)
    """By name the smallest size that there may be instead; None: there is none but one."""


class Trial:
    """Compares programs with the method, at the inputs given and at other sizes."""

    def __init__(self, original: Original, tensors: Sequence[Tensor]) -> None:
        self._original = original
        self._tensors = list(tensors)

    def verdict(self, made: Attempt) -> Verdict:
        module = made.program.module()
        found = Verdict([])
        own = self._own(made)
        supported = made.sizes.supported(made.program)
        given = {n: self._tensors[t].shape[d] for n, [(t, d), *_] in made.sizes.members().items()}
        if all(fits(supported[name], size) for name, size in given.items()):
            self._compare(found, made, module, "the inputs given", self._tensors)
        plans = [{name: size} for name, size in sizes_to_check(supported, own)]
        for plan in [*plans, smallest(supported)]:
            if found.problem:
                break
            tensors = self._inputs(made, plan) if plan else None
            if tensors is not None:
                label = ", ".join(f"{name}={size}" for name, size in plan.items())
                if not self._compare(found, made, module, label, tensors):
                    found.smallest = self._smallest(made, module, plan, own)
        return found

    def _compare(
        self, found: Verdict, made: Attempt, module: Any, label: str, tensors: list[Tensor]
    ) -> bool:
        problem = self._difference(made, module, tensors)
        if problem:
            found.problem = f"with {label}: {problem}"
        else:
            found.checked.append(label)
        return not problem

    def _difference(self, made: Attempt, module: Any, tensors: Sequence[Tensor]) -> str:
        """What is wrong with the program's results for some inputs; empty: nothing."""
        expected = self._original(tensors)
        try:
            got = run_flat(module, tensors)
        except Exception as error:
            return f"the program refuses the inputs: {str(error).strip().splitlines()[0]}"
        return different(expected, rebuild(named(made.structure, expected), got))

    def _smallest(
        self, made: Attempt, module: Any, plan: dict[str, int], own: dict[str, int]
    ) -> dict[str, int | None]:
        """The smallest sizes at which both agree, where they do not at those of a plan."""
        if len(plan) > 1:
            return {name: size + 1 for name, size in plan.items()}
        [(name, size)] = plan.items()
        step = made.sizes.ranges[name].multiple_of
        for larger in range(size + step, own[name] + 1, step):
            tensors = self._inputs(made, {name: larger})
            if tensors is not None and not self._difference(made, module, tensors):
                return {name: larger}
        return {name: None}

    def _own(self, made: Attempt) -> dict[str, int]:
        """The sizes of the inputs given, or where the program takes others, those traced with."""
        supported = made.sizes.supported(made.program)
        found = {}
        for name, [(tensor, dimension), *_] in made.sizes.members().items():
            size = self._tensors[tensor].shape[dimension]
            takes = fits(supported[name], size)
            found[name] = size if takes else made.tensors[tensor].shape[dimension]
        return found

    def _inputs(self, made: Attempt, plan: dict[str, int]) -> list[Tensor] | None:
        own = self._own(made)
        wanted = {n: plan[root] for n in own if (root := made.sizes.root(n)) in plan}
        return inputs_of(made.sizes, self._tensors, {**own, **wanted}, self._original.takes)

    def takes_more(self, made: Attempt, restriction: Restriction) -> bool:
        """Whether the method itself takes sizes that the program does not."""
        now, wanted = restriction.range, restriction.wanted
        step, own = wanted.multiple_of, self._own(made)[restriction.name]
        sizes = [own + step, -(-max(wanted.min, 1) // step) * step]
        if now is not None:
            sizes.append(now.min - step)
            sizes += [] if now.max is None else [now.max + step]
        left_out = [size for size in sizes if size in wanted and size != own]
        if now is not None and now.name == restriction.name:
            left_out = [size for size in left_out if size not in now]
        return any(self._inputs(made, {restriction.name: size}) for size in left_out)
