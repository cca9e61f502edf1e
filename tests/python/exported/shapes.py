"""Views, joins, splits and padding."""

import torch
from torch.nn import functional as F

from exported.inputs import INTS, bools, complexes, floats, ints, numbers
from exported.registry import DYNAMIC, ROWS, ROWS_2, family

case = family("shapes")
ANY = (torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.bool, torch.complex64)


@case(lambda n, dtype: (numbers(n, 6, 4, dtype=dtype),), at=(2, 5), dtypes=ANY, dynamic=ROWS)
def views(x):
    return (
        *(x.view(-1, 4), x.reshape(x.size(0), 24), x.view(-1), x.flatten(1), x.flatten()),
        *(x.unflatten(1, (2, 3)), x.view(x.shape[0], 3, 2, 4), x.ravel(), x.unsqueeze(0)),
        *(x[:, :1].squeeze(1), x.unsqueeze(-1).squeeze(), x[:, :1, :1].squeeze((1, 2))),
        *(x.view_as(x), x.reshape(-1, 2, 2).reshape(x.shape), torch.atleast_3d(x[0, 0])),
    )


@case(lambda n, dtype: (numbers(n, 3, 4, dtype=dtype),), at=(2, 5), dtypes=ANY[:4], dynamic=ROWS)
def permutations(x):
    return (
        *(x.permute(2, 0, 1), x.transpose(0, 1), x.mT, x[0].T, x[0].t(), x.movedim(0, 2)),
        *(x.swapaxes(1, 2), torch.moveaxis(x, (0, 1), (1, 2)), x.permute(0, 2, 1).contiguous()),
        *(x.transpose(1, 2).reshape(-1, 3), x.permute(2, 1, 0).flatten(), x.swapdims(0, 1) + 1),
        *(x.rot90(), x.adjoint()),
    )


@case(lambda n: (floats(n, 1, 3),), at=(2, 4), dynamic=ROWS, decomposed=True)
def repetitions(x):
    return (
        *(x.expand(-1, 4, -1), x.expand(2, x.size(0), 4, 3), x.repeat(1, 2, 2), x.tile(2)),
        *(x.broadcast_to(x.shape[0], 5, 3), x.expand_as(x.repeat(1, 3, 1)), x.repeat(2, 1, 1)),
        *(x.repeat_interleave(2, 2), x.repeat_interleave(3, 0), x.tile((1, 2, 1))),
        *(torch.broadcast_tensors(x, x[0, :, :1])[1], x.repeat_interleave(2)),
    )


@case(
    lambda n, dtype: (numbers(n, 3, dtype=dtype), numbers(n, 3, dtype=dtype)),
    at=(4, 5),
    dtypes=ANY,
    dynamic=ROWS_2,
)
def joins(x, y):
    return (
        *(torch.cat([x, y]), torch.cat([x, y], 1), torch.cat((x, y, x), dim=-1)),
        *(torch.stack([x, y]), torch.stack([x, y], -1), torch.hstack([x, y]), torch.vstack([x, y])),
        *(torch.dstack([x, y]), torch.column_stack([x, y]), torch.cat([x[:1], y[1:]])),
        torch.cat([x, y.new_zeros((0, 3))]),
    )


@case(lambda n: (floats(n, 6, 4),), at=(2, 3), dynamic=ROWS, decomposed=True)
def splits(x):
    return (
        *(*x.split(2, 1), *x.split([1, 3, 2], 1), *x.chunk(3, 1), *x.chunk(4, 1)),
        *(*x.unbind(1)[:2], *torch.tensor_split(x, 4, 1), *x.tensor_split((1, 3), dim=1)),
        *(*x.hsplit(2), *x.unbind(2), *x.split(4, dim=1)),
    )


@case(lambda n: (floats(n, 8, 5),), at=(6, 9), dynamic=ROWS, decomposed=True)
def slices(x):
    return (
        *(x[1:4], x[:, 2:], x[:, :-1], x[:, ::2], x[:, 1:7:3], x[-1], x[..., 0], x[2, 3]),
        *(x.narrow(1, 2, 3), x.select(1, -2), x[:, -3:], x[:, None, 1], x[1:-1, ::3, 1:2]),
        *(x[:, 100:], x[:3][1:], x.narrow(0, -2, 2), x[..., None, :2]),
    )


@case(lambda n: (floats(n, 4, 3),), at=(3, 5), dynamic=ROWS, decomposed=True)
def rolls(x):
    return (
        *(x.roll(1, 0), x.roll((1, -2), (0, 1)), x.roll(3), x.flip(0), x.flip((1, 2))),
        *(x[0].fliplr(), x[0].flipud(), x.roll(5, 1), torch.rot90(x, 1, (1, 2))),
    )


