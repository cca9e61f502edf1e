"""The engine `planned`: kernels of torchship's own, for tensors of the sizes that a call has."""

import pytest
import torch
import torchship
from support import wrong_answers
from torch import Tensor, nn
from torch.nn import functional as F


def planned(module: nn.Module, *examples: Tensor, path, **options) -> torchship.Model:
    torchship.trace(module.eval(), examples, **options).save(path)
    return torchship.load(path, engine="planned")


def kernels(model: torchship.Model, *inputs: Tensor) -> list[str]:
    return [node.operator_name for node in model.graph(inputs=inputs).body.nodes]


class Block(nn.Module):
    """A convolution, a residual, a pooling, a product."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        y = F.relu(self.first(x))
        y = F.relu(self.norm(self.second(y)) + y)
        return self.head(F.max_pool2d(y, 2).mean((2, 3)))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = nn.Linear(16, 48)
        self.norm = nn.LayerNorm(16)
        self.last = nn.Linear(16, 16)

    def forward(self, x):
        q, k, v = (
            part.view(*x.shape[:2], 4, 4).transpose(1, 2)
            for part in self.parts(self.norm(x)).chunk(3, dim=-1)
        )
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)
        return x + F.gelu(self.last(mixed))


@pytest.mark.parametrize(
    ("module", "shape", "expected"),
    [
        (Block(), (2, 3, 16, 16), {f"torchship::{name}" for name in ("convolve", "max_pool", "mean")}),
        (Attention(), (2, 7, 16), {"torchship::attend", "torchship::layer_norm"}),
        (nn.LSTM(6, 10, 2, bidirectional=True), (5, 3, 6), {"torchship::lstm"}),
        (nn.GRU(6, 10, batch_first=True), (5, 3, 6), {"torchship::gru"}),
    ],
)
def test_networks_run_in_kernels_alone(module, shape, expected, tmp_path):
    torch.manual_seed(0)
    model = planned(module, torch.randn(shape), path=tmp_path / "m.pt")
    assert model.engine.name == "planned"
    for _ in range(2):
        x = torch.randn(shape)
        torch.testing.assert_close(model(x), module(x), rtol=1e-4, atol=1e-5)
    names = set(kernels(model, torch.randn(shape)))
    assert expected <= names
    assert all(name.startswith("torchship::") for name in names), names


def test_every_size_has_its_own_plan(tmp_path):
    module = Attention()
    model = planned(module, torch.randn(2, 7, 16), path=tmp_path / "m.pt")
    for rows in (1, 9, 3, 9, 64):
        x = torch.randn(1, rows, 16)
        torch.testing.assert_close(model(x), module(x), rtol=1e-4, atol=1e-5)


def test_threads_share_a_model(tmp_path):
    module = Block()
    model = planned(module, torch.randn(2, 3, 16, 16), path=tmp_path / "m.pt")
    x = torch.randn(2, 3, 16, 16)
    expected = model(x)
    assert wrong_answers(model, x, expected, threads=4, calls=20) == 0


def test_number_of_threads_changes_nothing_but_rounding(tmp_path):
    module = Block()
    planned(module, torch.randn(2, 3, 16, 16), path=tmp_path / "m.pt")
    x = torch.randn(2, 3, 16, 16)
    results = [
        torchship.load(tmp_path / "m.pt", engine="planned", threads=threads)(x)
        for threads in (1, 2, 3)
    ]
    for result in results[1:]:
        torch.testing.assert_close(result, results[0], rtol=1e-5, atol=1e-6)


def test_views_that_look_at_another_tensor(tmp_path):
    """As the mean over the tokens that a mask leaves, of sentence encoders."""

    class Pooling(nn.Module):
        def forward(self, x, mask):
            weights = (mask * 2.0).unsqueeze(-1).expand_as(x)
            return (x * weights).sum(1) / weights.sum(1), x.view_as(x) + torch.relu(x)

    x, mask = torch.randn(2, 5, 8), torch.rand(2, 5)
    module = Pooling()
    model = planned(module, x, mask, path=tmp_path / "m.pt")
    for _ in range(2):
        for got, expected in zip(model(x, mask), module(x, mask), strict=True):
            torch.testing.assert_close(got, expected)
    assert not {"aten::expand_as", "aten::view_as"} & set(kernels(model, x, mask))


def test_strides_that_a_model_asks_for_are_those_of_torch(tmp_path):
    class Strided(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return self.conv(x).as_strided((4, 5), (36, 3)) * 2

    x = torch.randn(1, 3, 8, 8)
    module = Strided()
    model = planned(module, x, path=tmp_path / "m.pt")
    torch.testing.assert_close(model(x), module(x), rtol=1e-4, atol=1e-5)


def test_what_it_does_not_know_runs_in_libtorch(tmp_path):
    class Mixed(nn.Module):
        def forward(self, x):
            return torch.fft.rfft(torch.relu(x)).abs() * 2, torch.cumsum(x, 0).double()

    x = torch.randn(6, 8)
    module = Mixed()
    model = planned(module, x, path=tmp_path / "m.pt")
    for got, expected in zip(model(x), module(x), strict=True):
        torch.testing.assert_close(got, expected)
    names = kernels(model, x)
    assert "torchship::pointwise" in names and any(name.startswith("aten::") for name in names)


def test_sizes_that_data_decide_on_leave_the_rest_planned(tmp_path):
    """As of detectors: what is found varies in number, what finds it does not."""

    class Detector(nn.Module):
        def __init__(self):
            super().__init__()
            self.scores = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))

        def forward(self, x):
            scores = self.scores(x).squeeze(-1)
            found = torch.nonzero(scores > 0).squeeze(-1)
            return x[found] * 2 + 1, scores

    torch.manual_seed(0)
    module = Detector()
    model = planned(module, torch.randn(20, 8), path=tmp_path / "m.pt")
    for _ in range(4):
        x = torch.randn(20, 8)
        for got, expected in zip(model(x), module(x), strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    names = kernels(model, torch.randn(20, 8))
    assert names.count("torchship::multiply") == 2 and "aten::nonzero" in names


def test_graph_tells_kernels_memory_and_time(tmp_path):
    model = planned(Block(), torch.randn(2, 3, 16, 16), path=tmp_path / "m.pt")
    graph = model.graph(profile=True, inputs=[torch.randn(2, 3, 16, 16)])
    assert graph.engine == "planned"
    assert all(node.microseconds > 0 for node in graph.body.nodes)
    blocks = [block for node in graph.body.nodes for block in node.blocks]
    members = {member.operator_name for block in blocks for member in block.nodes}
    assert {"aten::relu", "aten::linear", "aten::max_pool2d", "aten::mean"} <= members
    assert any("share" in note for note in graph.notes)


def test_models_with_state_go_to_the_interpreter(tmp_path):
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(1))

        def forward(self, x):
            self.count += 1
            return torch.relu(x) + self.count

    path = tmp_path / "m.pt2"
    torch.export.save(torch.export.export(Counter(), (torch.zeros(1),)), path)
    model = torchship.load(path, engine="planned")
    assert [model(torch.zeros(1)).item() for _ in range(3)] == [1, 2, 3]


def test_it_is_for_the_cpu_and_optimizes(tmp_path):
    planned(nn.Linear(2, 2), torch.randn(1, 2), path=tmp_path / "m.pt")
    with pytest.raises(torchship.EngineError, match="optimizes"):
        torchship.load(tmp_path / "m.pt", engine="planned", optimize=False)


class Reduction(nn.Module):
    def __init__(self, reduce):
        super().__init__()
        self.reduce = reduce

    def forward(self, x):
        return self.reduce(x * 2)


@pytest.mark.parametrize(
    ("reduce", "kernel"),
    [
        (lambda x: x.mean(), "mean"),
        (lambda x: x.sum(), "sum"),
        (lambda x: x.mean(1), "mean"),
        (lambda x: x.sum((0, 2), keepdim=True), "sum"),
        (lambda x: x.sum(-1), "sum"),
        (lambda x: x.amax(1), "maximum"),
        (lambda x: x.amax((1, 2), keepdim=True), "maximum"),
        (lambda x: x.amin(0), "minimum"),
        (lambda x: x.transpose(0, 2).amax(-1), "maximum"),
    ],
)
def test_reductions(reduce, kernel, tmp_path):
    module, x = Reduction(reduce), torch.randn(4, 5, 37)
    model = planned(module, x, path=tmp_path / "m.pt")
    assert f"torchship::{kernel}" in kernels(model, x)
    for _ in range(2):
        x = torch.randn(4, 5, 37)
        torch.testing.assert_close(model(x), module(x), rtol=1e-4, atol=1e-5)
    x[1, 2, 3] = torch.nan
    x[2, 3, 4] = -torch.inf
    torch.testing.assert_close(model(x), module(x), rtol=1e-4, atol=1e-5, equal_nan=True)


def test_sums_of_another_dtype_run_in_libtorch(tmp_path):
    module, x = Reduction(lambda x: x.sum(1, dtype=torch.double)), torch.randn(4, 5)
    model = planned(module, x, path=tmp_path / "m.pt")
    torch.testing.assert_close(model(x), module(x))
