"""Programs of torch.export, run by torchship: a zoo of operators and whole networks."""

from pathlib import Path

import pytest
from exported import CASES, FAMILIES, Variant, variants
from exported.checking import verify
from exported.registry import NETWORKS
from exported.table import table, written

VARIANTS = [
    pytest.param(variant, id=variant.name, marks=[pytest.mark.slow] if variant.slow else [])
    for variant in variants()
]


@pytest.mark.parametrize("variant", VARIANTS)
def test_results_are_those_of_torch(variant: Variant, tmp_path: Path):
    verify(variant, tmp_path)


def test_zoo_is_large_and_its_names_are_unique():
    networks = [case for case in CASES if case.family in NETWORKS]
    assert len(networks) >= 30 and len(CASES) - len(networks) >= 120
    assert len({variant.name.lower() for variant in variants()}) == len(variants())
    assert {case.family for case in CASES} == set(FAMILIES)
    assert sum(variant.decomposed for variant in variants()) >= len(CASES) / 3


def test_table_of_the_docs():
    assert written() == table(), "cd tests/python && python -m exported.table"
