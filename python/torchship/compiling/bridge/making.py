"""The whole way from a TorchScript method to an exported program that gives the same."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from torchship.compiling.bridge.checking import Original, Trial, different, named, run_flat
from torchship.compiling.bridge.exporting import WAYS, Attempt, Way, attempt
from torchship.compiling.bridge.prims import Raised
from torchship.compiling.bridge.problems import BridgeError
from torchship.compiling.bridge.runner import Runner
from torchship.compiling.bridge.sizes import (
    Range,
    Restriction,
    Sizes,
    inputs_of,
    traced_sizes,
)
from torchship.tracing.structure import Structure, UnsupportedValue, rebuild

_MOST_CORRECTIONS = 4
HOW = "torch.export of the inlined graph"


@dataclass(frozen=True)
class Exported:
    """An exported program that gives what a TorchScript method gives."""

    program: ExportedProgram
    """Takes the method's tensors, flat and in order, and gives a flat tuple of tensors."""
    output: dict[str, Any]
    """How the method's result is made of them: a value as docs/archive-format.md has it, where
    "ref" is the position of a tensor; an "int", "float" or "bool" with a "ref" and no "value" is
    computed, as a 0-dimensional tensor. A tuple with "names" is a named one."""
    how: str
    """The way that was taken."""
    ranges: dict[str, Range | int]
    """The sizes that the program takes, by name; a number where it takes only that one."""
    restrictions: list[Restriction]
    """The names whose sizes vary less than was asked for."""
    checked: list[str]
    """The inputs at which program and method agreed: "the inputs given", "batch=1"."""
    changes: list[int]
    """The input tensors that the method changes in place, and the program too."""
    structure: Structure = field(repr=False)

    def result(self, tensors: Sequence[Tensor]) -> Any:
        """The method's result, made of what the program gives."""
        return rebuild(self.structure, tensors)


def exported(
    module: torch.jit.ScriptModule,
    method: str,
    inputs: Sequence[Any],
    dynamic: Sequence[Mapping[int, Range]] = (),
) -> Exported:
    """Make an exported program of a method, and check that it gives the same.

    Args:
        module: in eval mode, on the CPU. It is left as it was, and shares its weights with the
            program.
        method: its name.
        inputs: one value for each argument. Tensors are inputs of the program, in order, and
            everything else is a constant of it.
        dynamic: for each of those tensors the dimensions whose size may vary; the same name is the
            same size. Without it every size is fixed.

    Raises:
        BridgeError: the method keeps state, or does what no exported program can; the message has
            the operator and the author's line.
    """
    return _Bridge(module, method, inputs, dynamic).exported()


