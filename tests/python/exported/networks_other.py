"""Networks for tables, graphs and decisions, and those that other folders have."""

import sys
from importlib import import_module
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from exported.inputs import floats, ints
from exported.networks_language import SelfAttention, feed_forward
from exported.registry import DYNAMIC, ROWS, ROWS_2, family

case = family("other networks")
ROOT = Path(__file__).resolve().parents[3]


def from_folder(folder: str, name: str):
    """A module of the benchmarks or of the models, which are scripts and no packages."""
    sys.path.append(str(ROOT / folder))
    try:
        return import_module(name)
    finally:
        sys.path.remove(str(ROOT / folder))


@case(lambda n: (floats(n, 512),), at=(2, 8), dynamic=ROWS, factory=True)
def suite_mlp():
    return from_folder("benchmarks", "networks").mlp()


@case(lambda n: (floats(n, 30),), at=(2, 7), dynamic=ROWS, factory=True)
def suite_pointwise():
    return from_folder("benchmarks", "networks").Pointwise()


@case(lambda n: (floats(n, 5, 64),), at=(2, 1), dynamic=({0: torch.export.Dim.AUTO},), factory=True)
def suite_lstm():
    return from_folder("benchmarks", "networks").Lstm()


@case(lambda n: (floats(n, 3, 64, 64),), at=(2, 3), dynamic=ROWS, factory=True)
def suite_mobilenet():
    return from_folder("benchmarks", "networks").MobileNetV3()


@case(lambda n: (floats(n, 3, 64, 64),), at=(2, 3), dynamic=ROWS, factory=True, near=1e-3)
def suite_resnet():
    return from_folder("benchmarks", "networks").ResNet18()


@case(lambda n, t: (floats(n, t, 384),), at=((2, 9), (3, 4)), dynamic=({0: DYNAMIC, 1: DYNAMIC},),
      factory=True)  # fmt: skip
def suite_transformer():
    return from_folder("benchmarks", "networks").transformer()


@case(lambda n: (floats(n, 3),), at=(2, 9), dynamic=ROWS, factory=True, decomposed=True)
def toy_mlp():
    return from_folder("models", "toy_mlp").build()


@case(lambda n: (floats(n, 1, 8, 8),), at=(2, 5), dynamic=ROWS, factory=True)
def digits_cnn():
    return from_folder("models", "digits_cnn").build()


@case(lambda n: (ints(n, 8, high=256),), at=(2, 5), dynamic=ROWS, factory=True)
def text_gru():
    return from_folder("models", "text_gru").build()


class MessagePassing(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.own, self.other = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs, bias=False)

    def forward(self, x, edges):
        source, target = edges[0], edges[1]
        sums = torch.zeros_like(x).index_add(0, target, x[source])
        count = torch.zeros(x.size(0)).scatter_add(0, target, torch.ones(target.size(0)))
        return self.own(x) + self.other(sums / count.clamp(min=1).unsqueeze(1))


@case(lambda n, e: (floats(n, 5), ints(2, e, high=n), ints(n, high=3)), at=((6, 10), (9, 4)),
      dynamic=({0: DYNAMIC}, {1: DYNAMIC}, {0: DYNAMIC}), decomposed=True)  # fmt: skip
