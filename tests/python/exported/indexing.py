"""Indexing, gather and scatter, embeddings."""

import torch
from torch import nn
from torch.nn import functional as F

from exported.inputs import bools, floats, ints, numbers
from exported.registry import DYNAMIC, ROWS, ROWS_2, family

case = family("indexing")
ANY = (torch.float32, torch.float64, torch.float16, torch.int64, torch.bool)


@case(
    lambda n, dtype: (numbers(n, 5, 4, dtype=dtype), ints(3, high=2), ints(2, 1, high=2)),
    at=(3, 6),
    dtypes=ANY,
    dynamic=({0: DYNAMIC}, {}, {}),
)
def by_tensors(x, i, j):
    return (
        *(x[i], x[:, i], x[..., i], x[i, i], x[i, :, i], x[j, i], x[:, j, i], x[None, i]),
        *(x[i, 1], x[1:, i], x[:, i, ::2], x[j], x[-1, i], x[i[0]], x[:, [0, 2]], x[i, None]),
        *(x[-i - 1], x[torch.tensor([1, 0])], x[:, torch.arange(3)], x.take(i)),
    )


@case(lambda n: (floats(n, 4), ints(3, high=2), ints(n, 2, high=4)), at=(3, 6),
      dynamic=({0: DYNAMIC}, {}, {0: DYNAMIC}), decomposed=True)  # fmt: skip
def gathers(x, i, j):
    return (
        *(x.index_select(0, i), x.index_select(1, i), x.gather(1, j), x.gather(0, j % 2)),
        torch.take(x, j),
        *(x.gather(1, x.argmax(1, keepdim=True)), x.gather(1, j[:, :1].expand(-1, 3))),
    )


@case(lambda: (floats(3, 4), ints(3, 2, high=3), ints(1, 4, high=3)), decomposed=True)
def taken_along(x, i, j):
    return (
        *(x.take_along_dim(i, 1), x.take_along_dim(j, 0), x.take_along_dim(x.argsort(1), 1)),
        x.take_along_dim(i.view(-1)),
    )


@case(
    lambda n, dtype: (numbers(n, 5, dtype=dtype), ints(n, 2, high=5), numbers(n, 2, dtype=dtype)),
    at=(3, 5),
    dtypes=(torch.float32, torch.float64, torch.int64),
    dynamic=({0: DYNAMIC}, {0: DYNAMIC}, {0: DYNAMIC}),
    decomposed=True,
)
def scatters(x, i, values):
    unique = torch.stack([i[:, 0], (i[:, 0] + 1) % 5], 1)
    return (
        *(x.scatter(1, unique, values), x.scatter(1, i, 7), x.scatter_add(1, i, values)),
        *(x.scatter_reduce(1, i, values, "sum"), x.scatter_reduce(1, i, values, "amax")),
        *(x.scatter_reduce(1, i, values, "prod", include_self=False),),
        *(x.scatter_reduce(1, i, values, "mean"), x.scatter(1, unique, values, reduce="add")),
    )


@case(lambda n: (floats(n, 4), ints(3, high=2), floats(3, 4)), at=(3, 5),
      dynamic=({0: DYNAMIC}, {}, {}), decomposed=True)  # fmt: skip
def changes_by_index(x, i, rows):
    return (
        *(x.index_add(0, i, rows), x.index_add(0, i, rows, alpha=2), x.index_fill(0, i, 1.5)),
        *(x.index_copy(0, i[:1], rows[:1]), x.index_put((i,), rows, accumulate=True)),
        *(x.index_put((i, i), torch.tensor(2.0)), x.index_fill(1, i, torch.tensor(3.0))),
        *(x.index_reduce(0, i, rows, "amax"), x.put(i, rows[:, 0], accumulate=True)),
        x.index_put((torch.tensor([0]), torch.tensor([1])), torch.tensor([9.0])),
    )


@case(lambda n: (floats(n, 4), bools(n, 4), floats(n, 4)), at=(3, 5),
      dynamic=({0: DYNAMIC}, {0: DYNAMIC}, {0: DYNAMIC}), decomposed=True)  # fmt: skip
def masks(x, mask, y):
    return (
        *(x.masked_fill(mask, 0), x.masked_fill(mask, float("-inf")), torch.where(mask, x, y)),
        *(x.masked_fill(mask, torch.tensor(2.0)), x.masked_scatter(mask, y), x * mask),
        x.masked_fill(mask[:, :1], 1.0),
    )


