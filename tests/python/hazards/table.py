"""The table of docs/hazards.md: ``cd tests/python && python -m hazards.table`` writes it."""

from pathlib import Path

from hazards.findings import accusations, matching, verdict
from hazards.registry import CASES, CLEAN, Case

PAGE = Path(__file__).resolve().parents[3] / "docs" / "hazards.md"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->\n"


def _hazard_row(case: Case) -> str:
    found = next(iter(matching(case)), None)
    where = f"`{Path(found.file).name}:{found.line}`" if found else "not found"
    severity = found.severity if found else ""
    return f"| `{case.name}` | {case.about} | {case.code} | {severity} | {where} |"


def _clean_row(case: Case) -> str:
    found = ", ".join(f"{f.code} at line {f.line}" for f in accusations(case)) or "nothing"
    agreed = sum(replay.outcome == "agrees" for replay in verdict(case).report.replays)
    return f"| `{case.name}` | {case.about} | {found} | {agreed} |"


def table() -> str:
    """Return what the tracer finds now, as two tables."""
    lines = [
        f"{len(CASES)} hazards:",
        "",
        "| case | what it does | code | severity | found at |",
        "|---|---|---|---|---|",
        *map(_hazard_row, CASES),
        "",
        f"{len(CLEAN)} clean models:",
        "",
        "| case | what it does | errors and warnings | replays that agree |",
        "|---|---|---|---|",
        *map(_clean_row, CLEAN),
    ]
    return "".join(f"{line}\n" for line in lines)


def written() -> str:
    """Return the table that the page has."""
    return PAGE.read_text().split(BEGIN)[1].split(END)[0]


if __name__ == "__main__":
    PAGE.write_text(PAGE.read_text().replace(BEGIN + written(), BEGIN + table()))
