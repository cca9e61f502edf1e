"""TorchScript's language in exported programs: values, containers, types, objects, errors."""

from collections import OrderedDict
from typing import Any, NamedTuple

import pytest
import torch
from bridge_support import BATCH, bridged, operators, reloaded, scripted, traced
from r_torch import Parts, Tied
from support import BUILDERS, legacy
from test_retarget import on_cuda
from torch import Tensor, nn
from torchship.compiling.bridge import BridgeError, exported

X = torch.arange(6.0).reshape(2, 3) - 2


class Pair(NamedTuple):
    first: Tensor
    second: int


def numbers(self, x: Tensor, n: int, f: float):
    a = n + 7 // 2 - 5 % 3 + 2**3
    b = f / 2 + float(n) * 1.5 - int(f) + max(n, 2) - min(f, 0.5) + abs(-n)
    c = round(f) + (n << 2) + (n & 6) + (n | 1) + (n ^ 3) + (n >> 1)
    if n > 1 and not f < 0.0 or n == 7:
        a += 1
    return x * a + b, c, a, n != 3, f >= 1.0, f"n is {n}", -n


def lists(self, x: Tensor, sizes: list[int]):
    found: list[Tensor] = []
    for i, size in enumerate(sizes):
        if size == 0:
            continue
        found.append(x * size + i)
    found.insert(0, x)
    found.extend([x + 1, x + 2])
    last = found.pop()
    found.reverse()
    found[0] = last
    del found[1]
    numbers = [i * 2 for i in sizes] + [1] * 2
    numbers.sort()
    return found, numbers, numbers[1:], len(found), sum(numbers), 4 in numbers, torch.stack(found)


def dicts(self, x: Tensor, given: dict[str, Tensor]):
    made: dict[str, Tensor] = {"x": x}
    for key, value in given.items():
        made[key] = value + 1
    made.update({"z": x * 3})
    old = made.pop("x")
    kept = made.get("absent", old)
    names = list(made.keys())
    total = torch.zeros_like(x)
    for value in made.values():
        total += value
    return made, kept, names, "z" in made, len(made), total, "-".join(names)


def tuples(self, x: Tensor, pair: tuple[Tensor, int]):
    first, second = pair
    named = Pair(first, second + 1)
    return named, (x, (named.first + x, None)), pair[1:], named.second


def optionals(self, x: Tensor, bias: Tensor | None, scale: float | None):
    if bias is not None:
        x = x + bias
    y = x if scale is None else x * scale
    assert scale is None or scale > 0.0
    return y, bias, scale


def types(self, x: Tensor, value: Any):
    if isinstance(value, int):
        return x + value
    if isinstance(value, list[int]):
        return x + len(value)
    if isinstance(value, tuple):
        return x * 2
    return x


def kinds(self, x: Tensor):
    y = torch.zeros([2, 2], dtype=x.dtype, device=x.device)
    z = x.to(torch.float64).to(torch.device("cpu")).type_as(x)
    flags = (x.is_cuda, x.dtype == torch.float32, x.requires_grad, x.is_floating_point(), x.dim())
    return y, z, flags, x.shape, x.size(1), x.numel(), x.stride(), x.element_size()


def in_place(self, x: Tensor):
    y = x.clone()
    y[0] = 7.0
    y[:, 1].mul_(3)
    y += x
    y.clamp_(min=0.0)
    return y.t_(), x.unbind(0), x.split([1, 2], dim=1), x[:, [0, 2]], x[x > 0]


def loops(self, x: Tensor, n: int):
    y = x
    for i in range(1, n, 2):
        if i == 5:
            break
        y = y + i
    k = 0
    while k < n:
        k += 3
    else_ = [y for _ in range(2)]
    return y, k, else_, [row.sum() for row in x]


def strings(self, x: Tensor, text: str):
    parts = text.split(" ")
    return x, text.upper(), parts[0] + parts[-1], len(text), text[1:3], text.startswith("a")