@case(lambda n: (floats(n, 4), bools(n, 4), bools(n)), at=(3, 7),
      dynamic=({0: DYNAMIC}, {0: DYNAMIC}, {0: DYNAMIC}), decomposed=True)  # fmt: skip
def selected_by_mask(x, mask, rows):
    return (
        *(x[mask], x.masked_select(mask), x[rows], x[rows].sum(0), mask.nonzero(), x[rows, 1]),
        *(*torch.where(mask), *rows.nonzero(as_tuple=True), (x > 0).nonzero().shape[0]),
        *(torch.argwhere(mask), x[:, 0][rows] * 2),
    )


@case(lambda n: (floats(n, 4), floats(n)), at=(3, 5), dynamic=ROWS_2, decomposed=True)
def assignments(x, row):
    y = x.clone()
    y[0] = 1.0
    y[:, 1] = row
    y[1:, 2:] *= 2
    y[y > 1.5] = -1.0
    y[torch.tensor([0, 1]), torch.tensor([3, 3])] = torch.tensor([5.0, 6.0])
    y[..., -1] += row
    z = torch.zeros(x.size(0), 6)
    z[:, 1:5] = x
    z[:, ::3] = row.unsqueeze(1)
    return y, z


@case(lambda n: (ints(n, 3, high=7),), at=(2, 5), dynamic=ROWS, decomposed=True)
class Embeddings(nn.Module):
    def __init__(self):
        super().__init__()
        self.plain = nn.Embedding(7, 4)
        self.padded = nn.Embedding(7, 4, padding_idx=0)
        self.small = nn.Embedding(7, 4, dtype=torch.float16)

    def forward(self, x):
        return self.plain(x), self.padded(x), self.small(x), F.one_hot(x, 7), self.plain.weight[x]


@case(
    lambda n: (ints(n, high=7), torch.tensor([0, 2, n - 1]), ints(3, n, high=7), floats(3, n)),
    at=(6, 9),
    dynamic=({0: DYNAMIC}, {}, {1: DYNAMIC}, {1: DYNAMIC}),
    decomposed=True,
)
class EmbeddingBags(nn.Module):
    def __init__(self):
        super().__init__()
        self.sum = nn.EmbeddingBag(7, 4, mode="sum")
        self.mean = nn.EmbeddingBag(7, 4, mode="mean")
        self.max = nn.EmbeddingBag(7, 4, mode="max")

    def forward(self, x, offsets, table, weights):
        return (
            *(self.sum(x, offsets), self.mean(x, offsets), self.max(x, offsets)),
            *(self.sum(table), self.mean(table), self.sum(table, per_sample_weights=weights)),
        )


@case(lambda n: (floats(n, 4), ints(n, 3, low=-2, high=9)), at=(3, 6), dynamic=ROWS_2)
def searches(x, i):
    edges = torch.tensor([-1.0, 0.0, 0.5, 1.5])
    rows = x.sort(1).values
    return (
        *(torch.bucketize(x, edges), torch.bucketize(x, edges, right=True, out_int32=True)),
        *(torch.searchsorted(edges, x), torch.searchsorted(rows, x[:, :2], right=True)),
        *(torch.searchsorted(edges, 0.7), torch.bucketize(i, torch.tensor([0, 3, 6]))),
    )


@case(lambda n: (ints(n, high=4), floats(n, 3)), at=(6, 10), dynamic=ROWS_2, decomposed=True)
def segments(group, x):
    sums = torch.zeros(4, 3).index_add_(0, group, x)
    count = torch.zeros(4).scatter_add_(0, group, torch.ones_like(group, dtype=torch.float32))
    largest = torch.full((4, 3), -9.0).scatter_reduce_(
        0, group.unsqueeze(1).expand(-1, 3), x, "amax"
    )
    return sums, count, sums / count.clamp(min=1).unsqueeze(1), largest, sums[group]


@case(lambda n: (ints(n, 2, high=3), ints(n, high=3)), at=(2, 4), dynamic=ROWS_2)
def integer_tables(i, j):
    table = torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9]], dtype=torch.int32)
    flags = torch.tensor([True, False, True])
    return table[i], table[j, j], flags[i], table[i[:, 0], i[:, 1]], table[:, j], flags[j].sum()
