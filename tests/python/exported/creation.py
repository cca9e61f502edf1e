"""New tensors, and changes of dtype and memory format."""

import torch
import torch.ao.quantization.fx._decomposed  # the operators of quantized_decomposed

from exported.inputs import bools, floats, ints
from exported.registry import DYNAMIC, ROWS, family

case = family("creation")
DTYPES = (torch.float64, torch.float16, torch.bfloat16, torch.int32, torch.bool, torch.complex64)


@case(lambda n: (floats(n, 3),), at=(2, 5), dynamic=ROWS, decomposed=True)
def filled(x):
    n = x.size(0)
    return (
        *(torch.zeros(n, 2), torch.ones(n), torch.full((n, n), 2.5), torch.full((2,), 7)),
        *(torch.zeros(3, dtype=torch.int64), torch.ones(2, n, dtype=torch.bool), torch.eye(n)),
        *(torch.zeros_like(x), torch.ones_like(x, dtype=torch.int32), torch.full_like(x, 3)),
        *(x.new_zeros(n, 1), x.new_ones(4), x.new_full((n,), 1.5), x.new_tensor([1, 2])),
        *(torch.empty(n, 3).fill_(1.0), torch.empty_like(x).copy_(x), x.new_empty(2).zero_()),
        *(torch.eye(3, 4, dtype=torch.float64), torch.full((n,), True), torch.full((), n)),
    )


@case(lambda n: (floats(n, 3),), at=(4, 7), dynamic=ROWS, decomposed=True)
def ranges(x):
    n = x.shape[0]
    return (
        *(torch.arange(n), torch.arange(1, n), torch.arange(0, 10, 3), torch.arange(n) * x[0, 0]),
        *(torch.arange(n, dtype=torch.float32), torch.arange(0.0, 1.0, 0.25)),
        *(
            torch.linspace(0, 1, 5),
            torch.linspace(-1, 1, 6),
            torch.logspace(0, 2, 3),
            torch.arange(n, 0, -1),
        ),
        *(torch.arange(n).unsqueeze(0) < n - 1, torch.linspace(0, 1, 4, dtype=torch.float64)),
    )


@case(lambda: (floats(2),))
def windows_and_triangles(x):
    return (
        *(torch.tril_indices(3, 3), torch.triu_indices(3, 4, 1), torch.hann_window(6)),
        *(torch.hamming_window(6), torch.bartlett_window(5, periodic=False)),
        *(
            torch.kaiser_window(4),
            torch.blackman_window(4),
            torch.tensor([1.0, 2.0]) + x,
            torch.tensor(3),
            x,
        ),
        *(torch.tensor([[1, 2], [3, 4]], dtype=torch.int16), torch.scalar_tensor(2.5)),
        *(torch.complex(x, x), torch.asarray(5), torch.zeros(0, 3), torch.zeros(())),
    )


@case(lambda n: (floats(n, 3), ints(n), bools(n)), at=(2, 5), dynamic=({0: DYNAMIC},) * 3,
      decomposed=True)  # fmt: skip
def conversions(x, i, flags):
    return (
        *(x.to(dtype) for dtype in (*DTYPES, torch.uint8, torch.int64)),
        *(i.to(dtype) for dtype in DTYPES),
        *(flags.to(dtype) for dtype in DTYPES),
        *(x.double().float(), x.half() + x.half(), i.type_as(x), flags.float().mean(), x.long()),
        *(x.to(i), x.type(torch.float64), i.to(torch.uint8).to(torch.int8), x.bool()),
        *(x.to("cpu"), x.to("cpu", torch.float64), x.cpu(), x.to(torch.float64, copy=True)),
    )


@case(lambda n: (floats(n, 3, 4, 5),), at=(2, 3), dynamic=ROWS, decomposed=True)
def memory_formats(x):
    last = x.contiguous(memory_format=torch.channels_last)
    return (
        *(last, last + 1, last.contiguous(), x.to(memory_format=torch.channels_last) * 2),
        *(last.permute(0, 2, 3, 1).reshape(-1), torch.zeros_like(last), last.clone(), last.mean(1)),
        *(x.transpose(1, 2).clone(memory_format=torch.contiguous_format), last.transpose(1, 2)),
        torch.empty_like(last, memory_format=torch.preserve_format).copy_(x),
    )


@case(lambda n: (floats(n, 3),), at=(2, 4), dynamic=ROWS, decomposed=True)
def copies(x):
    return x.clone(), x.detach(), x.contiguous(), x.detach().clone()


@case(
    lambda n: (ints(n, 6, low=-99, high=99), floats(n, 6)),
    at=(2, 3),
    dynamic=({0: DYNAMIC},) * 2,
    decomposed=True,
)
def quantised(i, x):
    ops = torch.ops.quantized_decomposed
    q = ops.quantize_per_tensor(x, 0.05, 3, -128, 127, torch.int8)
    scales, zeros = torch.linspace(0.02, 0.1, 6), torch.zeros(6, dtype=torch.int64)
    c = ops.quantize_per_channel(x, scales, zeros, 1, -128, 127, torch.int8)
    return (
        *(q, ops.dequantize_per_tensor(q, 0.05, 3, -128, 127, torch.int8)),
        *(c, ops.dequantize_per_channel(c, scales, zeros, 1, -128, 127, torch.int8)),
        (i * 0.1).round().to(torch.int8),
    )
