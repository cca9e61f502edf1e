"""What torchship.trace says about the cases; each is traced once."""

import warnings
from functools import cache
from pathlib import Path

import torchship

from hazards.registry import CASES, CLEAN, Case


@cache
def _traced(name: str) -> torchship.Traced:
    [case] = [case for case in CASES + CLEAN if case.name == name]
    with warnings.catch_warnings():
        # A filter of the caller's must not hide anything from the tracer.
        warnings.simplefilter("ignore")
        return torchship.trace(case.model(), strict=False, **case.arguments())


def traced(case: Case) -> torchship.Traced:
    """Return the case's trace, made with `strict=False`."""
    return _traced(case.name)


def matching(case: Case) -> list[torchship.Finding]:
    """Return the findings with the case's code, those on its marked line first."""
    same = [found for found in traced(case).report.findings if found.code == case.code]
    return sorted(same, key=lambda found: not is_at_marker(case, found))


def is_at_marker(case: Case, found: torchship.Finding) -> bool:
    """Whether a finding names the case's own file and its marked line."""
    here = bool(found.file) and Path(found.file).resolve() == case.source_file.resolve()
    return here and found.line == case.expected_line


def accusations(case: Case) -> list[torchship.Finding]:
    """Return the findings that are more than notes."""
    return [found for found in traced(case).report.findings if found.severity != "note"]
