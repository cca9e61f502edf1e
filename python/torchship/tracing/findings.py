"""What the tracer found, and the error that lists it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from torchship.errors import Error
from torchship.tracing.places import Place

SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One thing that a trace lost, baked in, or cannot promise.

    `severity` is "error" for what changes results, "warning" for what may under conditions that
    the message names, "note" for what is good to know. `file` and `line` are the author's own
    source; docs/findings.md explains every `code`.
    """

    code: str
    severity: str
    message: str
    hint: str = ""
    method: str = "forward"
    file: str = ""
    line: int = 0
    source: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def identity(self) -> tuple[str, ...]:
        """What tells findings apart: the place of what changes results, the words of the rest."""
        words = "" if self.file and self.severity == "error" else self.message
        return (self.code, self.file, str(self.line), words)

    def brief(self) -> str:
        """One line: the code, the place, the reason and the author's text."""
        where = f" at {self.file}:{self.line}" if self.file else ""
        source = f" [{self.source}]" if self.source else ""
        return f"{self.code}{where}{source}: {self.message}"

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.file else ""
        code = f"\n    {self.source}" if self.source else ""
        hint = f"\n    {self.hint}" if self.hint else ""
        return f"{self.severity}: {self.code}: {where}{self.message}{code}{hint}"


def finding(
    code: str, severity: str, message: str, *, place: Place | None, method: str, hint: str = ""
) -> Finding:
    """A finding at a place of the author's source, or at none."""
    return at(
        Finding(code, severity, message, hint=hint or HINTS.get(code, ""), method=method), place
    )


def at(made: Finding, place: Place | None) -> Finding:
    """The finding at a place."""
    if place is None:
        return made
    return replace(made, file=place.file, line=place.line, source=place.text)


HINTS = {
    "lost-branch": "keep the branch: put it into a function under @torch.jit.script, or use "
    "torch.cond or torch.where",
    "baked-value": "keep it a tensor, or put the lines that need a Python number into a function "
    "under @torch.jit.script",
    "baked-size": "use x.shape[i] as it is, without int(), range() or len(), or put the lines "
    "into a function under @torch.jit.script",
    "baked-device": "create tensors with device=x.device, or as buffers of the module",
    "random": "draw outside the model and pass the numbers in; allow=['random'] accepts it",
    "train-mode": "pass training=self.training; mode='train' is for those who mean it",
    "state-change": "return the new state and pass it in with the next call",
    "lost-state": "return the new state and pass it in with the next call, or change a registered "
    "buffer in place",
    "unused-input": "leave the input out, or use it with tensor operations",
    "global-state": "pass the value in as an input, or keep it in a registered buffer",
    "lost-check": "check the inputs before the call, or put the check into a scripted function",
    "baked-argument": "make it a tensor to keep it free",
    "export-data-dependent": "keep numbers tensors, or say what is true of them with torch._check",
    "export-unsupported": "write this part with tensor operations, or leave it to via='trace'",
    "export-specialised": "use x.shape[i] as it is, without int(), len() or branches on it; or "
    "declare with dynamic= what the program can take",
    "export-text": "leave it out of the result; torchship opens the program all the same",
    "export-strict": "nothing has to be done: results are the same",
    "no-samples": "keep_examples=True keeps your own examples as samples",
    "mismatch": "look at the input that the message names; replay=[...] tries more of your own",
}


@dataclass
class Replay:
    """One comparison of the trace with the eager model."""

    method: str
    inputs: str  # "signs flipped, batch=3"
    sizes: dict[str, int]
    outcome: str  # "agrees", "differs" or "refused" (by the eager model itself)
    largest_error: float = 0.0
    detail: str = ""


@dataclass
class Report:
    """What `trace` tried and found."""

    findings: list[Finding] = field(default_factory=list)
    replays: list[Replay] = field(default_factory=list)
    dimensions: dict[str, list[Any]] = field(default_factory=dict)  # method -> DimensionRange
    notes: list[str] = field(default_factory=list)  # how the trace was taken

    def of(self, *severities: str) -> list[Finding]:
        return [each for each in self.findings if each.severity in severities]

    def add(self, found: Iterable[Finding]) -> None:
        """Add findings, one for each code and line, the gravest first."""
        known = {each.identity for each in self.findings}
        for each in found:
            if each.identity not in known:
                known.add(each.identity)
                self.findings.append(each)
        self.findings.sort(key=lambda each: SEVERITIES.index(each.severity))

    def __str__(self) -> str:
        agreed = sum(replay.outcome == "agrees" for replay in self.replays)
        refused = sum(replay.outcome == "refused" for replay in self.replays)
        lines = [
            f"{agreed} of {len(self.replays) - refused} replays agree with the eager model"
            + (f"; it refused {refused} other inputs itself" if refused else "")
        ]
        for method, ranges in self.dimensions.items():
            lines += [f"{method}: {each}" for each in ranges]
        lines += self.notes
        return "\n".join(lines + [str(each) for each in self.findings])


class TraceError(Error):
    """The trace would not compute what the model computes; `report` has every finding."""

    def __init__(self, message: str, hint: str = "", report: Report | None = None) -> None:
        super().__init__(message, hint)
        self.report = report or Report()


def refusal(name: str, errors: list[Finding], report: Report) -> TraceError:
    """One error that lists every finding that changes results."""
    count = "one thing changes" if len(errors) == 1 else f"{len(errors)} things change"
    items = "; ".join(f"{number}. {each.brief()}" for number, each in enumerate(errors, 1))
    return TraceError(
        f"tracing {name}: {count} its results: {items}",
        "; ".join(dict.fromkeys(each.hint for each in errors if each.hint))
        + "; or accept single codes with allow=[...], or write them into the archive with "
        "strict=False",
        report,
    )
