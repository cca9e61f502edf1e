"""torchship.trace on models with one hazard each, and on models with none."""

import warnings

import pytest
import torch
import torchship
from hazards import CASES, CLEAN, SEVERITY, Case, call
from hazards.findings import accusations, is_at_marker, matching, verdict
from hazards.table import table, written

ERRORS = [case for case in CASES if SEVERITY[case.code] == "error"]
OTHERS = [case for case in CASES if SEVERITY[case.code] != "error"]
# The first case of each code that is refused.
FIRSTS = list({case.code: case for case in reversed(ERRORS)}.values())


def each(cases: list[Case]):
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


def said(case: Case) -> str:
    return "\n".join(map(str, verdict(case).report.findings)) or "no findings"


def test_suite_is_large_and_its_names_are_unique():
    assert len(CASES) >= 25 and len(CLEAN) >= 15
    assert len({case.name for case in CASES + CLEAN}) == len(CASES + CLEAN)
    assert {case.code for case in CASES} == set(SEVERITY)


@each(CASES)
def test_hazard_is_found_at_its_line(case: Case):
    found = matching(case)
    assert found, f"no {case.code}; {said(case)}"
    assert is_at_marker(case, found[0]), f"expected line {case.expected_line}; {said(case)}"
    assert found[0].severity == SEVERITY[case.code]
    assert f"# hazard: {case.code}" in found[0].source
    assert found[0].message and "\n" not in found[0].message


@each([case for case in CASES if case.methods])
def test_finding_names_its_method(case: Case):
    assert matching(case)[0].method in case.methods


@each(ERRORS)
def test_strict_refuses(case: Case):
    error = verdict(case).error
    assert isinstance(error, torchship.Error)
    assert case.code in str(error)
    assert f"{case.source_file.name}:{case.expected_line}" in str(error)


@each(OTHERS)
def test_strict_lets_warnings_and_notes_pass(case: Case):
    assert verdict(case).error is None, said(case)


@each(FIRSTS)
@pytest.mark.parametrize("accept", ["strict", "allow"])
def test_accepted_hazard_is_in_the_report(case: Case, accept: str):
    codes = {found.code for found in verdict(case).report.findings}
    options = {"strict": False} if accept == "strict" else {"allow": tuple(codes)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        traced = torchship.trace(case.model(), **case.arguments(), **options)
    assert any(found.code == case.code for found in traced.report.findings)
    assert any(is_at_marker(case, found) for found in traced.report.findings)


@each(CLEAN)
def test_clean_model_is_not_accused(case: Case):
    assert verdict(case).error is None, said(case)
    assert accusations(case) == []
    assert any(replay.outcome == "agrees" for replay in verdict(case).report.replays)


@each(CLEAN)
@pytest.mark.parametrize("n", [2, 3, 5])
def test_clean_trace_equals_eager(case: Case, n: int):
    model, traced = case.model(), verdict(case).traced
    for method, examples in case.inputs(n).items():
        plain = method == "forward"
        expected = call(model if plain else getattr(model, method), examples)
        answer = call(traced if plain else getattr(traced, method), examples)
        torch.testing.assert_close(answer, expected)


def test_table_of_the_docs():
    assert written() == table(), "cd tests/python && python -m hazards.table"
