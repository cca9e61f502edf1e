"""What a graph shows at each stage, beside what torch's own graphs and modules say."""

import threading

import pytest
import torch
import torchship
from support import legacy
from torch import Tensor, nn
from torch.nn import functional


def nodes(block, kinds=("operator",)):
    """Give every node of these kinds, inner blocks included."""
    for node in block.nodes:
        if node.kind in kinds:
            yield node
        for inner in node.blocks:
            yield from nodes(inner, kinds)


def operators(graph) -> list[str]:
    return [node.operator_name for node in nodes(graph.body)]


def size_of(tensors) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def get_pass(graph, name: str):
    return next(one for one in graph.passes if one.name == name)


@pytest.fixture
def traced(tmp_path):
    """Trace with torchship, save and load."""

    def make(module, *examples):
        torchship.trace(module, examples).save(tmp_path / "traced.pt")
        return torchship.load(tmp_path / "traced.pt", engine="interpreter")

    return make


@pytest.fixture
def plain(tmp_path):
    """Load an archive that torch itself writes."""

    def make(script):
        legacy(torch.jit.save, script, str(tmp_path / "plain.pt"))
        return torchship.load(tmp_path / "plain.pt", engine="interpreter")

    return make


def article(x):
    a = 5
    b = 2
    c = a * b
    d = c + 10
    e = a + b  # noqa: F841
    return x + d


ARTICLE_NODES = [("prim::Constant", "1"), ("prim::Constant", "20"), ("aten::add", None)]


@pytest.mark.parametrize("stage", ["initial", "frozen", "optimized"])
def test_the_articles_function_has_one_constant_20_and_no_trace_of_the_unused(traced, stage):
    graph = traced(article, torch.ones(3)).graph(stage)
    found = [(node.operator_name, node.attributes.get("value")) for node in graph.body.nodes]
    assert sorted(found, key=lambda pair: (pair[1] is None, pair[1])) == ARTICLE_NODES
    assert found[-1] == ARTICLE_NODES[-1]
    assert graph.operators == 1


def test_traced_shows_the_articles_function():
    trace = torchship.trace(article, (torch.ones(3),))
    kinds = [node.kind() for node in trace.graph.nodes()]
    assert sorted(kinds) == ["aten::add", "prim::Constant", "prim::Constant"]
    values = {node.output().toIValue() for node in trace.graph.nodes() if "Const" in node.kind()}
    assert {int(value) for value in values} == {1, 20}
    assert "aten::add" in str(trace.graph_for(torch.ones(3)))


class MLP(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Linear(3, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 16), nn.ReLU(),
            nn.Dropout(0.5), nn.Linear(16, 1),
        )  # fmt: skip


def test_the_articles_mlp(traced):
    model = traced(MLP().eval(), torch.ones(2, 3))
    initial, frozen = model.graph("initial"), model.graph("frozen")
    assert operators(initial).count("aten::dropout") == 2
    assert operators(frozen) == ["aten::linear", "aten::relu"] * 2 + ["aten::linear"]
    dropped = get_pass(frozen, "remove dropout")
    assert dropped.removed["aten::dropout"] == 2
    assert (dropped.operators_before, dropped.operators_after) == (7, 5)
    assert get_pass(frozen, "make attributes constant").constants_folded == 6
    assert [node.module for node in nodes(frozen.body)] == ["0", "1", "3", "4", "6"]


def test_the_articles_chain_is_four_calls_on_the_cpu(traced):
    def chain(a, b, c, d):
        return torch.relu(a * b + c) @ d

    examples = [torch.rand(4, 4) for _ in range(4)]
    graph = traced(chain, *examples).graph_for(*examples)
    assert operators(graph) == ["aten::mul", "aten::add", "aten::relu", "aten::matmul"]
    assert any(note.startswith("nothing is fused on cpu: ") for note in graph.notes)
    by_index = [(value.dtype, value.shape) for value in graph.values]
    for node in nodes(graph.body):
        assert by_index[node.outputs[0]] == ("float32", [4, 4])


class TransformerBlock(nn.Module):
    """Pre-norm attention and a gelu MLP."""

    def __init__(self, width: int = 16, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.drop1, self.drop2 = nn.Dropout(0.1), nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(batch, length, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        x = x + self.drop1(self.out(mixed.reshape(batch, length, width)))
        return x + self.drop2(self.down(functional.gelu(self.up(self.norm2(x)))))


def test_a_transformer_block_beside_the_eager_module(traced):
    module = TransformerBlock().eval()
    frozen = traced(module, torch.rand(2, 5, 16)).graph("frozen")
    found = operators(frozen)
    count = {
        kind: sum(isinstance(part, kind) for part in module.modules())
        for kind in (nn.Linear, nn.LayerNorm, nn.Dropout)
    }
    assert found.count("aten::linear") == count[nn.Linear] == 4
    assert found.count("aten::layer_norm") == count[nn.LayerNorm] == 2
    assert found.count("aten::dropout") == 0
    assert get_pass(frozen, "remove dropout").removed["aten::dropout"] == count[nn.Dropout] == 2
    assert get_pass(frozen, "make attributes constant").constants_folded == len(
        list(module.parameters())
    )
    by_module = {node.module for node in nodes(frozen.body) if node.operator_name != "aten::size"}
    assert {"norm1", "qkv", "out", "norm2", "up", "down"} <= by_module


class Residual(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.down = None
        if stride != 1 or before != after:
            self.down = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: Tensor) -> Tensor:
        skip = x if self.down is None else self.down(x)
        return torch.relu(self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))) + skip)


