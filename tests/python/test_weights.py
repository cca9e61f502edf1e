"""Weights of fewer bits (`weights="bfloat16"`, `"int8"`), and which kernel is how far off."""

import json

import pytest
import torch
import torchship
from support import cli
from torch import nn

FORMATS = {"bfloat16": (1e-4, 1e-2), "int8": (1e-3, 5e-2)}


def norm_of_error(got: torch.Tensor, expected: torch.Tensor) -> float:
    return float(((got - expected).norm() / expected.norm()).detach())


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(96, 200)
        self.second = nn.Linear(200, 200, bias=False)
        self.norm = nn.LayerNorm(200)
        self.last = nn.Linear(200, 10)

    def forward(self, x):
        y = torch.relu(self.first(x))
        return self.last(self.norm(y + self.second(y)))


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    torch.manual_seed(0)
    module = Network().eval()
    path = tmp_path_factory.mktemp("weights") / "network.pt"
    torchship.trace(module, torch.randn(5, 96), dynamic={"x": {0: "rows"}}).save(path)
    return module, path


@pytest.mark.parametrize("weights", FORMATS)
@pytest.mark.parametrize("rows", [1, 5, 64])
def test_results_are_close_and_others(network, weights, rows):
    module, path = network
    model = torchship.load(path, weights=weights)
    assert (model.engine.name, weights in model.engine.reason) == ("planned", True)
    least, most = FORMATS[weights]
    torch.manual_seed(rows)
    for _ in range(2):
        x = torch.randn(rows, 96)
        assert least < norm_of_error(model(x), module(x)) < most
    exact = torchship.load(path)
    assert norm_of_error(exact(x), module(x)) < 1e-6


@pytest.mark.parametrize("weights", FORMATS)
def test_graph_tells_the_format(network, weights):
    _, path = network
    products = [
        node
        for node in torchship.load(path, weights=weights).graph().body.nodes
        if node.operator_name == "torchship::multiply"
    ]
    assert len(products) == 3
    *wide, narrow = (node.attributes["sizes"] for node in products)
    assert all(weights in sizes for sizes in wide)
    # A product of few columns takes no less time with int8, and keeps its accuracy.
    assert (weights in narrow) == (weights != "int8")


@pytest.mark.parametrize("weights", FORMATS)
def test_check_tells_what_they_cost(network, weights):
    _, path = network
    report = torchship.check(path, weights=weights)
    assert report
    (output,) = report.samples[0].outputs
    least, most = FORMATS[weights]
    assert least < output.normwise < most
    assert output.tolerance.normwise == {"bfloat16": 1e-2, "int8": 1e-1}[weights]
    assert "norm" in str(report).splitlines()[0]
    assert torchship.check(path).samples[0].outputs[0].normwise < 1e-6


def test_a_tolerance_of_the_author_holds_and_the_kernel_is_named(network, tmp_path):
    module, _ = network
    path = tmp_path / "strict.pt"
    torchship.trace(module, torch.randn(5, 96), tolerance=(1e-5, 1e-5)).save(path)
    assert torchship.check(path)
    report = torchship.check(path, weights="int8")
    assert not report
    assert report.departure.operator_name == "torchship::multiply"
    assert 1e-3 < report.departure.relative < 5e-2
    assert "the kernel furthest from LibTorch is torchship::multiply" in str(report)


def test_executable(network):
    _, path = network
    done = cli("check", path, "--weights", "int8", "--json", "--engine", "auto")
    assert done.returncode == 0, done.stderr
    output = json.loads(done.stdout)["engines"][0]["samples"][0]["outputs"][0]
    assert 1e-3 < output["normwise"] < 5e-2
    done = cli("check", path, "--weights", "int4")
    assert done.returncode == 2
    assert "int8" in done.stderr


@pytest.mark.parametrize(
    "options",
    [
        {"weights": "int8", "engine": "interpreter"},
        {"weights": "bfloat16", "optimize": False},
        {"weights": "int4"},
    ],
)
def test_what_cannot_be(network, options):
    _, path = network
    with pytest.raises(torchship.EngineError, match="weights|planned"):
        torchship.load(path, **options)


def test_every_kernel_beside_libtorch(network):
    module, path = network
    x = torch.randn(5, 96)
    exact = torchship.load(path, engine="planned").graph(inputs=[x], compare=True).body.nodes
    assert [node.operator_name for node in exact][-1] == "torchship::multiply"
    assert all(node.error is not None and node.error < 1e-6 for node in exact)
    rounded = torchship.load(path, weights="int8").graph(inputs=[x], compare=True).body.nodes
    for one, other in zip(exact, rounded, strict=True):
        is_rounded = "int8" in other.attributes.get("sizes", "")
        assert (other.error > 1e-3) == is_rounded, one.operator_name
    assert sum("int8" in node.attributes.get("sizes", "") for node in rounded) == 2


def test_executable_compares(network):
    _, path = network
    done = cli("graph", path, "--compare", "--engine", "planned")
    assert done.returncode == 0, done.stderr
    heading = next(line for line in done.stdout.splitlines() if line.startswith("result"))
    assert heading.split()[-1] == "error"
    done = cli("graph", path, "--compare", "--stage", "frozen")
    assert done.returncode == 2
    assert "--compare says nothing at stage frozen" in done.stderr
