"""Branches and loops that are in the program: torch.cond, while_loop, map, scan."""

import torch
from torch import nn
from torch._higher_order_ops import associative_scan, map, scan, while_loop

from exported.inputs import floats
from exported.registry import DYNAMIC, ROWS, family

case = family("control flow")
SIGNS = (1.0, -1.0)


@case(lambda sign: (floats(3, 4, low=0, high=2) * sign,), at=SIGNS)
def cond_on_sum(x):
    return torch.cond(x.sum() > 0, lambda x: x.sin() + 1, lambda x: x.cos() - 1, (x,))


@case(
    lambda sign, n: (floats(n, 4, low=0, high=2) * sign,),
    at=((1, 3), (-1, 5), (1, 6)),
    dynamic=ROWS,
    decomposed=True,
)
class CondWithWeights(nn.Module):
    """Branches that take parameters and buffers from outside."""

    def __init__(self):
        super().__init__()
        self.yes = nn.Linear(4, 3)
        self.no = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        self.register_buffer("shift", floats(3))

    def forward(self, x):
        def true(x):
            return self.yes(x) + self.shift

        def false(x):
            return self.no(x) * self.shift

        return torch.cond(x.mean() > 0, true, false, (x,))


@case(lambda a, b: (floats(3, low=0, high=1) * a, floats(3, low=0, high=1) * b),
      at=((1, 1), (1, -1), (-1, 1), (-1, -1)), decomposed=True)  # fmt: skip
def cond_nested(x, y):
    def positive(x, y):
        return torch.cond(y.sum() > 0, lambda x, y: x + y, lambda x, y: x - y, (x, y))

    return torch.cond(x.sum() > 0, positive, lambda x, y: x * y, (x, y)) * 2


@case(lambda n: (floats(n, 2),), at=(4, 9, 7), dynamic=ROWS)
def cond_on_size(x):
    return torch.cond(x.size(0) > 6, lambda x: x * 2, lambda x: x - 1, (x,))


@case(lambda sign: (floats(3), torch.tensor(sign > 0)), at=SIGNS)
def cond_with_results(x, flag):
    def true(x):
        return {"a": x + 1, "b": (x * 2, x.sum())}

    def false(x):
        return {"a": x - 1, "b": (x / 2, x.mean())}

    result = torch.cond(flag, true, false, (x,))
    return result["a"], result["b"][0] + result["b"][1]


@case(lambda sign: (floats(3, 4, low=0, high=1) * sign,), at=SIGNS)
def cond_twice(x):
    y = torch.cond(x.sum() > 0, lambda x: x + 1, lambda x: x - 1, (x,))
    z = torch.cond(y.max() > 1.5, lambda x: x.exp(), lambda x: x.abs(), (y,))
    return y, z


@case(lambda sign: (floats(5) * 2 + sign,), at=SIGNS)
def cond_without_arguments(x):
    return x + torch.cond(x.sum() > 0, lambda: torch.ones(5), lambda: torch.zeros(5))


@case(lambda n: (torch.tensor(n), floats(3)), at=(3, 0, 7), decomposed=True)
def while_counter(n, x):
    i, y = while_loop(lambda i, y: i < n, lambda i, y: (i + 1, y * 1.5 + i), (torch.tensor(0), x))
    return i, y


@case(lambda scale: (floats(3) * scale,), at=(1.0, 9.0, 0.1))
def while_until_small(x):
    steps = torch.zeros((), dtype=torch.int64)
    return while_loop(lambda k, x: x.norm() > 0.5, lambda k, x: (k + 1, x * 0.7), (steps, x))


@case(lambda n: (torch.tensor(n), floats(2, 4)), at=(2, 0, 5))
class WhileWithWeights(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, n, x):
        def body(i, x):
            return i - 1, torch.tanh(self.linear(x))

        return while_loop(lambda i, x: i > 0, body, (n, x))


@case(lambda n: (floats(n, 3),), at=(4, 7), dynamic=ROWS)
def while_by_size(x):
    def body(i, total):
        return i + 1, total + x.select(0, 0) * i

    return while_loop(lambda i, total: i < x.size(0), body, (torch.tensor(0), torch.zeros(3)))


@case(lambda n: (floats(n, 3), floats(3)), at=(4, 6), dynamic=({0: DYNAMIC}, {}), decomposed=True)
def map_rows(x, y):
    return map(lambda row, y: row.sin() * y, x, y)


