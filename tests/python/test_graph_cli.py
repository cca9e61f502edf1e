"""`torchship graph`: its options, what it writes, and its errors."""

import json
import os
import pty
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import torch
from support import check_failure, cli, cli_json, cli_ok, legacy
from torch import Tensor, nn
from torchship.cli import EXECUTABLE

INPUT = ("-i", "x=[[1,2,3],[4,5,6]]")
ESCAPE = "\x1b"


def addition(x: Tensor) -> Tensor:
    """The article's example: `d` is 20 before anything runs, and nobody asks for `e`."""
    a, b = 5, 4
    d = a * b
    e = a + b  # noqa: F841
    return x + d


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.rest = nn.Sequential(nn.ReLU(), nn.Linear(4, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.rest(self.first(x))


class Branch(nn.Module):
    def forward(self, x: Tensor, rounds: int) -> Tensor:
        for _ in range(rounds):
            x = torch.sin(x) if bool(x.sum() > 0) else torch.cos(x) * 2
        return x

    @torch.jit.export
    def other(self, x: Tensor) -> Tensor:
        return x + 1


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("graphs")
    models = {
        "addition": legacy(torch.jit.trace, addition, torch.ones(2, 3)),
        "net": legacy(torch.jit.trace, Net().eval(), torch.ones(2, 3)),
        "branch": legacy(torch.jit.script, Branch().eval()),
    }
    for name, model in models.items():
        legacy(torch.jit.save, model, str(folder / f"{name}.pt"))
    return {path.stem: path for path in folder.glob("*.pt")}


def nodes_of(block: dict):
    """Every node of a block, those inside others too."""
    for node in block["nodes"]:
        yield node
        for inner in node["blocks"]:
            yield from nodes_of(inner)


def operators(graph: dict) -> list[str]:
    return [node["operator"] for node in nodes_of(graph["body"]) if node["kind"] == "operator"]


# Stages.


def test_addition_has_one_constant_and_no_trace_of_what_is_unused(files):
    graph = cli_json("graph", files["addition"])
    assert graph["stage"] == "initial" and graph["operators"] == 1
    assert operators(graph) == ["aten::add"]
    values = [node["attributes"]["value"] for node in nodes_of(graph["body"])
              if node["kind"] == "constant"]
    assert sorted(re.sub(r"\D", "", value) for value in values) == ["1", "20"]  # 1: alpha of add
    text = cli_ok("graph", files["addition"])
    call = r"aten::add +x(\.\d)?, (tensor\()?20\)?, 1 .*test_graph_cli\.py:\d+"
    assert re.search(call, text), text


@pytest.mark.parametrize(
    ("arguments", "stage"),
    [((), "initial"), (INPUT, "optimized"), (("--profile", *INPUT), "optimized"),
     (("--stage", "frozen"), "frozen"), (("--stage", "initial"), "initial"),
     (("--stage", "optimized", *INPUT), "optimized")],
)
def test_stage(files, arguments, stage):
    graph = cli_json("graph", files["net"], *arguments)
    assert graph["stage"] == stage
    assert f"at stage {stage}" in cli_ok("graph", files["net"], *arguments).splitlines()[0]
    assert graph["operators"] == len(operators(graph)) == 3


def test_frozen_says_what_each_pass_did(files):
    text = cli_ok("graph", files["net"], "--stage", "frozen")
    graph = cli_json("graph", files["net"], "--stage", "frozen")
    assert graph["passes"]
    for step in graph["passes"]:
        arrow = f"{step['operators_before']} -> {step['operators_after']}"
        assert re.search(rf"^{re.escape(step['name'])} +{arrow}", text, re.MULTILINE)
    assert all(before["operators_after"] == after["operators_before"]
               for before, after in zip(graph["passes"], graph["passes"][1:],
                                         strict=False))


def test_optimized_knows_sizes(files):
    graph = cli_json("graph", files["net"], *INPUT)
    output = graph["values"][graph["body"]["outputs"][0]]
    assert (output["dtype"], output["shape"]) == ("float32", [2, 2])
    assert "float32[2, 4]" in cli_ok("graph", files["net"], *INPUT)


def test_method(files):
    assert cli_json("graph", files["branch"], "--method", "other")["operators"] == 1
    assert cli_json("graph", files["branch"])["method"] == "forward"


def test_modules_and_lines_of_the_source(files):
    graph = cli_json("graph", files["net"], "--stage", "frozen")
    nodes = [node for node in nodes_of(graph["body"]) if node["kind"] == "operator"]
    assert [node["module"] for node in nodes] == ["first", "rest.0", "rest.1"]
    assert all(re.fullmatch(r".*\.py:\d+", node["source"]) for node in nodes)


def test_json_is_ascii_and_indices_are_sound(files):
    text = cli_ok("graph", files["branch"], "--json")
    assert text.isascii()
    graph = json.loads(text)
    assert set(graph) == {"stage", "method", "engine", "device", "operators", "values", "body",
                          "passes", "notes"}
    names = [value["name"] for value in graph["values"]]
    assert len(names) == len(set(names))
    for node in nodes_of(graph["body"]):
        assert all(0 <= index < len(names) for index in node["inputs"] + node["outputs"])
    kinds = {node["kind"] for node in nodes_of(graph["body"])}
    assert {"control", "operator", "constant"} <= kinds


# Text.


def test_columns_are_aligned(files):
    lines = cli_ok("graph", files["net"], "--stage", "frozen").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("result "))
    column = lines[start].index("operator")
    rows = lines[start + 1 : lines.index("", start)]
    assert [row[column:].split()[0] for row in rows if "aten::" in row] == [
        "aten::linear", "aten::relu", "aten::linear"]


def test_branches_are_indented(files):
    text = cli_ok("graph", files["branch"])
    column = {word: re.search(rf"^.*?({re.escape(word)})", text, re.MULTILINE).start(1)
              - text.rfind("\n", 0, text.index(word)) for word in
              ("prim::Loop", "body:", "prim::If", "if true:", "aten::sin")}
    assert list(column.values()) == sorted(column.values())
    assert len(set(column.values())) == 5


def test_constants_are_listed_where_asked_for(files):
    assert "prim::Constant" not in cli_ok("graph", files["addition"])
    assert cli_ok("graph", files["addition"], "--constants").count("prim::Constant") == 2


def in_terminal(*arguments: object, **variables: str) -> str:
    """What the executable writes to a terminal."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", **variables}
    done = subprocess.run([str(EXECUTABLE), *map(str, arguments)], stdout=follower, timeout=60,
                          env=environment)
    os.close(follower)
    assert done.returncode == 0
    text = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # Nobody writes any more.
            break
        if not part:
            break
        text += part
    os.close(leader)
    return text.decode()


def test_colours(files):
    assert ESCAPE not in cli_ok("graph", files["net"])
    assert ESCAPE in cli_ok("graph", files["net"], "--color", "always")
    assert ESCAPE not in cli_ok("graph", files["net"], "--color", "always", "--json")
    assert ESCAPE in in_terminal("graph", files["net"])
    assert ESCAPE not in in_terminal("graph", files["net"], NO_COLOR="1")
    assert ESCAPE not in in_terminal("graph", files["net"], TERM="dumb")
    assert ESCAPE not in in_terminal("graph", files["net"], "--color", "never")
    assert ESCAPE in in_terminal("graph", files["net"], "--color", "always", NO_COLOR="1")


def test_profile(files):
    options = ("--engine", "interpreter", "--profile", *INPUT)
    text = cli_ok("graph", files["net"], *options)
    assert re.search(r"^time by operator +calls +time +share$", text, re.MULTILINE)
    assert re.search(r"^time by source line +calls +time +share$", text, re.MULTILINE)
    assert len(re.findall(r"^total .* 100\.0 %$", text, re.MULTILINE)) == 2
    assert re.search(r"^aten::linear +\d+ +[\d.]+ [um]s +[\d.]+ %$", text, re.MULTILINE)
    graph = cli_json("graph", files["net"], *options)
    nodes = graph["body"]["nodes"]
    kernel, last = [node for node in nodes if node["kind"] in ("kernel", "operator")]
    (block,) = kernel["blocks"]
    assert [node["operator"] for node in block["nodes"]] == ["aten::linear", "aten::relu"]
    assert last["operator"] == "aten::linear"
    for node in (kernel, last):
        assert node["microseconds"] > 0 and node["executions"] >= 1


def test_profile_of_a_plan(files):
    text = cli_ok("graph", files["net"], "--profile", *INPUT)
    assert "planned on cpu" in text.splitlines()[0]
    assert re.search(r"^torchship::multiply +2 +[\d.]+ [um]s +100\.0 %$", text, re.MULTILINE)
    first, last = cli_json("graph", files["net"], "--profile", *INPUT)["body"]["nodes"]
    inside = [node["operator"] for node in first["blocks"][0]["nodes"]]
    assert inside == ["aten::linear", "aten::relu"]
    assert first["microseconds"] > 0 and last["attributes"]["sizes"] == "2 x 4 x 2"


# Files.


def test_dot(files, tmp_path):
    path = tmp_path / "net.dot"
    assert cli_ok("graph", files["net"], "--stage", "frozen", "--dot", path) == ""
    text = path.read_text()
    assert text.startswith("digraph torchship {")
    assert text.count('label="linear') == 2 and text.count('label="relu') == 1
    for module in ("first", "rest", "0", "1"):
        assert f'label="{module}"; labeljust' in text
    assert text.count(" -> ") == 4


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")
@pytest.mark.parametrize("name", ["net", "branch", "addition"])
def test_svg(files, tmp_path, name):
    path = tmp_path / "graph.svg"
    assert cli_ok("graph", files[name], "--svg", path) == ""
    root = ElementTree.parse(path).getroot()
    titles = [element for element in root.iter("{http://www.w3.org/2000/svg}g")
              if element.get("class") == "node"]
    graph = cli_json("graph", files[name])
    assert len(titles) >= graph["operators"]


def test_svg_without_graphviz(files, tmp_path):
    done = cli("graph", files["net"], "--svg", tmp_path / "graph.svg",
               env={**os.environ, "PATH": str(tmp_path)})
    check_failure(done, 1, "dot", "graphviz", "--html")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("program", "message"),
    [("#!/bin/sh\necho 'no such format' >&2\nexit 3\n", "dot: failed: no such format"),
     ("#!/bin/sh\nkill -9 $$\n", "dot: failed")],
)
def test_svg_with_a_graphviz_that_fails(files, tmp_path, program, message):
    (tmp_path / "dot").write_text(program)
    (tmp_path / "dot").chmod(0o755)
    done = cli("graph", files["net"], "--svg", tmp_path / "graph.svg",
               env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    check_failure(done, 1, message)
    assert not (tmp_path / "graph.svg").exists()


def test_html_is_one_file(files, tmp_path):
    path = tmp_path / "net.html"
    assert cli_ok("graph", files["net"], "--html", path) == ""
    text = path.read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert not re.search(r"""(src|href)\s*=\s*["']""", text)
    data = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1]
    stages = [graph["stage"] for graph in json.loads(data)["graphs"]]
    assert stages == ["initial", "frozen", "optimized"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.html"]


def test_html_has_the_optimized_stage_with_inputs(files, tmp_path):
    path = tmp_path / "net.html"
    cli_ok("graph", files["net"], "--html", path, *INPUT)
    data = json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(), re.DOTALL)[1])
    assert [graph["stage"] for graph in data["graphs"]] == ["initial", "frozen", "optimized"]
    assert data["first"] == 2