def arithmetic_of_tensors(self, x: Tensor):
    n = torch.tensor([x.size(0), 3])
    return n, torch.tensor(2.5) * x, torch.tensor([[1, 2], [3, 4]]), x.tolist() == x.tolist()


def waits(self, x: Tensor):
    future = torch.jit.fork(torch.relu, x)
    with torch.no_grad():
        y = x * 2
    return torch.jit.wait(future) + y


CASES = {
    "numbers": (numbers, (X, 3, 2.5)),
    "lists": (lists, (X, [2, 0, 3])),
    "dicts": (dicts, (X, OrderedDict(b=X + 1, a=X + 2))),
    "tuples": (tuples, (X, (X + 1, 4))),
    "optionals": (optionals, (X, X + 1, 2.0)),
    "no optionals": (optionals, (X, None, None)),
    "int": (types, (X, 3)),
    "list": (types, (X, [1, 2])),
    "tuple": (types, (X, (1, X))),
    "kinds": (kinds, (X,)),
    "in place": (in_place, (X,)),
    "loops": (loops, (X, 9)),
    "strings": (strings, (X, "abc def")),
    "fork": (waits, (X,)),
}


@pytest.mark.parametrize("name", CASES)
def test_language(name):
    function, inputs = CASES[name]
    bridged(scripted(function), inputs)


def test_plain_values_are_constants_and_results_are_described():
    made = bridged(scripted(tuples), (X, (X + 1, 4)))
    assert made.output == {
        "kind": "tuple",
        "items": [
            {
                "kind": "tuple",
                "items": [{"kind": "tensor", "ref": 0}, {"kind": "int", "value": 5}],
                "names": ["first", "second"],
            },
            {
                "kind": "tuple",
                "items": [
                    {"kind": "tensor", "ref": 1},
                    {
                        "kind": "tuple",
                        "items": [{"kind": "tensor", "ref": 2}, {"kind": "none"}],
                    },
                ],
            },
            {"kind": "tuple", "items": [{"kind": "int", "value": 4}]},
            {"kind": "int", "value": 5},
        ],
    }
    assert made.how == "torch.export of the inlined graph"


def test_inputs_and_weights_have_their_names():
    made = bridged(scripted(dicts), (X, {"b": X + 1, "a": X + 2}))
    assert list(made.program.graph_signature.user_inputs) == ["x", "given_b", "given_a"]
    linear = bridged(traced(nn.Sequential(nn.Linear(3, 2)), X), (X,))
    assert set(linear.program.graph_signature.parameters) == {"0.weight", "0.bias"}
    assert operators(linear) == ["linear.default"]


def test_nodes_have_the_authors_lines():
    made = bridged(scripted(numbers), (X, 3, 2.5))
    lines = [node.stack_trace for node in made.program.graph.nodes if node.op == "call_function"]
    assert all("test_bridge.py" in line and "compiling/bridge" not in line for line in lines), lines


def test_methods_buffers_constants_and_one_weight_twice():
    module = Parts()
    examples = {name: values for name, values in Parts.METHODS.items()}
    made = reloaded(legacy(torch.jit.trace_module, module.eval(), examples))
    for name, values in examples.items():
        bridged(made, values, method=name)
    tied = bridged(traced(Tied(), X), (X,))
    assert len({w.data_ptr() for w in tied.program.state_dict.values()}) == 1


class Step(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        pass


Step = legacy(torch.jit.interface, Step)


class Doubling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((3,), 2.0))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


class Interfaces(nn.Module):
    step: Step

    def __init__(self) -> None:
        super().__init__()
        self.step = Doubling()
        self.offsets = [torch.ones(3), torch.zeros(3)]
        self.names = {"a": 1}

    def forward(self, x: Tensor):
        return self.step.forward(x) + self.offsets[0], self.names["a"]


def test_interfaces_and_attributes():
    bridged(scripted(Interfaces()), (X,), (X + 1,))


@pytest.mark.parametrize("name, method", [("rstyle", "evalforward"), ("weight", "forward")])
def test_archives_of_other_tests(name, method):
    example = X if name == "weight" else torch.ones(2, 3)
    bridged(reloaded(BUILDERS[name]()), (example,), method=method, dynamic=[{0: BATCH}])


