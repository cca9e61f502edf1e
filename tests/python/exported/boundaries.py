"""Arguments and results of every kind."""

from typing import NamedTuple

import torch
from torch import nn
from torch.utils import _pytree as pytree

from exported.inputs import bools, floats, ints
from exported.registry import DYNAMIC, Call, family

case = family("boundaries")


class Pair(NamedTuple):
    first: torch.Tensor
    second: torch.Tensor


# A program cannot be saved with a named tuple that has no name for files.
pytree._register_namedtuple(Pair, serialized_type_name="exported.Pair")


@case(lambda: ({"a": floats(2), "b": [floats(2), (floats(2), floats(3))]},))
def nested_input(tree):
    return tree["a"] + tree["b"][0], tree["b"][1][0] * 2, tree["b"][1][1].sum()


@case(lambda: (floats(2, 3),), decomposed=True)
def nested_output(x):
    return {"a": x, "b": [x + 1, (x * 2, {"c": x.sum(0)})], "d": (), "e": []}


@case(lambda n: ([floats(n, 2) for _ in range(3)],), at=(2, 4), dynamic=([{0: DYNAMIC}] * 3,))
def list_of_tensors(xs):
    return torch.cat(xs), [x + 1 for x in xs]


@case(lambda: (floats(3), floats(3)))
def named_tuple_output(x, y):
    return Pair(x + y, x - y)


@case(lambda: (Pair(floats(3), floats(3)), floats(3)))
def named_tuple_input(pair, y):
    return pair.first + pair.second * y


@case(lambda: Call((floats(3),), {"y": floats(3), "scale": floats(1)}))
def keywords(x, y, *, scale):
    return x + y * scale


@case(lambda: Call((), {"z": floats(3), "x": floats(2), "y": {"b": floats(2), "a": floats(3)}}))
def only_keywords(*, x, y, z):
    return x + y["b"], z * y["a"]


@case(lambda: (floats(3), floats(3), floats(3)))
def variadic(first, *rest):
    return first + rest[0] * rest[1]


@case(lambda: Call((floats(3),), {"a": floats(3), "b": floats(3)}))
def variadic_keywords(x, **others):
    return x + others["a"] - others["b"]


@case(lambda: (floats(3), None))
def absent_argument(x, mask=None):
    return x * 2 if mask is None else x * mask


@case(lambda: (floats(3),))
def default_arguments(x, scale=2.0, mask=None, mode="sum"):
    return (x * scale).sum() if mode == "sum" else x


@case(lambda: (floats(3, 4), 2, 0.5, True, "tanh"))
def constant_arguments(x, power, scale, flag, name):
    y = getattr(torch, name)(x**power) * scale
    return y if flag else x


@case(lambda: (floats(3),), decomposed=True)
def constants_out(x):
    return x + 1, 3, 2.5, True, None, (1, None)


@case(lambda: (floats(3), floats(2)), decomposed=True)
def inputs_out(x, y):
    return y, x, x


@case(lambda: (floats(3),), decomposed=True)
def same_result_twice(x):
    y = x + 1
    return y, y, {"again": y}


@case(lambda: (floats(3), floats(4), ints(2)))
def unused_arguments(x, unused, also):
    return x * 2


@case(lambda: (floats(4),), decomposed=True)
class WeightsOut(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(floats(4))
        self.register_buffer("buffer", floats(2))
        self.unused = nn.Parameter(floats(3))

    def forward(self, x):
        return self.weight, self.buffer, x * self.weight


@case(lambda: ())
class NoArguments(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(floats(2, 2))

    def forward(self):
        return self.weight @ self.weight, torch.ones(2)


@case(lambda: (floats(3, 4),), decomposed=True)
class ConstantTensors(nn.Module):
    """Tensors that are neither parameters nor buffers; one of them is used twice."""

    def __init__(self):
        super().__init__()
        self.table = floats(3, 4)
        self.list = [floats(4), torch.tensor(2), floats(4, dtype=torch.float64)]

    def forward(self, x):
        y = x * self.table + self.list[0] * self.list[1]
        return y + self.table, y * self.list[2], torch.tensor([[1.0, 2.0]]), self.list[1]


@case(lambda: (floats(3, 4),))
class SharedWeights(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4, bias=False)
        self.second = nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.register_buffer("row", self.first.weight.detach()[1])

    def forward(self, x):
        return self.second(self.first(x)) + self.row


@case(lambda: (floats(3, 4),))
class StridedWeights(nn.Module):
    """Weights that are views: transposed, expanded, part of another."""

    def __init__(self):
        super().__init__()
        whole = floats(8, 6)
        self.register_buffer("transposed", whole[:5, :4].t())
        self.register_buffer("expanded", floats(1, 4).expand(3, 4))
        self.register_buffer("part", whole[2:5, 1:5])
        self.register_buffer("empty", torch.zeros(0, 4))
        self.register_buffer("scalar", torch.tensor(2.5, dtype=torch.float64))

    def forward(self, x):
        return x @ self.transposed, x + self.expanded, x * self.part, self.empty, x * self.scalar


@case(lambda: (floats(3),))
class WeightsOfAllDtypes(nn.Module):
    DTYPES = (
        *(torch.float16, torch.bfloat16, torch.float64, torch.int8, torch.uint8, torch.int16),
        *(torch.int32, torch.int64, torch.bool, torch.complex64),
    )

    def __init__(self):
        super().__init__()
        for i, dtype in enumerate(self.DTYPES):
            self.register_buffer(f"b{i}", ints(3).to(dtype))

    def forward(self, x):
        return tuple(getattr(self, f"b{i}") * x for i in range(len(self.DTYPES)))


@case(lambda: (torch.tensor(2.0), torch.tensor(3), torch.tensor(True)))
def scalar_tensors(x, i, flag):
    return x * i, torch.where(flag, x, 0.0), x + 1, i.float().sqrt(), x.reshape(1), x.unsqueeze(0)


@case(lambda: (floats(0, 3), floats(2, 0)))
def empty_tensors(x, y):
    return x.sum(0), y @ x, torch.cat([x, x]), x.mean(0), y.sum(), x * 2


@case(lambda: (floats(4, 6)[:, ::2], floats(3, 2).t(), floats(1, 3).expand(4, 3)))
def strided_inputs(x, y, z):
    return x + z, (x @ y.t()), y.contiguous(), x.reshape(-1)


@case(lambda: (floats(3), floats(3)))
def names_to_escape(self_, input):  # noqa: A002
    return {"a b": self_, "ünïcode": input, "": self_ + input, "1": input * 2}


@case(lambda: ({1: floats(2), 5: floats(2)},))
def integer_keys(tree):
    return {0: tree[1] + 1, -3: tree[5], 7: tree[1] * 2}


@case(lambda: (bools(3), floats(3)))
def one_element_list(flags, x):
    return [torch.where(flags, x, 0.0)]


@case(lambda: (floats(2, 3),))
def nothing(x):
    return None


@case(lambda: (floats(2, 3),))
class Deep(nn.Module):
    """Modules in modules, one of them called twice."""

    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.Tanh(), nn.Linear(3, 3)))
        self.parts = nn.ModuleDict({"a": self.block, "b": nn.Linear(3, 2)})
        self.scale = nn.ParameterList([nn.Parameter(floats(3)), nn.Parameter(floats(2))])

    def forward(self, x):
        y = self.block(self.parts["a"](x)) * self.scale[0]
        return self.parts["b"](y) + self.scale[1]
