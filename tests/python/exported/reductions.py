"""Reductions, scans and sorting."""

import torch

from exported.inputs import FLOATS, bools, complexes, floats, ints, numbers, positives
from exported.registry import ROWS, ROWS_2, family

case = family("reductions")
NUMBERS = (torch.float32, torch.float64, torch.int64, torch.int32)


@case(lambda n, dtype: (numbers(n, 3, 4, dtype=dtype),), at=(2, 5), dtypes=NUMBERS, dynamic=ROWS)
def sums(x):
    return (
        *(x.sum(), x.sum(0), x.sum((1, 2)), x.sum(-1, keepdim=True), x.prod(), x.prod(1)),
        *(x.sum(dtype=torch.float64), x.cumsum(0), x.cumprod(1), x.count_nonzero()),
        *(x.cumsum(1, dtype=torch.float32), x.count_nonzero(0), x.nansum(0), x[0].trace()),
    )


@case(lambda n, dtype: (floats(n, 3, 4, dtype=dtype),), at=(2, 5), dtypes=FLOATS, dynamic=ROWS)
def means(x):
    return (
        *(x.mean(), x.mean(0), x.mean((0, 2), keepdim=True), x.logsumexp(1), x.nanmean(1)),
        *(x.var(), x.var(1), x.var((0, 1), correction=0), x.std(2), x.std(1, unbiased=False)),
        *torch.var_mean(x, 1),
        *torch.std_mean(x, (0, 2), keepdim=True),
    )


@case(lambda n, dtype: (numbers(n, 3, 4, dtype=dtype),), at=(2, 5), dtypes=NUMBERS, dynamic=ROWS)
def extremes(x):
    return (
        *(x.amax(), x.amin(0), x.amax((1, 2)), x.max(), x.min(), x.argmax(), x.argmin(1)),
        *(*x.max(1), *x.min(-1, keepdim=True), *torch.aminmax(x, dim=2)),
        *(x.argmax(2, keepdim=True), *x.cummax(0), *x.cummin(1)),
    )


@case(lambda n: (bools(n, 3), floats(n, 3)), at=(2, 6), dynamic=ROWS_2, decomposed=True)
def truth(flags, x):
    return (
        *(flags.any(), flags.all(), flags.any(0), flags.all(1, keepdim=True), (x > 0).sum()),
        *((x > 5).any(), (x < 5).all(), flags.sum(1), flags.any((0, 1))),
    )


@case(lambda n: (floats(n, 3, 4),), at=(2, 3), dynamic=ROWS, decomposed=True)
def vector_norms(x):
    return (
        *(x.norm(), x.norm(dim=1), x.norm(p=1, dim=(0, 2)), x.norm(p=float("inf"), dim=2)),
        *(torch.linalg.vector_norm(x, 3, dim=1), torch.nn.functional.normalize(x, dim=1)),
        *(torch.linalg.matrix_norm(x), torch.linalg.norm(x, dim=-1), x.renorm(2, 0, 1.0)),
        *(torch.dist(x, x + 1, 2), torch.nn.functional.cosine_similarity(x, x.flip(0), dim=1)),
        torch.nn.functional.pairwise_distance(x, x + 0.5),
    )


@case(lambda n, dtype: (numbers(n, 6, dtype=dtype),), at=(2, 4), dtypes=NUMBERS, dynamic=ROWS)
def sorting(x):
    values, indices = x.sort(dim=1, descending=True, stable=True)
    return (
        *(values, indices, x.argsort(dim=0, stable=True), *x.topk(3), *x.kthvalue(2, 1)),
        *(*x.median(1), x.median(), *x.mode(1), x.msort(), *x.topk(2, 1, largest=False)),
    )


@case(lambda n: (floats(n, 5),), at=(6, 8), dynamic=ROWS)
def quantiles(x):
    levels = torch.tensor([0.25, 0.5, 0.9])
    return (
        *(x.quantile(0.3), x.quantile(levels, dim=1), *x.nanmedian(0), x.nanquantile(0.5, 0)),
        *(torch.logcumsumexp(x, 1), x.diff(), x.diff(n=2, dim=0), torch.trapezoid(x)),
        *(torch.cumulative_trapezoid(x, dim=1), torch.histc(x, 4, -2, 2)),
    )


@case(lambda n: (ints(n, high=5), positives(n)), at=(6, 11), dynamic=ROWS_2)
def counted(x, weights):
    return (
        *(torch.bincount(x, minlength=5)[:5], (x.unsqueeze(1) == torch.arange(5)).sum(0)),
        torch.bincount(x, weights, minlength=5)[:5],
    )


@case(lambda: (ints(12, high=4),))
def unique_values(x):
    values, inverse, counts = torch.unique(x, return_inverse=True, return_counts=True)
    runs, lengths = torch.unique_consecutive(x, return_counts=True)
    return values, inverse, counts, runs, lengths


@case(lambda n: (floats(n, 4), floats(n, 4)), at=(5, 9), dynamic=ROWS_2, decomposed=True)
def statistics(x, y):
    return (
        *((x * y).sum() / x.norm(), torch.dot(x[0], y[0])),
        *(torch.vdot(x[0], y[1]), torch.inner(x, y), torch.cross(x[:, :3], y[:, :3], dim=1)),
    )


@case(lambda: (complexes(3, 4),))
def complex_reductions(x):
    return x.sum(0), x.mean(), x.prod(1), x.cumsum(1), x.abs().amax(), x.norm()


@case(lambda: (floats(3, 4, dtype=torch.float16), bools(3, 4), ints(3, 4, dtype=torch.uint8)))
def reduced_dtypes(half, flags, small):
    return (
        *(half.sum(), half.mean(1), half.amax(0), half.cumsum(1), half.sum(dtype=torch.float32)),
        *(flags.sum(), flags.float().mean(), flags.cumsum(0), small.sum(), small.amax(1)),
        *(small.prod(), flags.prod(), small.float().std(), half.argmax(1)),
    )