@case(lambda: (floats(4, 3),))
def map_tree(x):
    return map(lambda pair: {"sum": pair[0] + pair[1], "first": pair[0] * 1}, (x, x * 2))


@case(
    lambda t: (floats(t, 2, 3), floats(2, 3)),
    at=(5, 3),
    dynamic=({0: DYNAMIC}, {}),
    decomposed=True,
)
def scan_sum(x, start):
    def step(carry, x):
        new = carry * 0.5 + x
        return new, new.relu()

    return scan(step, start, x)


@case(lambda: (floats(5, 2, 4), floats(2, 6)))
class ScanCell(nn.Module):
    """A recurrent cell whose weights come from outside of the loop."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 6)
        self.outer = nn.Linear(6, 6, bias=False)

    def forward(self, x, h):
        def step(h, x):
            h = torch.tanh(self.inner(x) + self.outer(h))
            return h, h * 1.0

        return scan(step, h, x)


@case(lambda: (floats(4, 3), floats(3), floats(3)))
def scan_reversed(x, a, b):
    def step(carry, x):
        a, b = carry
        return (a + x, b * x), (a * 2, b + x)

    return scan(step, (a, b), x, reverse=True)


@case(lambda: (floats(6, 3),), decomposed=True, plain=False)
def associative(x):
    return associative_scan(lambda a, b: a + b, x, 0, combine_mode="generic")


@case(lambda: (floats(3, 4),), decomposed=True)
class WithoutGradients(nn.Module):
    """A region without gradients becomes a subgraph."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        y = self.linear(x)
        with torch.no_grad():
            z = self.linear(y).relu()
        return y + z, z


@case(lambda: (floats(3, 4),), decomposed=True, plain=False)
class Autocast(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 5)

    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            y = self.linear(x)
            with torch.autocast("cpu", enabled=False):
                z = self.linear(x.exp())
        return y, z, self.linear(x)


@case(lambda sign: (floats(3, 4, low=0, high=1) * sign,), at=SIGNS)
class CondInLoop(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("limit", torch.tensor(1.0))

    def forward(self, x):
        def body(i, x):
            step = torch.cond(x.sum() > self.limit, lambda x: x * 0.5, lambda x: x + 0.75, (x,))
            return i + 1, step

        return while_loop(lambda i, x: i < 4, body, (torch.tensor(0), x))


@case(
    lambda sign, n: (floats(n, 3, low=0, high=1) * sign,),
    at=((1, 4), (-1, 6), (1, 9)),
    dynamic=ROWS,
)
def cond_with_sizes(x):
    """The branches know a size from outside, and their results have sizes of their own."""
    n = x.size(0)
    y = torch.cond(x.sum() > 0, lambda x: x * n, lambda x: x - n, (x,))
    return y, torch.cond(x.sum() > 0, lambda x: x[:2] * 1, lambda x: x + 1, (x,))


@case(lambda *values: (torch.tensor(values),), at=((1.0, 2.0, -1.0), (-1.0, -2.0, 0.0)))
def cond_on_count(x):
    count = (x > 0).sum().item()
    return torch.cond(count >= 2, lambda x: x * 2, lambda x: x + 1, (x,)), count


@case(lambda n: (floats(n, 3),), at=(4, 2, 7), dynamic=ROWS)
def while_with_sizes(x):
    n = x.size(0)
    return while_loop(lambda i, y: i < n, lambda i, y: (i + 1, y + n), (torch.tensor(0), x))


@case(lambda: (floats(5, 3),))
def map_with_cond(x):
    def one(row):
        return torch.cond(row.sum() > 0, lambda r: r * 2, lambda r: r + 1, (row,))

    return map(one, x)


@case(lambda n: (floats(n, 3),), at=(4, 6), dynamic=ROWS)
def scan_to_numbers(x):
    return scan(lambda total, row: (total + row, (total * row).sum()), torch.zeros(3), x)


@case(lambda n: (floats(n, 3), floats(3)), at=(4, 6), dynamic=({0: DYNAMIC}, {}), decomposed=True,
      plain=False)  # fmt: skip
def vmapped(x, y):
    return torch.vmap(lambda row: (row * y).sum() + row)(x)