class GraphNetwork(nn.Module):
    """GraphSAGE with a readout for each of three graphs."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = MessagePassing(5, 8), MessagePassing(8, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x, edges, graph):
        x = self.two(self.one(x, edges).relu(), edges)
        readout = x.new_zeros(3, 8).scatter_reduce(
            0, graph.unsqueeze(1).expand(-1, 8), x, "amax", include_self=False
        )
        return self.head(readout), x


@case(lambda n, e: (floats(n, 5), ints(2, e, high=n)), at=((6, 10), (9, 4)),
      dynamic=({0: DYNAMIC}, {1: DYNAMIC}))  # fmt: skip
class GraphAttention(nn.Module):
    """Velickovic et al., 2017: a softmax over the edges that end in the same node."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(5, 8, bias=False)
        self.from_, self.to_ = nn.Parameter(floats(8)), nn.Parameter(floats(8))

    def forward(self, x, edges):
        x = self.inner(x)
        source, target = edges.unbind(0)
        scores = F.leaky_relu((x @ self.from_)[source] + (x @ self.to_)[target], 0.2)
        top = torch.full((x.size(0),), -1e9).scatter_reduce(0, target, scores, "amax")
        scores = torch.exp(scores - top[target])
        total = torch.zeros(x.size(0)).scatter_add(0, target, scores)
        weights = scores / total[target]
        return torch.zeros_like(x).index_add(0, target, x[source] * weights.unsqueeze(1)), weights


@case(lambda n, s: (floats(n, s, 4), ints(n, low=1, high=s + 1)), at=((3, 5), (2, 8)),
      dynamic=({0: DYNAMIC, 1: DYNAMIC}, {0: DYNAMIC}))  # fmt: skip
class DeepSets(nn.Module):
    """Zaheer et al., 2017: sums of sets of different sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.each, self.all = nn.Sequential(nn.Linear(4, 8), nn.ReLU()), nn.Linear(8, 3)

    def forward(self, x, sizes):
        inside = torch.arange(x.size(1)) < sizes.unsqueeze(1)
        return self.all((self.each(x) * inside.unsqueeze(-1)).sum(1))


@case(lambda n: (floats(n, 8),), at=(5, 9), dynamic=ROWS, decomposed=True)
class MixtureOfExperts(nn.Module):
    """Shazeer et al., 2017: the two best of four experts, all of them computed."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(8, 4)
        self.up, self.down = nn.Parameter(floats(4, 8, 12)), nn.Parameter(floats(4, 12, 8))

    def forward(self, x):
        weights, chosen = self.gate(x).softmax(-1).topk(2, dim=-1)
        weights = weights / weights.sum(-1, keepdim=True)
        y = torch.einsum("eti,eio->eto", F.silu(torch.einsum("ti,eio->eto", x, self.up)), self.down)
        picked = y.gather(0, chosen.T.unsqueeze(-1).expand(-1, -1, 8))
        return (picked * weights.T.unsqueeze(-1)).sum(0), chosen


@case(lambda n: (floats(n, 8),), at=(5, 9), dynamic=ROWS)
class SparseExperts(nn.Module):
    """The tokens of each expert are picked: as many as there happen to be."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(8, 3)
        self.experts = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))

    def forward(self, x):
        choice = self.gate(x).argmax(-1)
        y = torch.zeros_like(x)
        for i, expert in enumerate(self.experts):
            [rows] = torch.where(choice == i)
            y = y.index_add(0, rows, expert(x[rows]))
        return y


@case(lambda n: (floats(n, 4), [ints(n, high=9), ints(n, high=5)], ints(n, 3, high=7)), at=(3, 6),
      dynamic=({0: DYNAMIC}, [{0: DYNAMIC}, {0: DYNAMIC}], {0: DYNAMIC}))  # fmt: skip
class RecommenderDlrm(nn.Module):
    """Naumov et al., 2019: embeddings, bags of them, and the products of all pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Sequential(nn.Linear(4, 6), nn.ReLU())
        self.tables = nn.ModuleList([nn.Embedding(9, 6), nn.Embedding(5, 6)])
        self.bag = nn.EmbeddingBag(7, 6, mode="mean")
        self.top = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 1), nn.Sigmoid())
        self.register_buffer("pairs", torch.tril_indices(4, 4, -1))

    def forward(self, dense, sparse, history):
        x = self.dense(dense)
        parts = [table(i) for table, i in zip(self.tables, sparse, strict=True)]
        all_of = torch.stack([x, *parts, self.bag(history)], 1)
        products = (all_of @ all_of.mT)[:, self.pairs[0], self.pairs[1]]
        return self.top(torch.cat([x, products], 1)).squeeze(1)


