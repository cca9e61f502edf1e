"""The table of docs/exported-models.md: ``cd tests/python && python -m exported.table`` runs all
programs and writes it."""

import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import torch

from exported import CASES, FAMILIES, variants
from exported.checking import verify

PAGE = Path(__file__).resolve().parents[3] / "docs" / "exported-models.md"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->\n"

PROGRAMS = Counter(variant.case.family for variant in variants())


def row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |\n"


def table(passed: Mapping[str, int] = PROGRAMS) -> str:
    """The table where so many programs of each family pass, by default all."""
    models = Counter(case.family for case in CASES)
    lines = [row("family", "models", "programs", "pass"), "|---|---:|---:|---:|\n"]
    lines += [row(FAMILIES[f], models[f], PROGRAMS[f], passed[f]) for f in FAMILIES]
    sums = (sum(count.values()) for count in (models, PROGRAMS, Counter(passed)))
    return "".join([*lines, row("all", *sums)])


def written() -> str:
    """The table that the page has."""
    return PAGE.read_text().split(BEGIN)[1].split(END)[0]


def passing() -> Counter:
    """How many programs of each family pass; says what is wrong with the others."""
    passed: Counter = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for variant in variants():
            try:
                verify(variant, Path(folder))
                passed[variant.case.family] += 1
            except Exception as error:
                print(f"{variant.name}: {type(error).__name__}: {str(error).splitlines()[0]}")
    return passed


if __name__ == "__main__":
    torch.set_num_threads(1)
    PAGE.write_text(PAGE.read_text().replace(BEGIN + written(), BEGIN + table(passing())))
