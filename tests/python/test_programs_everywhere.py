"""The article's lesson: a branch on data, in an exported program, through every door."""

import json

import pytest
import torch
import torchship
from c_programs import C99, SOURCES, package_flags, run_ok
from torchship import _bare_root, cli


def judged(x):
    """What a trace cannot keep: the way depends on the numbers."""
    return torch.cond(
        x.sum() > 3.5, lambda x: x.sum(1, keepdim=True) * 10, lambda x: -x[:, :1], (x,)
    )


# The rows that tests/c_api/run.c calls a model with, and which way they go.
ROWS = {(1.0, 1.0, 1.0): -1.0, (2.0, 1.0, 1.0): 40.0}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("everywhere") / "judged.pt2"
    torchship.trace(judged, torch.ones(1, 3), via="export").save(path)
    return path


def test_python(archive):
    model = torchship.load(archive)
    for row, answer in ROWS.items():
        assert model(torch.tensor([row])).item() == answer


def test_executable(archive):
    for row, answer in ROWS.items():
        values = ",".join(map(str, row))
        printed = run_ok(cli.EXECUTABLE, "run", archive, "-i", f"x=[[{values}]]", "--json")
        assert json.loads(printed)["data"] == [[answer]]


def test_c_program(archive, tmp_path):
    program = tmp_path / "run"
    flags = package_flags(cli.PKG_CONFIG_DIR, "torchship")
    run_ok(*C99, SOURCES / "run.c", *flags, "-o", program)
    printed = run_ok(program, archive)
    for answer in ROWS.values():
        assert f"{answer:g}" in printed


def test_bare_root(archive, tmp_path):
    root = tmp_path / "root"
    _bare_root.make_bare_root(root, archive)
    for row, answer in ROWS.items():
        values = ",".join(map(str, row))
        done = _bare_root.run_in(
            root, "/bin/torchship", "run", f"/{archive.name}", "-i", f"x=[[{values}]]"
        )
        if "Operation not permitted" in done.stderr:
            pytest.skip(f"the root may not be entered here: {done.stderr.strip()}")
        assert f"[[{answer:g}]]" in done.stdout, done.stdout + done.stderr


def test_a_trace_loses_it():
    """What the program keeps, an ordinary trace is refused for."""

    def branch(x):
        return x.sum(1, keepdim=True) * 10 if x.sum() > 3.5 else -x[:, :1]

    with pytest.raises(torchship.TraceError) as caught:
        torchship.trace(branch, torch.ones(1, 3))
    assert "lost-branch" in {found.code for found in caught.value.report.findings}