@case(lambda n: ({"numbers": floats(n, 3), "kinds": ints(n, 2, high=4)},), at=(3, 7),
      dynamic=({"numbers": {0: DYNAMIC}, "kinds": {0: DYNAMIC}},))  # fmt: skip
class TabTransformer(nn.Module):
    """Huang et al., 2020: columns attend to columns."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(8, 8)
        self.register_buffer("offsets", torch.tensor([0, 4]))
        self.register_buffer("mean", floats(3))
        self.register_buffer("scale", floats(3, low=0.5, high=2))
        self.attention, self.norm = SelfAttention(8), nn.LayerNorm(8)
        self.head = nn.Sequential(nn.Linear(19, 8), nn.SELU(), nn.Linear(8, 2))

    def forward(self, row):
        x = self.embed(row["kinds"] + self.offsets)
        x = self.norm(x + self.attention(x)).flatten(1)
        return self.head(torch.cat([x, (row["numbers"] - self.mean) / self.scale], 1))


@case(lambda n: (floats(n, 6), floats(n, 6)), at=(3, 5), dynamic=ROWS_2)
class Siamese(nn.Module):
    """The same encoder twice, and how far apart its answers are."""

    def __init__(self) -> None:
        super().__init__()
        parts = nn.Linear(6, 8), nn.PReLU(), nn.BatchNorm1d(8), nn.Linear(8, 4)
        self.encoder = nn.Sequential(*parts)

    def forward(self, a, b):
        a, b = self.encoder(a), self.encoder(b)
        return F.pairwise_distance(a, b), F.cosine_similarity(a, b), torch.cdist(a, b)


class Coupling(nn.Module):
    def __init__(self, flip: bool) -> None:
        super().__init__()
        self.flip, self.net = flip, feed_forward(4, nn.Tanh)

    def forward(self, x):
        a, b = x.chunk(2, 1)
        a, b = (b, a) if self.flip else (a, b)
        scale, shift = self.net(torch.cat([a, a], 1)).chunk(2, 1)
        b = b * scale.tanh().exp() + shift
        y = torch.cat([b, a] if self.flip else [a, b], 1)
        return y, scale.tanh().sum(1)


@case(lambda n: (floats(n, 4),), at=(3, 6), dynamic=ROWS, decomposed=True)
class NormalisingFlow(nn.Module):
    """Dinh et al., 2016: affine couplings and the density that they give."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Coupling(flip) for flip in (False, True, False))

    def forward(self, x):
        total = torch.zeros(x.size(0))
        for layer in self.layers:
            x, change = layer(x)
            total = total + change
        normal = -0.5 * (x.square() + torch.log(torch.tensor(2 * torch.pi))).sum(1)
        return x, normal + total


@case(lambda sign, n: (floats(n, 3, low=0, high=1) * sign,), at=((1, 2), (-1, 3), (1, 4)),
      dynamic=ROWS)  # fmt: skip
class ArticleIf(nn.Module):
    """The article's function: its answer depends on the sign of the sum."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(3, 8), nn.Linear(8, 1)

    def forward(self, x):
        y = self.head(self.body(x).relu())
        return torch.cond(x.sum() > 0, lambda y: y * 2, lambda y: -y, (y,))


@case(lambda scale: (floats(1, 6) * scale,), at=(0.1, 1.0, 9.0))
class EarlyExit(nn.Module):
    """BranchyNet: the second half runs only when the first is not sure enough."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 8)
        self.exits = nn.ModuleList([nn.Linear(8, 4), nn.Linear(8, 4)])

    def forward(self, x):
        y = self.first(x).relu()
        sure = self.exits[0](y).softmax(-1)

        def go_on(y, sure):
            return self.exits[1](self.second(y).relu()).softmax(-1)

        return torch.cond(sure.amax() > 0.5, lambda y, sure: sure.clone(), go_on, (y, sure))
