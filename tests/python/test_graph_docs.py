"""docs/graph.md and docs/cli.md show what `torchship graph` prints."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support import cli_json, cli_ok

DOCS = Path(__file__).resolve().parents[2] / "docs"
GRAPH = (DOCS / "graph.md").read_text()


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", GRAPH, re.MULTILINE | re.DOTALL)
    return [text for kind, text in found if kind == language]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The archives of the examples, each made by a script of its name."""
    folder = tmp_path_factory.mktemp("docs")
    for block in blocks("python"):
        script = folder / f"{re.search(r'save..([a-z]+).pt', block)[1]}.py"
        script.write_text(block)
        subprocess.run([sys.executable, script], cwd=folder, check=True, capture_output=True)
    return folder


def printed(folder: Path, *arguments: object) -> str:
    """What the executable prints, with the names of scripts for their paths, on any CPU."""
    text = cli_ok("graph", *arguments).replace(f"{folder}/", "")
    return re.sub(r"\((plain|avx512)\)", "(avx2)", text)


@pytest.mark.parametrize("example", blocks("console"))
def test_examples(folder, example):
    command, output = example.split("\n", 1)
    name, *options = command.removeprefix("$ torchship graph ").split()
    assert printed(folder, folder / name, *options) == output


def test_example_of_cli(folder):
    output = printed(folder, folder / "chain.pt", "--engine", "interpreter", "--stage", "optimized")
    assert f"```\n{output}```" in (DOCS / "cli.md").read_text()


def test_example_of_the_readme(folder):
    output = printed(folder, folder / "addition.pt")
    shown = f"```console\n$ torchship graph addition.pt\n{output}```"
    assert shown in (DOCS.parent / "README.md").read_text()


def test_the_stock_fuser_cannot_compile_for_the_cpu():
    assert not torch._C._llvm_enabled()
    assert not torch._C._jit_can_fuse_on_cpu()


@pytest.mark.cuda
def test_three_of_the_four_run_as_one_kernel_on_cuda(folder):
    graph = cli_json("graph", folder / "chain.pt", "--stage", "optimized", "--device", "cuda")
    kinds = ("kernel", "operator")
    group, product = [node for node in graph["body"]["nodes"] if node["kind"] in kinds]
    assert group["operator"] == "prim::TensorExprGroup"
    inside = group["blocks"][0]["nodes"]
    members = [node["operator"] for node in inside if node["kind"] == "operator"]
    assert members == ["aten::mul", "aten::add", "aten::relu"]
    assert product["operator"] == "aten::matmul"
