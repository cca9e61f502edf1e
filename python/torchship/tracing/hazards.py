"""Findings about one method: causes of disagreement, and what no replay could rule out."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import torch

from torchship.tracing.compare import Difference
from torchship.tracing.findings import Finding, finding
from torchship.tracing.graph_hazards import graph_findings, unused_inputs, writer_of
from torchship.tracing.observe import Escape, Observation, first_difference
from torchship.tracing.places import (
    Place,
    changing_line,
    is_branch,
    is_check,
    line_with,
    parameter_place,
    place_of,
)
from torchship.tracing.replay import Comparison, Pair
from torchship.tracing.state import Called, Change


class Evidence:
    """What was seen of one method; the findings follow from it.

    Roads other than TorchScript's have a class of their own, with other ways to look at the graph.
    """

    hints: Mapping[str, str] = {}  # other ones than usual, by code

    def __init__(self, pair: Pair, called: Sequence[Called]) -> None:
        self.pair = pair
        self.comparisons: list[tuple[Comparison, Observation | None]] = []
        self.changes: list[Change] = []
        self.results_depend_on_changes = False
        self.called = called
        self.random_place: Place | None = None
        self.is_random = False

    @cached_property
    def base(self) -> Observation:
        """What tracing with the examples saw; nothing of a model that cannot be traced again, which
        is compared all the same."""
        return self.pair.observed(self.pair.examples) or Observation([], [], [], self.pair.trace)

    def add(self, comparison: Comparison) -> None:
        observe = self._is_telling(comparison) and not comparison.refused
        seen = self.pair.observed(comparison.tensors) if observe else None
        self.comparisons.append((comparison, seen))

    def findings(self) -> Iterator[Finding]:
        found = list(self._in_graph())
        yield from found
        yield from self._outside_randomness(found)
        yield from self._state()
        has_reason = self.is_random or self.results_depend_on_changes or bool(found)
        differing = list(self._disagreements(has_reason))
        yield from differing
        yield from self._not_seen({(each.file, each.line) for each in differing})
        yield from self._unused()
        yield from self._arguments()

    # What there is to see in a TorchScript graph.

    @cached_property
    def _graph(self) -> torch._C.Graph:
        return self.pair.trace.graph(self.pair.method)

    def _is_telling(self, comparison: Comparison) -> bool:
        """Whether another trace, taken with these inputs, could tell something."""
        return bool(self.base.escapes) or comparison.differs

    def kept(self, change: Change) -> Change:
        """A change of the eager model's as one that the trace makes too, if it does."""
        return change

    def _in_graph(self) -> Iterator[Finding]:
        yield from graph_findings(self._graph, self.pair.method, self.is_random)

    def _writing_place(self, buffer: str) -> Place | None:
        """Where a buffer is changed in place."""
        node = writer_of(self._graph, buffer.rpartition(".")[2])
        return place_of(node) if node else None

    def _unused_inputs(self) -> Iterator[str]:
        yield from unused_inputs(self._graph, self.pair.method)

    def _not_seen(self, known: set[tuple[str, int]]) -> Iterator[Finding]:
        """What may go wrong although no replay showed it."""
        yield from self._unproven(known)
        yield from self._devices()

    def _find(self, code: str, severity: str, message: str, place: Place | None) -> Finding:
        method, hint = self.pair.method.name, self.hints.get(code, "")
        return finding(code, severity, message, place=place, method=method, hint=hint)

    # Randomness and state.

    def _outside_randomness(self, found: Sequence[Finding]) -> Iterator[Finding]:
        if self.is_random and not any(each.code in ("random", "train-mode") for each in found):
            message = "two calls with the same inputs differ: something random is drawn here"
            yield self._find("random", "error", message, self.random_place)

    def _state(self) -> Iterator[Finding]:
        training = self.pair.method.training
        codes = [called.code for called in self.called]
        for change in self.changes:
            last = change.name.rpartition(".")[2]
            if change.kind == "buffer":
                place = self._writing_place(change.name) or line_with(codes, ("LOAD_ATTR",), last)
                message = f"every call changes the buffer {change.name!r}, and calls after it"
                yield self._find("state-change", "note" if training else "warning", message, place)
            elif change.kind == "attribute":
                yield self._lost(
                    "lost-state",
                    f"forward changes self.{change.name}; the trace keeps it as it was",
                    line_with(codes, ("STORE_ATTR",), last)
                    or changing_line(codes, last)
                    or line_with(codes, ("LOAD_ATTR",), last),
                )
            else:
                yield self._lost(
                    "global-state",
                    f"a call changes {change.name!r}; the trace knows nothing of it",
                    line_with(codes, ("STORE_GLOBAL", "STORE_DEREF"), last)
                    or changing_line(codes, last)
                    or line_with(codes, ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF"), last),
                )

    def _lost(self, code: str, message: str, place: Place | None) -> Finding:
        if self.results_depend_on_changes:
            return self._find(code, "error", message + ", and later results depend on it", place)
        severity = "warning" if code == "global-state" else "note"
        return self._find(code, severity, message, place)

    # Disagreement.

    def _disagreements(self, has_reason: bool) -> Iterator[Finding]:
        told: set[Place | None] = set()
        for comparison, observation in self.comparisons:
            if not comparison.differs:
                continue
            code, place = self._cause(comparison, observation)
            if place in told or (code == "mismatch" and (has_reason or told)):
                continue
            told.add(place)
            difference = comparison.difference
            yield self._find(
                code,
                "error",
                f"with {comparison.inputs}{self._preview(comparison)}, {difference.problem}"
                f"{_largest(difference)}; {_EXPLANATIONS[code]}",
                place,
            )

    def _preview(self, comparison: Comparison) -> str:
        """The inputs themselves, where they are small enough to be read."""
        if sum(tensor.numel() for tensor in comparison.tensors) > 6:
            return ""
        names = self.pair.method.arguments.tensor_names()
        values = [
            f"{name}={[round(v, 4) for v in tensor.flatten().tolist()]}"
            for name, tensor in zip(names, comparison.tensors, strict=True)
            if not tensor.is_complex()
        ]
        return f" ({', '.join(values)})" if values else ""

    def _cause(
        self, comparison: Comparison, observation: Observation | None
    ) -> tuple[str, Place | None]:
        if observation is None:
            return "mismatch", None
        before = _deciding_escape(self.base, observation)
        if before is not None:
            return _code_of(before, comparison.sizes_changed), before.place
        place = first_difference(self.base, observation)
        if place is None:
            return "mismatch", None
        if comparison.sizes_changed:
            return "baked-size", place
        same_kinds = [n.kind for n in self.base.nodes] == [n.kind for n in observation.nodes]
        return ("baked-value" if same_kinds else "lost-branch"), place

    # What was never seen to matter.

    def _unproven(self, known: set[tuple[str, int]]) -> Iterator[Finding]:
        told: set[Place] = set()
        for number, escape in enumerate(self.base.escapes):
            place = escape.place
            if escape.origin != "data" or place is None or place in told:
                continue
            told.add(place)
            if (place.file, place.line) in known:
                continue
            made = self._judge(escape, place, self._varied(number, escape))
            if made is not None:
                yield made

    def _varied(self, number: int, escape: Escape) -> bool:
        """Whether any replay decided otherwise here."""
        for _, observation in self.comparisons:
            if observation is None:
                continue
            others = observation.escapes
            if number >= len(others) or not escape.same_decision(others[number]):
                return True
        return False

    def _judge(self, escape: Escape, place: Place, varied: bool) -> Finding | None:
        if is_check(place):
            return self._find("lost-check", "note", "this check is not in the trace", place)
        code = _code_of(escape, sizes_changed=False)
        if varied:
            message = "depends on the data and is fixed in the trace; no replay gave another result"
            return self._find(code, "note", message, place)
        if code == "lost-branch":
            message = (
                "the branch depends on the data, every replay took the same way, and the trace "
                "has no other"
            )
            return self._find(code, "error", message, place)
        message = "a value of the data is a constant of the trace; no replay gave another value"
        return self._find(code, "warning", message, place)

    def _unused(self) -> Iterator[Finding]:
        for name in self._unused_inputs():
            message = f"no result depends on the input {name!r}"
            place = parameter_place(self.pair.function, name.partition(".")[0])
            yield self._find("unused-input", "warning", message, place)

    def _devices(self) -> Iterator[Finding]:
        for device in self.base.devices:
            where = "on a device that the code names" if device.is_literal else "on the CPU"
            message = f"{device.operator} puts a tensor {where}, wherever the model runs"
            yield self._find("baked-device", "warning", message, device.place)

    def _arguments(self) -> Iterator[Finding]:
        arguments = self.pair.method.arguments
        for name, structure in zip(arguments.names, arguments.structures, strict=True):
            for path, leaf in structure.leaves(name):
                if leaf.kind not in ("tensor", "none"):
                    message = f"the argument {path!r} is {leaf.value!r} for ever"
                    place = parameter_place(self.pair.function, name)
                    yield self._find("baked-argument", "note", message, place)


def deciding_place(base: Observation, other: Observation) -> Place | None:
    """The line that made two traces differ."""
    before = _deciding_escape(base, other)
    return before.place if before is not None else first_difference(base, other)


def _deciding_escape(base: Observation, other: Observation) -> Escape | None:
    """The first thing that Python learnt and that is not the same in both traces."""
    for before, now in zip(base.escapes, other.escapes, strict=False):
        if "model" not in (before.origin, now.origin) and not before.same_decision(now):
            return before
    return None


def _largest(difference: Difference) -> str:
    """The largest error of all outputs, where the problem is about another one."""
    is_said = f"{difference.largest:.3g}" in difference.problem
    is_known = difference.largest not in (0.0, float("inf"))
    return f" (largest error {difference.largest:.3g})" if is_known and not is_said else ""


def _code_of(escape: Escape, sizes_changed: bool) -> str:
    # Inputs of the example's sizes: then it is the data that a size inside depends on.
    if escape.origin == "size" and sizes_changed:
        return "baked-size"
    if escape.kind in ("bool", "iteration") or (
        escape.place is not None and is_branch(escape.place)
    ):
        return "lost-branch"
    return "baked-value"


_EXPLANATIONS = {
    "lost-branch": "the trace has only the way that the example took",
    "baked-value": "the trace keeps the example's value",
    "baked-size": "the trace keeps the example's size",
    "export-specialised": "the program was made for other sizes",
    "mismatch": "the trace and the model differ for a reason that was not found",
}
