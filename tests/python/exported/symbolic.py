"""Sizes that are dynamic, computed from others, or known only while running."""

import torch
from torch.export import Dim
from torch.nn import functional as F

from exported.inputs import bools, floats, ints
from exported.registry import DYNAMIC, ROWS, ROWS_2, Call, family

case = family("symbolic")


@case(lambda n: (floats(n, 4),), at=(12, 15, 6), dynamic=ROWS, decomposed=True)
def arithmetic_of_sizes(x):
    n = x.size(0)
    return (
        *(torch.zeros(2 * n + 1), torch.ones(n // 2), torch.arange(n % 4 + 2), x[: n - 2]),
        *(torch.full((n,), n * 1.5), x * n, x / n, x.sum() / (n * 4), x[n // 2 :], x + n**2),
        *(torch.zeros(n * n), x.reshape(n * 2, 2), x.view(1, n, -1), x[-(n // 3) :]),
        *(n, n + 1, n * 2 - 1, n // 3, n % 5, x.numel(), x.shape[1]),
    )


@case(lambda a, b: (floats(a, 3), floats(b, 3)), at=((4, 6), (7, 4)), dynamic=ROWS_2)
def several_sizes(x, y):
    a, b = x.size(0), y.size(0)
    return (
        *(torch.cat([x, y]), x.new_zeros(a + b), x.new_zeros(max(a, b)), x.new_zeros(min(a, b))),
        *(x @ y.T, (x.unsqueeze(1) - y).abs().sum(-1), torch.arange(a * b).view(a, b), a - b),
        *(torch.sym_max(a, b), torch.sym_min(a, 3), torch.sym_ite(a > b, a, b)),
    )


@case(lambda n: (floats(n, 3),), at=(5, 8), dynamic=ROWS, decomposed=True)
def sizes_as_numbers(x):
    n = x.size(0)
    return (
        *(torch.sym_float(n), n / 2, torch.sym_float(n) ** 0.5, torch.sym_int(n / 2)),
        *(x * (1.0 / n), torch.sym_sqrt(n), x + (n > 6), x + (n == 5)),
        *(torch.full((2,), n / 3), x * torch.sym_float(n + 1), -n),
    )


@case(lambda n: (floats(n, 3),), at=(12, 7, 8, 15), dynamic=ROWS, decomposed=True)
def logic_of_sizes(x):
    n = x.size(0)
    large = n > 6
    return (
        *(x + torch.sym_not(large), x + (large & (n < 10)), x + (large | (n == 5)), n << 2, n >> 1),
        *(
            torch.sym_int(n / 3),
            x[: torch.sym_int(n * 0.5)],
            n & 1,
            n**2,
            x * n**-0.5,
            +n,
            -n,
            min(n, 7),
            max(n, 7),
        ),
        *(x + (n != 8), x + (n >= 8), x + (n <= 8), torch.zeros(n // 2 + n % 3), x.numel() - n),
        torch.cond(large & (n % 2 == 0), lambda x: x + 1, lambda x: x - 1, (x,)),
    )


BATCH = Dim("batch", min=2, max=64)
HALF = Dim("half", min=1, max=32)


@case(lambda n: (floats(2 * n, 3), floats(n, 3)), at=(2, 5), dynamic=({0: 2 * HALF}, {0: HALF}))
def derived_sizes(x, y):
    return x.view(-1, 2, 3) + y.unsqueeze(1), x[::2] - y, x.size(0), y.size(0)


@case(lambda n: (floats(n + 1, 3), floats(n)), at=(3, 6), dynamic=({0: BATCH + 1}, {0: BATCH}))
def off_by_one(x, y):
    return x[1:] * y.unsqueeze(1), x[:-1].sum(1) + y, x.diff(dim=0) / y.unsqueeze(1)


@case(lambda n: (floats(n, 3), floats(n, 4)), at=(2, 64, 7), dynamic=({0: BATCH}, {0: BATCH}))
def shared_size(x, y):
    return torch.cat([x, y], 1), x.T @ y


@case(lambda n, t: (floats(n, t),), at=((2, 3), (5, 4)), dynamic=({0: Dim.AUTO, 1: Dim.AUTO},))
def automatic_sizes(x):
    return x.view(-1), x.T, x.size(0) * x.size(1), torch.zeros(x.size(1), x.size(0))


@case(lambda n: (floats(n, 3),), at=(6, 7, 9), dynamic=ROWS)
def split_by_size(x):
    n = x.size(0)
    first, second = x.split([n // 2, n - n // 2])
    return first.sum(0), second, x.narrow(0, 1, n - 2), x[n - 1], F.pad(x, (0, n))


@case(lambda n: (floats(n, 4), bools(n)), at=(5, 9, 2), dynamic=ROWS_2, decomposed=True)
def unbacked_by_mask(x, mask):
    chosen = x[mask]
    count = chosen.size(0)
    both = torch.cat([chosen, x])
    return chosen, count, torch.zeros(count, 2), chosen @ x.T, both, mask.nonzero()


@case(
    lambda *values: (floats(4, 2), torch.tensor(values)),
    at=((1, 0, 3, 2), (0, 0, 1, 0), (2, 2, 2, 2)),
)
def unbacked_by_repeats(x, repeats):
    y = x.repeat_interleave(repeats, dim=0)
    return y, y.size(0), torch.arange(y.size(0)), y.sum(0)


@case(lambda n: (torch.tensor(n), floats(8)), at=(3, 0, 8), decomposed=True)
def item_as_size(n, x):
    size = n.item()
    torch._check(size >= 0)
    torch._check(size <= 8)
    return torch.zeros(size), torch.arange(size), x[:size], x.narrow(0, 0, size) * size, size + 1


@case(lambda n: (torch.tensor([n, 2]), floats(8, 2)), at=(3, 1, 8))
def items_of_list(sizes, x):
    a, b = sizes.tolist()
    torch._check(a >= 1)
    torch._check(a <= 8)
    torch._check(b >= 1)
    return x[:a], torch.ones(a, b), a * b, x[a - 1]


@case(lambda v: (torch.tensor(v), floats(3)), at=(1.5, -2.0, 0.0), decomposed=True)
def item_as_number(v, x):
    number = v.item()
    return x * number, x + 2 * number, number, torch.full((2,), number)


@case(lambda i: (torch.tensor(i), floats(6, 2)), at=(2, 0, 5))
def item_as_index(i, x):
    k = i.item()
    torch._check(k >= 0)
    torch._check(k < 6)
    return x[k], x.select(0, k), x[:, 0].narrow(0, k, 1)


@case(lambda n: (ints(n, high=3),), at=(6, 10), dynamic=ROWS)
def unbacked_chain(x):
    values, counts = torch.unique(x, return_counts=True)
    large = values[counts > 1]
    return values, counts, large, large.size(0) + values.size(0), large.float().sum()


@case(lambda n, k: (floats(n, 4), k), at=((6, 3), (8, 5)), dynamic=({0: DYNAMIC}, DYNAMIC))
def integer_argument(x, k):
    return x[:k], x * k, torch.zeros(k, 2), k + 1, x.size(0) - k, x.topk(k - 1, 0).values


@case(lambda n: Call((floats(4),), {"n": n}), at=(3, 6), dynamic={"x": None, "n": DYNAMIC})
def integer_keyword(x, *, n):
    return x.repeat(n), n * 2, torch.arange(n)


@case(lambda n: (floats(n, 3),), at=(4, 7), dynamic=ROWS)
def checked(x):
    torch._check(x.size(0) > 2, lambda: "too few rows")
    torch._assert_async((x < 100).all())
    torch._assert(x.size(1) == 3, "three columns")
    assert x.dtype == torch.float32
    return x * 2