@case(lambda n: (floats(n, 3, 6),), at=(2, 4), dynamic=ROWS, decomposed=True)
def padding_1d(x):
    return (
        *(F.pad(x, (1, 2)), F.pad(x, (1, 2), value=3.0), F.pad(x, (2, 2), mode="reflect")),
        *(F.pad(x, (2, 1), mode="replicate"), F.pad(x, (1, 3), mode="circular")),
        *(F.pad(x, (-1, -2)), F.pad(x, (0, 0, 1, 0)), F.pad(x, (-1, 2), value=float("-inf"))),
    )


@case(lambda n: (floats(n, 2, 5, 6),), at=(2, 4), dynamic=ROWS, decomposed=True)
def padding_2d(x):
    return (
        *(F.pad(x, (1, 2, 3, 0)), F.pad(x, (2, 2, 1, 1), mode="reflect")),
        *(F.pad(x, (2, 1, 0, 3), mode="replicate"), F.pad(x, (1, 3, 2, 1), mode="circular")),
        *(torch.nn.ZeroPad2d(1)(x), torch.nn.ReflectionPad2d((1, 2, 0, 1))(x)),
        F.pad(x.unsqueeze(1), (1, 1, 1, 1, 1, 1), mode="replicate"),
    )


@case(lambda: (ints(3, 4), bools(3, 4)), decomposed=True)
def padding_of_integers(x, flags):
    return F.pad(x, (1, 1), value=7), F.pad(flags, (0, 2), value=True), F.pad(x, (0, 0, 2, 0))


@case(
    lambda n: (floats(n, n), floats(n)), at=(4, 3), dynamic=({0: DYNAMIC, 1: DYNAMIC}, {0: DYNAMIC})
)
def diagonals(x, v):
    return (
        *(x.diagonal(), x.diagonal(1), torch.diag(x), v.diag(), torch.diag_embed(x), v.diag(1)),
        *(x.tril(), x.triu(), x.tril(-1), x.triu(1), x.trace(), torch.diagflat(v)),
        *(torch.diagonal_scatter(x, v), x.diagonal(dim1=1, dim2=0)),
    )


@case(lambda n, m: (floats(n), floats(m)), at=((3, 4), (2, 5)), dynamic=ROWS_2)
def grids(x, y):
    return (
        *torch.meshgrid(x, y, indexing="ij"),
        *torch.meshgrid(x, y, indexing="xy"),
        *(torch.cartesian_prod(x, y), torch.outer(x, y), torch.ger(x, y)),
    )


@case(lambda: (floats(4, 6),))
def strides_by_hand(x):
    return (
        *(x.as_strided((3, 2), (6, 2)), x.as_strided((2, 2, 2), (1, 6, 2), 3), x.unfold(1, 3, 2)),
        *(x.unfold(0, 2, 1), x.t().unfold(1, 2, 2), x[1:].as_strided((2, 2), (6, 1), 6)),
    )


@case(lambda: (floats(4, 6), complexes(3, 2), ints(2, 4, dtype=torch.int32)))
def reinterpretations(x, z, i):
    return (
        *(x.view(torch.int32), x.view(torch.int16), torch.view_as_real(z), i.view(torch.uint8)),
        *(torch.view_as_complex(x.view(4, 3, 2)), i.view(torch.int64), z.view(torch.float32)),
    )


@case(lambda n: (floats(n, 2, 3, 4),), at=(2, 3), dynamic=ROWS, decomposed=True)
def scattered_into_views(x):
    zeros = torch.zeros_like(x)
    return (
        *(x.slice_scatter(zeros[:, :, 1:3], 2, 1, 3), x.select_scatter(zeros[:, 0], 1, 1)),
        *(x.slice_scatter(zeros[..., ::2], 3, 0, 4, 2), torch.select_scatter(x, x[0] * 2, 0, 0)),
    )


@case(lambda n, dtype: (numbers(n, 4, dtype=dtype),), at=(4, 6), dtypes=INTS, dynamic=ROWS)
def shapes_of_integers(x):
    return x.T, x.reshape(2, -1), torch.cat([x, x]), x[:, ::2], x.flip(0), x.unsqueeze(1), x.roll(1)


@case(lambda n: (floats(n, 4, 8, 8),), at=(2, 3), dynamic=ROWS, decomposed=True)
def rearranged_channels(x):
    return (
        *(F.pixel_shuffle(x, 2), F.pixel_unshuffle(x, 4), F.channel_shuffle(x, 2)),
        *(F.unfold(x, 3, padding=1), F.unfold(x, 2, stride=2), F.unfold(x, (2, 3), dilation=2)),
        F.fold(F.unfold(x, 2, stride=2), (8, 8), 2, stride=2),
        F.fold(F.unfold(x, 3, padding=1), (8, 8), 3, padding=1),
    )
