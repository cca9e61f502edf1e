"""The models whose files are kept: what each release of torch is asked to export.

Each function gives a model, how its sizes vary, and the cases that it is called with.
"""

import math

import torch
from torch import nn
from torch.export import Dim


def fill(module):
    """Give every weight and buffer fixed values: initialisation may differ between releases."""
    with torch.no_grad():
        for number, (name, value) in enumerate(
            [*module.named_parameters(), *module.named_buffers()]
        ):
            if not value.is_floating_point():
                continue
            wave = torch.sin(torch.arange(value.numel(), dtype=torch.float64) * 0.7 + number)
            if name.endswith("running_var"):
                wave = wave.abs() + 0.5
            value.copy_(wave.reshape(value.shape).to(value.dtype))
    return module.eval()


def wave(*shape, shift=0.0, dtype=torch.float32):
    count = math.prod(shape)
    values = torch.cos(torch.arange(count, dtype=torch.float64) * 0.9 + shift)
    return values.reshape(shape).to(dtype)


class Mlp(nn.Module):
    """The plainest model, with a batch that has no upper bound."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))

    def forward(self, x):
        return self.layers(x)


def mlp():
    batch = Dim("batch")
    return {
        "model": fill(Mlp()),
        "shapes": {"x": {0: batch}},
        "cases": [((wave(2, 4),), {}), ((wave(5, 4, shift=1.0),), {})],
        "extra_files": {"labels.txt": "cat\ndog\n"},
    }


class Buffers(nn.Module):
    """The ways in which a tensor can belong to a model."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.register_buffer("counter", torch.zeros((), dtype=torch.int64))
        self.register_buffer("total", torch.zeros(4))
        self.register_buffer("shift", torch.ones(4), persistent=False)
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4, bias=False)
        # One tensor under two names.
        self.second.weight = self.first.weight
        self.whole = nn.Parameter(torch.zeros(6, 8))
        # Not contiguous, with an offset, in the memory of another weight.
        self.part = nn.Parameter(self.whole.detach()[1:5, 1::2])
        # Transposed, in memory of its own.
        self.turned = nn.Parameter(torch.zeros(3, 4).t())
        # A tensor that is neither parameter nor buffer.
        self.scale = torch.tensor([0.5, 1.0, 2.0, 4.0])

    def forward(self, x):
        self.counter.add_(1)
        x = self.norm(x)
        self.total.add_(x.sum(0))
        x = self.second(torch.relu(self.first(x))) @ self.part
        x = (x + self.shift + self.whole[0, :4]) * self.scale
        x = x - torch.tensor([0.25, 0.5, 0.75, 1.0])
        return x @ self.turned, self.counter.clone()


def buffers():
    model = fill(Buffers())
    with torch.no_grad():
        model.total.zero_()
        # Filling gave the weights that share memory values one after the other.
        model.whole.copy_(wave(6, 8))
    return {
        "model": model,
        "shapes": {"x": {0: Dim("batch", max=64)}},
        "cases": [((wave(3, 4),), {}), ((wave(2, 4, shift=1.0),), {})],
    }


class Counting(nn.Module):
    """Buffers that change, which a decomposed program returns instead of writing in place."""

    def __init__(self):
        super().__init__()
        self.register_buffer("counter", torch.zeros((), dtype=torch.int64))
        self.register_buffer("recent", torch.zeros(3, 2))

    def forward(self, x):
        self.counter.add_(1)
        self.recent[1] = x.sum(0)
        return x + self.recent.mean(0), self.counter * 2


def counting():
    return {
        "model": Counting(),
        "shapes": {"x": {0: Dim("batch", max=64)}},
        "cases": [((wave(3, 2),), {}), ((wave(2, 2, shift=1.0),), {})],
        "decompose": True,
    }