class ResNet18(nn.Module):
    """ResNet-18 with a quarter of the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 7, 2, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
        )  # fmt: skip
        sizes = [(16, 16, 1), (16, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1),
                 (64, 128, 2), (128, 128, 1)]  # fmt: skip
        self.layers = nn.Sequential(*(Residual(*size) for size in sizes))
        self.head = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(self.stem(x)).mean((2, 3)))


@pytest.mark.parametrize("way", ["trace", "script"])
def test_a_residual_network_beside_the_eager_module_and_torch_freeze(plain, way):
    module = ResNet18().eval()
    x = torch.rand(1, 3, 32, 32)
    script = (
        legacy(torch.jit.trace, module, x) if way == "trace" else legacy(torch.jit.script, module)
    )
    frozen = plain(script).graph("frozen")
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    convolutions = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
    folded = get_pass(frozen, "fold batch norm into convolutions")
    assert folded.removed["aten::batch_norm"] == len(norms) == 20
    assert folded.bytes_folded == sum(
        size_of([norm.weight, norm.bias, norm.running_mean, norm.running_var]) for norm in norms
    )
    found = operators(frozen)
    assert found.count("aten::batch_norm") == 0
    by_torch = legacy(torch.jit.freeze, script).graph
    for name in ("aten::batch_norm", "aten::relu", "aten::linear", "aten::max_pool2d"):
        assert found.count(name) == len(by_torch.findAllNodes(name)), name
    calls = {"aten::conv2d", "aten::_convolution"}
    assert sum(name in calls for name in found) == len(convolutions) == 20


def test_scripts_with_branches_and_methods(plain):
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 3)
            self.flag = False

        def forward(self, x: Tensor, rounds: int) -> Tensor:
            for _ in range(rounds):
                x = self.linear(x) if bool(x.sum() > 0) else x - 1
            if self.flag:
                x = torch.rand(3)
            return x

        @torch.jit.export
        def twice(self, x: Tensor) -> Tensor:
            return self.linear(self.linear(x))

    model = plain(legacy(torch.jit.script, Branches().eval()))
    frozen = model.graph("frozen")
    kinds = [node.operator_name for node in nodes(frozen.body, ("control",))]
    assert kinds == ["prim::Loop", "prim::If"]
    assert "aten::rand" not in operators(frozen)
    initial = model.graph("initial", method="twice")
    assert [node.kind for node in nodes(initial.body, ("call",))][:2] == ["call", "call"]
    assert operators(model.graph("frozen", method="twice")) == ["aten::linear"] * 2
    assert model.graph("frozen", method="twice").method == "twice"
    with pytest.raises(torchship.SignatureError, match="no method"):
        model.graph("frozen", method="thrice")
    with pytest.raises(torchship.SignatureError, match="there is no stage"):
        model.graph("last")


def test_archives_without_forward_and_with_state(model):
    rstyle = model("rstyle")
    assert rstyle.graph("frozen").method == "evalforward"
    assert operators(rstyle.graph("frozen")) == ["aten::linear"]
    assert operators(rstyle.graph("frozen", method="trainforward")) == ["aten::linear", "aten::add"]
    counter = model("counter")
    frozen = counter.graph("frozen")
    assert "prim::GetAttr" in [node.operator_name for node in nodes(frozen.body, ("attribute",))]
    counter.graph(inputs=(2,), profile=True)
    assert int(counter(1)) == 3, "the profiled call counts once, its warm-up does not"


def test_an_lstm_is_shown_with_its_check(traced):
    model = traced(nn.LSTM(3, 4).eval(), torch.rand(5, 1, 3))
    found = operators(model.graph())
    assert found[found.index("aten::lstm") - 1] == "torchship::checked_lstm_input"
    assert "aten::lstm" in operators(model.graph("frozen"))


def test_train_mode_batch_norm_is_not_folded(plain):
    class Normed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 1)
            self.register_buffer("mean", torch.zeros(2))

        def forward(self, x: Tensor) -> Tensor:
            var = torch.ones(2)
            return torch.batch_norm(
                self.conv(x), None, None, self.mean, var, True, 0.1, 1e-5, False
            )

    frozen = plain(legacy(torch.jit.script, Normed())).graph("frozen")
    assert "aten::batch_norm" in operators(frozen)
    assert any("a batch norm is in training mode" in note for note in frozen.notes)


def test_inputs_by_position_by_name_and_profile(model):
    options = model("options")
    x = torch.ones(2, 3)
    for graph in (
        options.graph(inputs=[x, 3.0], profile=True),
        options.graph(inputs={"x": x, "scale": 3.0}, profile=True),
    ):
        ran = [node for node in nodes(graph.body) if node.executions]
        assert ran
        assert all(node.executions == 1 and node.microseconds >= 0 for node in ran)
        assert graph.values[graph.body.inputs[1]].shape == [2, 3]
    assert options.graph_for(x, scale=3.0).operators > 0
    with pytest.raises(torchship.SignatureError, match="a list or tuple"):
        options.graph(inputs=x)
    with pytest.raises(torchship.SignatureError, match="a profile needs inputs"):
        options.graph(profile=True)


def test_text_and_lifetime(model):
    graph = model("linear").graph("frozen")
    text = str(graph)
    assert "aten::linear" in text and "make attributes constant" in text
    assert repr(graph) == "<torchship.Graph forward frozen, 1 operators>"


def test_graphs_and_calls_at_once(model):
    net = model("linear")
    x = torch.ones(1, 3)
    expected, problems = net(x), []

    def look():
        for stage in ("initial", "frozen", "optimized") * 5:
            net.graph(stage, inputs=(x,))
            if not torch.equal(net(x), expected):
                problems.append(stage)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
