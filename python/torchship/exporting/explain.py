"""What torch.export says when it refuses, as findings at the author's own line."""

import ast
import re
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch._dynamo.exc import Unsupported
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
)
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

from torchship.exporting.nodes import place_in
from torchship.tracing.findings import Finding, Report, TraceError, finding
from torchship.tracing.observe import Escape
from torchship.tracing.places import Place, innermost_statement, is_authors, is_check
from torchship.tracing.replay import one_line


@dataclass(frozen=True)
class Failure:
    """One attempt that torch.export gave up."""

    error: Exception
    strict: bool

    @property
    def place(self) -> Place | None:
        """The author's line that it was at."""
        # In strict mode the author's code does not run: the stack is of what was followed.
        stack = getattr(self.error, "real_stack", None) or ()
        frames = [*traceback.extract_tb(self.error.__traceback__), *stack]
        for frame in reversed(frames):
            if is_authors(frame.filename) and frame.lineno:
                return Place(frame.filename, frame.lineno)
        return place_in(str(self.error))

    @property
    def depends_on_data(self) -> bool:
        kinds = (
            GuardOnDataDependentSymNode,
            DataDependentOutputException,
            DynamicOutputShapeException,
        )
        return isinstance(self.error, kinds) or "data-dependent" in str(self.error).lower()

    @property
    def reason(self) -> str:
        """What torch.export says, in one line."""
        lines = [line.strip() for line in str(self.error).splitlines() if line.strip()]
        if isinstance(self.error, Unsupported):
            explained = [line for line in lines if line.startswith("Explanation: ")]
            said = [*lines[:1], *(line.removeprefix("Explanation: ") for line in explained[:1])]
            return ": ".join(said)[:300]
        if "Explanation: " in str(self.error):
            return one_line(self.error)
        return f"{type(self.error).__name__}: {lines[0] if lines else ''}"[:300]


_SIZE = re.compile(r"  - (?:You marked|Not all values of) (?P<name>\w+) ")


def fixed_at(message: str) -> dict[str, Place]:
    """The author's lines that an error about sizes names, by the size."""
    found = {}
    starts = [*_SIZE.finditer(message)]
    for this, after in zip(starts, [*starts[1:], None], strict=True):
        place = place_in(message[this.end() : after.start() if after else None])
        if place is not None:
            found[this["name"]] = place
    return found


def refusals(failures: Sequence[Failure], escapes: Sequence[Escape], method: str) -> list[Finding]:
    """Everything that is known of why there is no program; `escapes` are what an ordinary trace
    saw leave the tensors, which shows more than the first line that torch.export stops at."""
    found: dict[Place | None, Finding] = {}
    # Where one mode stops at the data, the other may stop at something that would not matter.
    depending = [each for each in failures if each.depends_on_data]
    for each in depending or failures:
        if each.place not in found:
            found[each.place] = _refusal(each, method)
    for place in _decisions(escapes):
        if place not in found:
            found[place] = _dependence(place, "", method)
    # Where one line is known, a failure without any adds nothing.
    placed = [each for place, each in found.items() if place is not None]
    return placed or list(found.values())


def _decisions(escapes: Sequence[Escape]) -> Iterator[Place]:
    for each in escapes:
        if each.origin == "data" and each.kind == "bool" and each.place is not None:
            if not is_check(each.place):
                yield each.place


def _refusal(failure: Failure, method: str) -> Finding:
    if failure.depends_on_data:
        return _dependence(failure.place, failure.reason, method)
    message = f"torch.export cannot follow this: {failure.reason}"
    return finding("export-unsupported", "error", message, place=failure.place, method=method)


def _dependence(place: Place | None, reason: str, method: str) -> Finding:
    what, hint = _way_out(place)
    message = what or f"what is computed depends on the data in a way that it cannot: {reason}"
    return finding("export-data-dependent", "error", message, place=place, method=method, hint=hint)


def _way_out(place: Place | None) -> tuple[str, str]:
    """What the author's line does with data, and how to write it so that it is kept."""
    statement = innermost_statement(place) if place else None
    if isinstance(statement, ast.If):
        return _IF, _cond(statement.test)
    if isinstance(statement, ast.While | ast.For):
        return _LOOP, _WHILE
    if isinstance(statement, ast.Assert):
        return "the assertion depends on the data", "check before the call, or use torch._check"
    for node in ast.walk(statement) if statement is not None else ():
        if isinstance(node, ast.IfExp):
            return _IF, _cond(node.test)
    return "", ""


_IF = "the branch depends on the data, and a program has both ways only where they are written so"
_LOOP = "how often the loop runs depends on the data"
_WHILE = (
    "write the loop as torch.while_loop(condition, body, (x,)), two functions of the same tensors: "
    "the first gives a bool tensor, the second the tensors of the next round"
)


def _cond(test: ast.expr) -> str:
    return (
        f"write both ways: torch.cond({ast.unparse(_tensor(test))}, if_true, if_false, (x,)), "
        "where if_true and if_false are functions of the same tensors that give tensors of the "
        "same shapes and dtypes; or torch.where, element by element"
    )


def _tensor(test: ast.expr) -> ast.expr:
    """The tensor that a condition is taken from: torch.cond wants no truth value."""
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Name) and test.func.id == "bool":
        return test.args[0] if test.args else test
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Attribute):
        return test.func.value if test.func.attr == "item" else test
    return test


def refused(name: str, findings: Sequence[Finding], report: Report) -> TraceError:
    """One error with all reasons why there is no program."""
    items = "; ".join(f"{number}. {each.brief()}" for number, each in enumerate(findings, 1))
    hints = "; ".join(dict.fromkeys(each.hint for each in findings if each.hint))
    return TraceError(f"exporting {name}: torch.export refuses it: {items}", hints, report)
