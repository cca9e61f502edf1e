"""torch.export of a method, in the mode and at the sizes that keep most of it."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx.experimental import _config as symbolic_config

from torchship.compiling.bridge.exporting import quiet
from torchship.compiling.bridge.sizes import Sizes, fits, inputs_of, traced_sizes
from torchship.exporting.calls import ProgramCall, given, plain_forward
from torchship.exporting.explain import Failure, fixed_at, refusals, refused
from torchship.exporting.sizes import (
    Loss,
    Supported,
    accepted,
    loss_findings,
    losses,
    settled,
    wanted_sizes,
)
from torchship.tracing.dimensions import Dimension, works_with
from torchship.tracing.findings import Finding, Report, finding
from torchship.tracing.places import Place
from torchship.tracing.replay import Pair
from torchship.tracing.script import in_mode
from torchship.tracing.state import Called, seeded
from torchship.tracing.structure import Structure

_MOST_CORRECTIONS = 8


@dataclass(frozen=True)
class Mode:
    """How torch.export goes about it."""

    strict: bool  # follows the bytecode, instead of running the code with tensors that note it
    oblivious: bool  # sizes 0 and 1 are as good as others


MODES = (Mode(False, True), Mode(True, True))
# These assume that sizes are 2 or more.
MORE_MODES = (Mode(False, False), Mode(True, False))


@dataclass
class Attempt:
    """A program, and what is lost of the sizes that were wanted."""

    call: ProgramCall
    mode: Mode
    supported: Supported
    losses: list[Loss]

    @property
    def loss(self) -> int:
        return sum(each.weight for each in self.losses)


@dataclass
class Exported:
    """The program that is kept."""

    call: ProgramCall
    dimensions: list[Dimension]
    findings: list[Finding] = field(default_factory=list)
    note: str = ""


def export(
    pair: Pair, called: Sequence[Called], dimensions: Sequence[Dimension], name: str
) -> Exported:
    """Export a method, which calls the author's functions `called`. Raises TraceError with all
    reasons where there is no program."""
    exporter = _Exporter(pair, called, dimensions)
    best = exporter.best()
    if best is None:
        report = Report()
        seen = pair.observed(pair.examples)
        report.add(refusals(exporter.failures, seen.escapes if seen else (), pair.method.name))
        raise refused(name, report.findings, report)
    lost = {each.dimension.name for each in best.losses}
    args, named = given(pair.method.arguments, pair.method.arguments.rebuild(pair.examples))
    best.call.program.example_inputs = (args, named)
    return Exported(
        best.call,
        settled(dimensions, best.supported, lost),
        [*loss_findings(pair, best.losses, exporter.places), *exporter.mode_findings(best)],
        f"exported with strict={best.mode.strict}",
    )


class _Exporter:
    def __init__(
        self, pair: Pair, called: Sequence[Called], dimensions: Sequence[Dimension]
    ) -> None:
        self.failures: list[Failure] = []
        self.places: dict[str, Place] = {}  # where sizes are fixed, as torch.export says
        self._pair = pair
        self._called = called
        self._dimensions = dimensions
        self._works = works_with(lambda tensors: not pair.eager(tensors).error, pair.examples)

    def best(self) -> Attempt | None:
        """Of all modes the one that loses least; at fixed sizes where none can vary."""
        wanted = wanted_sizes(self._dimensions, len(self._pair.examples))
        best = self._least_lossy(self._attempts(MODES, wanted))
        if (best is None or best.losses) and wanted.ranges:
            best = self._least_lossy(self._attempts(MORE_MODES, wanted), best)
        if best is None and wanted.ranges:
            best = self._least_lossy(self._attempts(MODES, wanted.fix_all()))
        return best

    def _attempts(self, modes: Sequence[Mode], sizes: Sizes) -> Iterator[Attempt]:
        for mode in modes:
            made = self._attempt(mode, sizes.copy())
            if made is not None:
                yield made

    @staticmethod
    def _least_lossy(attempts: Iterator[Attempt], best: Attempt | None = None) -> Attempt | None:
        for each in attempts:
            if best is None or each.loss < best.loss:
                best = each
            if not best.losses:
                break
        return best

    def _attempt(self, mode: Mode, sizes: Sizes) -> Attempt | None:
        """Export, with sizes that are narrowed as torch.export asks for it."""
        for remaining in reversed(range(_MOST_CORRECTIONS)):
            try:
                program = self._export(mode, sizes)
            except Exception as error:  # whatever the author's code or torch raises
                if not sizes.narrow(str(error)) or not remaining:
                    self.failures.append(Failure(error, mode.strict))
                    return None
                self.places = {**fixed_at(str(error)), **self.places}
            else:
                call, supported = ProgramCall(program), sizes.supported(program)
                unfit = self._unfit(supported)
                if not unfit:
                    supported = accepted(self._pair, call, self._dimensions, supported)
                    lost = losses(self._dimensions, sizes.restricted(supported), self._works)
                    return Attempt(call, mode, supported, lost)
                sizes.fixed |= unfit
        return None

    def _unfit(self, supported: Supported) -> set[str]:
        """Sizes of which the program does not take the example's own."""
        own = {each.name: each.size for each in self._dimensions}
        return {name for name, size in own.items() if not fits(supported[name], size)}

    def _export(self, mode: Mode, sizes: Sizes) -> ExportedProgram:
        pair, arguments = self._pair, self._pair.method.arguments
        tensors = self._inputs(sizes)
        args, named = given(arguments, arguments.rebuild(tensors))
        spec = sizes.spec()
        shapes = {
            name: dynamic_shapes(structure, spec)
            for name, structure in zip(arguments.names, arguments.structures, strict=True)
        }
        with (
            pair.undone(),
            seeded(pair.seed),
            in_mode(pair.module, False),
            plain_forward(pair.module, pair.method),
            _lines_of(self._called),
            quiet(),
            torch.no_grad(),
            symbolic_config.patch(backed_size_oblivious=mode.oblivious),
        ):
            return torch.export.export(
                pair.module,
                args,
                named,
                dynamic_shapes=shapes if any(spec) else None,
                strict=mode.strict,
            )

    def _inputs(self, sizes: Sizes) -> list[Tensor]:
        examples = self._pair.examples
        chosen = traced_sizes(sizes, examples)
        made = inputs_of(sizes, examples, chosen, lambda own: not self._pair.eager(own).error)
        # Each its own memory: a tensor that is given twice would be one input.
        return [each.detach().clone() for each in made or examples]

    # What is reported of it.

    def mode_findings(self, best: Attempt) -> Iterator[Finding]:
        """Why the other mode would not do."""
        for each in self.failures:
            if best.mode.strict and not each.strict:
                message = f"only strict=True makes a program: {each.reason}"
                name = self._pair.method.name
                yield finding("export-strict", "note", message, place=each.place, method=name)
                return


@contextlib.contextmanager
def _lines_of(called: Sequence[Called]) -> Iterator[None]:
    """Let the program know the lines of functions that are no module's forward."""
    anchors = getattr(torch.fx.proxy, "_STACK_TRACE_ANCHORS", set())
    own = {(each.code.co_filename, each.code.co_name) for each in called} - anchors
    anchors |= own
    try:
        yield
    finally:
        anchors -= own


def dynamic_shapes(structure: Structure, spec: Sequence[Any]) -> Any:
    """What torch.export takes as dynamic_shapes of one argument."""
    if structure.kind == "tensor":
        return spec[structure.index]
    items = [dynamic_shapes(item, spec) for item in structure.items]
    if structure.kind == "dict":
        return dict(zip(structure.keys, items, strict=True))
    if structure.kind in ("list", "tuple"):
        return items if structure.kind == "list" else tuple(items)
    return None