def test_html_notes_a_stage_that_cannot_be_had(files, tmp_path):
    path = tmp_path / "net.html"
    cli_ok("graph", files["net"], "--html", path, "--profile", "--stage", "initial")
    data = json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(), re.DOTALL)[1])
    assert len(data["graphs"]) == 2  # A profile needs a call.
    assert any("optimized" in note for note in data["graphs"][0]["notes"])


def test_files_and_json_together(files, tmp_path):
    graph = cli_json("graph", files["net"], "--dot", tmp_path / "a", "--html", tmp_path / "b")
    assert graph["operators"] == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


# Errors.


def test_unknown_stage(files):
    check_failure(cli("graph", files["net"], "--stage", "final"), 1, "final", "initial", "frozen",
                  "optimized")


def test_unknown_method(files):
    check_failure(cli("graph", files["branch"], "--method", "backward"), 1, "backward", "other")


def test_optimized_without_inputs_knows_no_sizes(files):
    graph = cli_json("graph", files["net"], "--stage", "optimized")
    assert graph["operators"] == 3
    assert "shape" not in graph["values"][graph["body"]["outputs"][0]]


def test_profile_without_inputs(files):
    check_failure(cli("graph", files["net"], "--profile"), 1, "input")


def test_inputs_that_do_not_fit(files):
    check_failure(cli("graph", files["branch"], "-i", "x=1,2"), 1, "rounds")
    check_failure(cli("graph", files["branch"], "-i", "y=1,2"), 1, "y")


@pytest.mark.parametrize("arguments", [INPUT, ("--profile",)])
@pytest.mark.parametrize("stage", ["initial", "frozen"])
def test_a_call_at_a_stage_that_has_none(files, arguments, stage):
    check_failure(cli("graph", files["net"], "--stage", stage, *arguments), 2, stage,
                  "--stage optimized")


@pytest.mark.parametrize("option", ["--dot", "--html"])
def test_file_that_cannot_be_written(files, tmp_path, option):
    check_failure(cli("graph", files["net"], option, tmp_path / "none" / "file"), 1, "no folder")
    check_failure(cli("graph", files["net"], option, tmp_path), 1, "is a folder")


@pytest.mark.parametrize("arguments", [("--color", "sometimes"), ("--threads", "0"),
                                       ("--device",)])
def test_bad_usage(files, arguments):
    check_failure(cli("graph", files["net"], *arguments), 2)


def test_no_archive(tmp_path):
    check_failure(cli("graph", tmp_path / "none.pt"), 1, "none.pt")