class Branch(nn.Module):
    """Branches on data, which return a tensor, several tensors and a tuple of one."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        def through(x):
            return self.linear(x) * 2

        def around(x):
            return x - 1

        def both(x):
            return x.sum(1), x + 3

        def neither(x):
            return x.mean(1), x.cos()

        def one(x):
            return (x.exp(),)

        def other(x):
            return (x.sin(),)

        y = torch.cond(x.sum() > 0, through, around, (x,))
        a, b = torch.cond(y[0, 0] > y[0, 1], both, neither, (y,))
        (c,) = torch.cond(x.max() > 0.9, one, other, (x,))
        return y, a, b, c


def branch():
    return {
        "model": fill(Branch()),
        "shapes": {"x": {0: Dim("batch", min=2, max=16)}},
        "cases": [((wave(3, 4).abs(),), {}), ((-wave(2, 4, shift=1.0).abs(),), {})],
    }


class Containers(nn.Module):
    """Nested inputs and outputs, with values that are no tensors."""

    def forward(self, pair, table, nothing, count, factor, flag, mode, *, extra, names=None):
        x, (y, z) = pair
        total = x + y * count + table["b"][0]
        if flag:
            total = total * factor
        if mode == "mean":
            z = z.mean()
        return {
            "total": total,
            "list": [z, table["a"] + extra["k"], nothing],
            "tuple": (total.sum(), count, names),
        }


def containers():
    def case(shift):
        pair = (wave(2, 3, shift=shift), [wave(2, 3, shift=shift + 1), wave(4, shift=shift)])
        table = {"b": [wave(3, shift=shift + 2)], "a": wave(2, shift=shift)}
        keywords = {"extra": {"k": wave(2, shift=shift + 3)}}
        return (pair, table, None, 3, 0.5, True, "mean"), keywords

    return {"model": Containers(), "shapes": None, "cases": [case(0.0), case(1.5)]}


class Constants(nn.Module):
    """Outputs that are no tensors.  No release so far reads back an output that is a string."""

    def forward(self, x, flag):
        return x + 1, [3, 0.5, None], {"flag": flag}


def constants():
    return {
        "model": Constants(),
        "shapes": None,
        "cases": [((wave(2), True), {}), ((wave(2, shift=1.0), True), {})],
    }


class Sizes(nn.Module):
    """Sizes in the arguments of operators, and sizes that depend on one another."""

    def forward(self, x, y, z):
        n, width = x.shape
        rows = torch.arange(n, dtype=torch.float32).unsqueeze(1).expand(n, width)
        pairs = y.reshape(n, 2, width).sum(1)
        head = y[:n] + z[1:]
        tail = torch.cat([x, y, z[-1:]], dim=0)
        filled = torch.full((n + 2, 2), 0.5) + torch.zeros(n * 2 + 1, 2)[: n + 2]
        return rows + pairs + head, tail, filled, x.shape[0]


def sizes():
    batch = Dim("batch", min=2, max=32)
    return {
        "model": Sizes(),
        "shapes": {"x": {0: batch}, "y": {0: 2 * batch}, "z": {0: batch + 1}},
        "cases": [
            ((wave(3, 4), wave(6, 4, shift=1.0), wave(4, 4, shift=2.0)), {}),
            ((wave(5, 4), wave(10, 4, shift=3.0), wave(6, 4, shift=4.0)), {}),
        ],
    }


class Arithmetic(nn.Module):
    """The operators that a graph applies to sizes."""

    def forward(self, x, y):
        n = x.shape[0]
        m = y.shape[0]
        half = n // 2
        ratio = n / m
        return (
            torch.zeros(half + 1),
            torch.ones(n % 3 + 2),
            torch.zeros(n**2 - m + 64),
            x * ratio,
            x + torch.sym_float(n) * 0.5,
            torch.zeros(torch.sym_max(n, m) + torch.sym_min(n, m)),
            torch.zeros(torch.sym_ite(n > m, n, m)),
            x * torch.sym_sqrt(n),
            x.reshape(n * 2, -1),
        )


def arithmetic():
    return {
        "model": Arithmetic(),
        "shapes": {"x": {0: Dim("n", min=2, max=32)}, "y": {0: Dim("m", min=2, max=32)}},
        "cases": [((wave(4, 2), wave(7, 2)), {}), ((wave(9, 2), wave(6, 2)), {})],
    }


class Truncated(nn.Module):
    """A fraction made a size again.  No release so far writes math.ceil, math.floor or round."""

    def forward(self, x):
        return torch.zeros(torch.sym_int(x.shape[0] * 1.5))


def truncated():
    return {
        "model": Truncated(),
        "shapes": {"x": {0: Dim("n", min=4, max=32)}},
        "cases": [((wave(5, 2),), {}), ((wave(8, 2),), {})],
    }


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.head = nn.Linear(48, 5)

    def forward(self, x):
        x = self.features(x).flatten(1)
        return torch.softmax(self.head(x), dim=-1)


def decomposed():
    return {
        "model": fill(Convolutions()),
        "shapes": {"x": {0: Dim("batch", max=1024)}},
        "cases": [((wave(2, 1, 8, 8),), {}), ((wave(3, 1, 8, 8, shift=1.0),), {})],
        "decompose": True,
    }


class Item(nn.Module):
    """Sizes that only the data tell, with assertions about them."""

    def forward(self, x, count):
        n = count.item()
        torch._check(n >= 2)
        torch._check(n <= 16)
        places = x.flatten().abs().gt(0.5).nonzero()
        chosen = x.flatten()[places[:, 0]]
        return torch.arange(n) * 2, chosen, places.shape[0], x * n


def item():
    return {
        "model": Item(),
        "shapes": {"x": {0: Dim("batch", min=2, max=16)}, "count": {}},
        "cases": [
            ((wave(3, 4), torch.tensor(5)), {}),
            ((wave(2, 4, shift=1.0), torch.tensor(3)), {}),
        ],
    }


class Half(nn.Module):
    """Weights and constants of other types."""

    def __init__(self):
        super().__init__()
        self.linear16 = nn.Linear(4, 3).to(torch.float16)
        self.linear16b = nn.Linear(4, 3).to(torch.bfloat16)
        self.weight64 = nn.Parameter(torch.zeros(3, dtype=torch.float64))
        self.register_buffer("int8s", torch.tensor([-3, 0, 4], dtype=torch.int8))
        self.register_buffer("uint8s", torch.tensor([3, 0, 200], dtype=torch.uint8))
        self.register_buffer("int16s", torch.tensor([-300, 0, 400], dtype=torch.int16))
        self.register_buffer("int32s", torch.tensor([-70000, 0, 70000], dtype=torch.int32))
        self.register_buffer("int64s", torch.tensor([-(2**40), 0, 2**40]))
        self.register_buffer("mask", torch.tensor([True, False, True]))
        self.register_buffer("turn", torch.tensor([1 + 2j, -1j, 0.5], dtype=torch.complex64))
        self.wide = torch.tensor([1 - 2j, 1j, 0.25], dtype=torch.complex128)
        self.empty = nn.Parameter(torch.zeros(0, 3))

    def forward(self, x):
        return (
            self.linear16(x.to(torch.float16)),
            self.linear16b(x.to(torch.bfloat16)),
            x.to(torch.float64)[:, :3] * self.weight64,
            self.int8s + 1,
            self.uint8s // 2,
            self.int16s * 2,
            self.int32s - 1,
            self.int64s + 1,
            torch.where(self.mask, x[:, :3], x[:, 1:]),
            self.mask.logical_not(),
            x[:, :3] * self.turn,
            torch.view_as_real(self.wide * 2),
            torch.cat([self.empty, x[:, :3]]),
            torch.full((2,), float("inf")) - x.sum(),
            x.clamp(min=float("-inf"), max=0.5),
        )


def half():
    return {
        "model": fill(Half()),
        "shapes": None,
        "cases": [((wave(2, 4),), {}), ((wave(2, 4, shift=1.0),), {})],
    }


class Integer(nn.Module):
    """An integer that the caller gives, other than the one it was exported with."""

    def forward(self, x, count):
        return torch.arange(count) + x.sum(), x * count


def integer():
    return {
        "model": Integer(),
        "shapes": {"x": None, "count": Dim.DYNAMIC},
        "cases": [((wave(3), 5), {}), ((wave(3, shift=1.0), 8), {})],
    }


MODELS = (
    mlp,
    buffers,
    counting,
    branch,
    containers,
    constants,
    sizes,
    arithmetic,
    truncated,
    decomposed,
    item,
    half,
    integer,
)