def doubles_its_input(self, x: Tensor, y: Tensor):
    y.mul_(2)
    return x + y


def test_inputs_that_are_changed_are_reported_and_changed():
    made = exported(scripted(doubles_its_input), "forward", (X, X))
    assert made.changes == [1]
    y = torch.ones(2, 3)
    assert torch.equal(made.program.module()(X, y)[0], X + 2) and torch.equal(
        y, torch.full((2, 3), 2.0)
    )


class Positions(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(3, device="cpu", dtype=torch.float32)
        return x.to("cpu") + places


def test_devices_that_were_baked_in_give_way(tmp_path):
    legacy(torch.jit.save, traced(Positions(), X), str(tmp_path / "cpu.pt"))
    assert on_cuda(tmp_path / "cpu.pt", tmp_path / "cuda.pt") == 2
    module = legacy(torch.jit.load, str(tmp_path / "cuda.pt"), map_location="cpu")
    made = exported(module, "forward", (X,), [{0: BATCH}])
    assert made.restrictions == []
    assert torch.equal(made.program.module()(X[:1])[0], X[:1] + torch.arange(3.0))


def refusal(module, inputs, method="forward") -> BridgeError:
    with pytest.raises(BridgeError) as caught:
        exported(module, method, inputs)
    error = caught.value
    assert "\n" not in error.message and "\n" not in error.hint and "\n" not in error.place
    return error


class Steps(nn.Module):
    kept: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.kept = []
        self.register_buffer("sum", torch.zeros(3))

    def forward(self, x: Tensor):
        self.steps += 1
        return x

    @torch.jit.export
    def remember(self, x: Tensor):
        self.kept.append(x)
        return x

    @torch.jit.export
    def put(self, x: Tensor, at: Tensor):
        self.sum[at] = x[0, at]
        return x

    @torch.jit.export
    def fill(self, x: Tensor):
        self.sum.fill_(float(x[0, 0]))
        return x

    @torch.jit.export
    def add(self, x: Tensor):
        part = self.sum[1:]
        part += x[0, 1:]
        return x


@pytest.mark.parametrize(
    "method, what",
    [
        ("forward", "'steps'"),
        ("remember", "kept"),
        ("put", "sum"),
        ("fill", "sum"),
        ("add", "sum"),
    ],
)
def test_state_is_refused(method, what):
    module = scripted(Steps())
    inputs = (X, torch.tensor([0, 2])) if method == "put" else (X,)
    error = refusal(module, inputs, method)
    assert "changes" in error.message and what in error.message
    assert "keeps state" in error.hint
    assert error.place == "" or "test_bridge.py" in error.place
    assert float(module.sum.sum()) == 0


def test_batch_norm_in_training_is_refused():
    class Training(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.zeros(3))
            self.register_buffer("var", torch.ones(3))

        def forward(self, x: Tensor):
            return torch.batch_norm(x, None, None, self.mean, self.var, True, 0.1, 1e-5, False)

    module = scripted(Training())
    assert "mean" in refusal(module, (X,)).message
    assert float(module.mean.abs().sum()) == 0


def sizes_of_data(self, x: Tensor):
    return [part.sum() for part in x.nonzero().unbind(0)]


def test_a_result_of_unknown_length_is_refused_at_its_line():
    error = refusal(scripted(sizes_of_data), (X,))
    assert error.operator == "aten::unbind" and "test_bridge.py" in error.place
    assert "values of tensors" in error.hint


def test_objects_wrong_numbers_of_inputs_and_failures():
    assert "Box" in refusal(reloaded(BUILDERS["boxes"]()), (X,), "pack").message
    module = scripted(optionals)
    assert "no method 'encode'" in refusal(module, (X,), "encode").message
    assert "takes 3 values, 1 are given" in refusal(module, (X,)).message
    assert "raises on these inputs" in refusal(module, (X, None, -1.0)).message
    error = refusal(module, (X, torch.ones(5), None))
    assert error.operator == "aten::add" and "size of tensor" in error.message
