"""What torchship.trace says about the cases; each is traced once, strictly."""

import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torchship

from hazards.registry import CASES, CLEAN, Case


@dataclass(frozen=True)
class Verdict:
    """The trace of a case, or the error that refused it."""

    traced: torchship.Traced | None
    error: torchship.TraceError | None = None

    @property
    def report(self) -> torchship.Report:
        return (self.traced or self.error).report


@cache
def _verdict(name: str) -> Verdict:
    [case] = [case for case in CASES + CLEAN if case.name == name]
    with warnings.catch_warnings():
        # A filter of the caller's must not hide anything from the tracer.
        warnings.simplefilter("ignore")
        try:
            return Verdict(torchship.trace(case.model(), **case.arguments()))
        except torchship.TraceError as error:
            return Verdict(None, error)


def verdict(case: Case) -> Verdict:
    """Return what a strict trace of the case came to."""
    return _verdict(case.name)


def matching(case: Case) -> list[torchship.Finding]:
    """Return the findings with the case's code, those on its marked line first."""
    same = [found for found in verdict(case).report.findings if found.code == case.code]
    return sorted(same, key=lambda found: not is_at_marker(case, found))


def is_at_marker(case: Case, found: torchship.Finding) -> bool:
    """Whether a finding names the case's own file and its marked line."""
    here = bool(found.file) and Path(found.file).resolve() == case.source_file.resolve()
    return here and found.line == case.expected_line


def accusations(case: Case) -> list[torchship.Finding]:
    """Return the findings that are more than notes."""
    return [found for found in verdict(case).report.findings if found.severity != "note"]
