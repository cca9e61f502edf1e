"""The examples of docs/graph.md and of the README's look inside give what the pages show."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from torchship import cli

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "graph.md").read_text()
README = (ROOT / "README.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run(folder: Path, *command: object) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd=folder, check=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where the page's Python blocks were run, each as a file named like its archive."""
    folder = tmp_path_factory.mktemp("graph")
    for block in blocks(PAGE, "python"):
        (name,) = re.findall(r'save\("(\w+)\.pt"\)', block)
        (folder / f"{name}.py").write_text(block)
        run(folder, sys.executable, "-W", "ignore", f"{name}.py")
    return folder


def shown(text: str) -> list[str]:
    return [block for block in blocks(text, "console") if block.startswith("$ torchship graph ")]


@pytest.mark.parametrize("page", [PAGE, README], ids=["graph.md", "README.md"])
def test_what_the_pages_show(page, folder):
    assert shown(page)
    for block in shown(page):
        line, _, wanted = block.partition("\n")
        printed = run(folder, cli.EXECUTABLE, *line.split()[2:])
        assert printed.replace(f"{folder}/", "/home/me/") == wanted


def test_the_stages_of_the_examples(folder):
    frozen = run(folder, cli.EXECUTABLE, "graph", "pointwise.pt", "--stage", "frozen")
    assert "4 operators" in frozen and "propagate constants" in frozen
    executed = run(folder, cli.EXECUTABLE, "graph", "pointwise.pt", "--stage", "optimized")
    assert re.findall(r"aten::\w+", executed) == [
        "aten::mul",
        "aten::add",
        "aten::relu",
        "aten::matmul",
    ]
    assert "float32[2, 4]" in executed and "note: nothing is fused on cpu" in executed