class _Bridge:
    def __init__(
        self,
        module: torch.jit.ScriptModule,
        method: str,
        inputs: Sequence[Any],
        dynamic: Sequence[Mapping[int, Range]],
    ) -> None:
        self.name = method
        if not module._c._has_method(method):
            names = ", ".join(sorted(module._c._method_names()))
            raise BridgeError(f"the module has no method {method!r}", f"its methods are: {names}")
        try:
            self.runner = Runner(module, method, inputs)
        except UnsupportedValue as error:
            raise BridgeError(str(error)) from error
        self.tensors = list(self.runner.arguments.tensors)
        self.original = Original(module, method, self.runner)
        entries = list(dynamic) or [{} for _ in self.tensors]
        if len(entries) != len(self.tensors):
            raise ValueError(
                f"dynamic: one entry for each of {len(self.tensors)} tensors, got {len(entries)}"
            )
        self.sizes = Sizes(entries)
        self.trial = Trial(self.original, self.tensors)

    def exported(self) -> Exported:
        expected = self._first_run()
        best: tuple[Attempt, list[str]] | None = None
        first_error: BridgeError | None = None
        for way, sizes in self._plans():
            if best and sizes.fixed and len(sizes.fixed) >= self._fixed(best[0]):
                break  # would be no better
            try:
                made = self._agreeing(sizes, way)
            except BridgeError as error:
                first_error = first_error or error
                continue
            if best is None or self._loss(made[0]) < self._loss(best[0]):
                best = made
            if not self._loss(best[0]):
                break
        if best is None:
            assert first_error is not None
            raise first_error
        return self._finished(*best, expected)

    def _plans(self) -> Iterator[tuple[Way, Sizes]]:
        """The ways to try, each with the sizes that may vary: all, one, none."""
        if self.sizes.ranges:
            for way in WAYS:
                yield way, self.sizes
        if len(self.sizes.ranges) > 1:
            yield WAYS[1], self.sizes.fix_all(next(iter(self.sizes.ranges)))
        yield WAYS[1], self.sizes.fix_all()

    def _fixed(self, made: Attempt) -> int:
        return sum(each.range is None for each in made.sizes.restrictions(made.program))

    def _agreeing(self, sizes: Sizes, way: Way) -> tuple[Attempt, list[str]]:
        """A program that agrees wherever it is tried: sizes at which it does not are taken away.
        Raises BridgeError."""
        for _ in range(_MOST_CORRECTIONS):
            made = attempt(self.runner, self._to_trace, sizes, way)
            verdict = self.trial.verdict(made)
            if not verdict.problem:
                return made, verdict.checked
            problem = verdict.problem
            if not verdict.smallest:
                break
            sizes = made.sizes.copy()
            for name, size in verdict.smallest.items():
                sizes.raise_min(name, size)
        raise BridgeError(
            f"{self.name}: the exported program gives another result than the archive: {problem}",
            "leave this method to the interpreter",
        )

    def _first_run(self) -> Any:
        """Run the graph in Python beside the method, before anything is exported."""
        try:
            got = run_flat(self.runner.module.forward, self.tensors)
        except Raised as error:
            raise BridgeError(
                f"{self.name} raises on these inputs: {error}", "give inputs that it takes"
            ) from error
        structure = self.runner.structure
        try:
            expected = self.original(self.tensors)
        except Exception as error:
            lines = str(error).strip().splitlines()
            raise BridgeError(
                f"{self.name} fails on these inputs: {lines[-1] if lines else error!r}",
                "give inputs that it takes",
            ) from error
        problem = different(expected, rebuild(named(structure, expected), got))
        if problem:
            raise BridgeError(
                f"{self.name}: its graph, run by itself, gives another result: {problem}",
                "this is a defect of torchship; please report it",
            )
        return expected

    def _to_trace(self, sizes: Sizes) -> list[Tensor]:
        wanted = traced_sizes(sizes, self.tensors)
        made = inputs_of(sizes, self.tensors, wanted, self.original.takes)
        return self.tensors if made is None else made

    def _loss(self, made: Attempt) -> int:
        """How much less the sizes vary than was asked for, and than the method lets them."""
        members = made.sizes.members()
        loss = 0
        for each in made.sizes.restrictions(made.program):
            if self.trial.takes_more(made, each):
                weight = 10 if each.range is None else 1
                is_batch = any(dimension == 0 for _, dimension in members[each.name])
                loss += 2 * weight if is_batch else weight
        return loss

    def _finished(self, made: Attempt, checked: list[str], expected: Any) -> Exported:
        structure = named(made.structure, expected)
        restrictions = made.sizes.restrictions(made.program)
        why = "; ".join(dict.fromkeys(made.why))
        return Exported(
            made.program,
            _json(structure),
            HOW,
            made.sizes.supported(made.program),
            [replace(each, why=why) for each in restrictions],
            checked,
            self.runner.changes,
            structure,
        )


def _json(structure: Structure) -> dict[str, Any]:
    if structure.index >= 0:
        return {"kind": structure.kind, "ref": structure.index}
    if structure.kind in ("str", "int", "float", "bool"):
        return {"kind": structure.kind, "value": structure.value}
    if structure.kind == "none":
        return {"kind": "none"}
    items = [_json(item) for item in structure.items]
    if structure.kind == "dict":
        return {
            "kind": "dict",
            "entries": [list(e) for e in zip(structure.keys, items, strict=True)],
        }
    names = {"names": list(structure.keys)} if structure.keys else {}
    return {"kind": structure.kind, "items": items, **names}
