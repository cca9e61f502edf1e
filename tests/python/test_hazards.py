"""torchship.trace on models with one hazard each, and on models with none."""

import warnings

import pytest
import torch
import torchship
from hazards import CASES, CLEAN, SEVERITY, Case, call
from hazards.findings import accusations, is_at_marker, matching, traced
from hazards.table import table, written

ERRORS = [case for case in CASES if SEVERITY[case.code] == "error"]
REST = [case for case in CASES if SEVERITY[case.code] != "error"]


def each(cases: list[Case]):
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


def said(case: Case) -> str:
    return "\n".join(map(str, traced(case).report.findings)) or "no findings"


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
    with pytest.raises(torchship.TraceError) as caught, warnings.catch_warnings():
        warnings.simplefilter("error")
        torchship.trace(case.model(), **case.arguments())
    message = str(caught.value)
    assert case.code in message
    assert f"{case.source_file.name}:{case.expected_line}" in message
    assert any(is_at_marker(case, found) for found in caught.value.report.findings)


@each(ERRORS)
def test_allowed_code_does_not_refuse(case: Case):
    codes = {found.code for found in traced(case).report.findings}
    torchship.trace(case.model(), **case.arguments(), allow=tuple(codes))


@each(REST)
def test_strict_lets_warnings_and_notes_pass(case: Case):
    found = torchship.trace(case.model(), **case.arguments()).report.findings
    assert any(is_at_marker(case, each) for each in found)


@each(CLEAN)
def test_clean_model_is_not_accused(case: Case):
    assert accusations(case) == []
    replays = traced(case).report.replays
    assert any(replay.outcome == "agrees" for replay in replays)


@each(CLEAN)
@pytest.mark.parametrize("n", [2, 3, 5])
def test_clean_trace_equals_eager(case: Case, n: int):
    model = case.model()
    for method, examples in case.inputs(n).items():
        plain = method == "forward"
        expected = call(model if plain else getattr(model, method), examples)
        answer = call(traced(case) if plain else getattr(traced(case), method), examples)
        torch.testing.assert_close(answer, expected)


def test_table_of_the_docs():
    assert written() == table(), "cd tests/python && python -m hazards.table"
