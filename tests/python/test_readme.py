"""The README's blocks do what it says."""

import contextlib
import io
import json
import platform
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from hazards import CASES, CLEAN
from torchship import cli

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
CONSUMER = ROOT / "tests" / "cpp" / "consumer"


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [text for kind, text in found if kind == language]


@pytest.fixture(scope="module")
def toy_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    subprocess.run(
        [sys.executable, ROOT / "models" / "toy_mlp.py", "--out", folder / "toy_mlp.pt"],
        check=True,
        capture_output=True,
    )
    return folder


def written_here(text: str) -> str:
    """The text with the versions that write an archive in this process."""
    line = f"torch {torch.__version__}, Python {platform.python_version()}"
    return re.sub(r"torch \d+\.\S+, Python \d+\.\d+\.\d+", line, text)


def same_but_for_rounding(actual: str, wanted: str) -> bool:
    # The file holds the paths of its source lines, so its size depends on the folder.
    size = re.compile(r"(?m)^size +\d+\.\d kB$")
    actual, wanted = size.sub("size", actual), size.sub("size", wanted)
    number = re.compile(r"-?\d+\.\d+")
    return number.sub("#", actual) == number.sub("#", wanted) and all(
        abs(float(a) - float(b)) < 0.01
        for a, b in zip(number.findall(actual), number.findall(wanted), strict=True)
    )


def test_python_blocks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(printed):
        warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit.trace
        for block in blocks("python"):
            exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
    assert printed.getvalue() == "".join(blocks("")[1:])
    assert len(blocks("python")) == 4


def test_numbers_of_the_hazard_suite():
    faulty, sound = re.search(r"the (\d+) faulty and (\d+) sound models", README).groups()
    assert (int(faulty), int(sound)) == (len(CASES), len(CLEAN))


def test_numbers_of_the_exported_models():
    found = re.search(r"Of (\d+) models .* all (\d+) programs", README, re.DOTALL)
    models, programs = found.groups()
    table = (ROOT / "docs" / "exported-models.md").read_text()
    assert f"| all | {models} | {programs} | {programs} |" in table


def test_consumer_is_the_readmes():
    assert blocks("cpp") == [(CONSUMER / "main.cpp").read_text()]
    assert blocks("cmake") == [(CONSUMER / "CMakeLists.txt").read_text()]


@pytest.mark.parametrize("command", ["run", "info", "check", "lint"])
def test_console_blocks(command, toy_folder):
    (block,) = [b for b in blocks("console") if b.startswith(f"$ torchship {command} ")]
    line, _, wanted = block.partition("\n")
    done = subprocess.run(
        [cli.EXECUTABLE, *line.split()[2:]],
        capture_output=True,
        text=True,
        cwd=toy_folder,
        check=True,
    )
    assert same_but_for_rounding(done.stdout, written_here(wanted)), done.stdout


def test_table_of_the_comparison():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from report import summary

    found = json.loads((ROOT / "benchmarks" / "found.json").read_text())
    assert summary(found) in README
    assert found["machine"]["processor"] in README


def test_column_against_the_faster_peer():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from report import against_peers

    seconds = {"stock": 1, "torchship:a": 4, "torchship:b": 3, "onnxruntime": 12, "openvino": 6}
    ways = {way: {"steady_seconds": {"median": value}} for way, value in seconds.items()}
    assert against_peers(ways) == "0.50"
    del ways["openvino"]
    assert against_peers(ways) == "0.25"
    del ways["onnxruntime"]
    assert against_peers(ways) == ""
