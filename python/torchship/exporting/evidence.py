"""Findings about a program that was put to the test beside the eager model."""

from collections.abc import Iterator
from dataclasses import replace

from torch.export import ExportedProgram
from torch.export.graph_signature import SymBoolArgument

from torchship.exporting.calls import GUARD
from torchship.exporting.nodes import graph_findings, results, unused_inputs, written_buffers
from torchship.tracing.findings import Finding, finding
from torchship.tracing.hazards import Evidence
from torchship.tracing.observe import Observation
from torchship.tracing.places import Place
from torchship.tracing.replay import Comparison
from torchship.tracing.state import Change


class ExportEvidence(Evidence):
    """Of exported programs. Branches on data are in them, or there is no program: what no replay
    showed is not suspected."""

    hints = {
        "lost-branch": "use torch.cond, or torch.where",
        "baked-value": "keep it a tensor",
        "baked-size": "use x.shape[i] as it is, without int() or len()",
    }

    @property
    def _program(self) -> ExportedProgram:
        return self.pair.trace.program

    def _is_telling(self, comparison: Comparison) -> bool:
        return comparison.differs

    def _cause(
        self, comparison: Comparison, observation: Observation | None
    ) -> tuple[str, Place | None]:
        code, place = super()._cause(comparison, observation)
        return ("export-specialised" if GUARD in comparison.difference.problem else code), place

    def kept(self, change: Change) -> Change:
        # A buffer that is assigned to is written into by the program.
        is_written = change.kind == "attribute" and change.name in written_buffers(self._program)
        return replace(change, kind="buffer") if is_written else change

    def _in_graph(self) -> Iterator[Finding]:
        yield from graph_findings(self._program, self.pair.method, self.is_random)

    def _writing_place(self, buffer: str) -> Place | None:
        return written_buffers(self._program).get(buffer)

    def _unused_inputs(self) -> Iterator[str]:
        yield from unused_inputs(self._program, self.pair.method)

    def _not_seen(self, known: set[tuple[str, int]]) -> Iterator[Finding]:
        """What torch.export.save or torch.export.load cannot do."""
        leaves = self.pair.method.output.leaves()
        for (path, leaf), computed in zip(leaves, results(self._program), strict=True):
            where = f"the result's {path!r}" if path else "the result"
            if leaf.kind == "str":
                message = f"{where} is text, and torch.export.load opens no program that gives text"
                yield self._find("export-text", "warning", message, None)
            elif isinstance(computed, SymBoolArgument):
                message = f"{where} is a truth value that is computed, which cannot be saved"
                yield finding(
                    "export-unsupported",
                    "error",
                    message,
                    place=None,
                    method=self.pair.method.name,
                    hint="give a bool tensor",
                )
