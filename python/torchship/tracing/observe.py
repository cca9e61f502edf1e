"""What leaves the tensors for Python while a trace is taken, and what the traced graph holds.

A trace records tensor operations. Whatever Python learns of a tensor on the way (a truth value, a
number, a size as an int, a numpy array) is a constant of the trace: an escape.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from torchship.tracing.places import Place, calling_place, current_place, place_of
from torchship.tracing.script import Method, Trace, trace_methods

_ESCAPES = {
    "__bool__": "bool",
    "__contains__": "bool",
    "is_nonzero": "bool",
    "equal": "bool",
    "allclose": "bool",
    "__int__": "int",
    "__index__": "int",
    "__float__": "float",
    "__complex__": "complex",
    "item": "item",
    "tolist": "tolist",
    "numpy": "numpy",
    "__array__": "numpy",
    "__dlpack__": "dlpack",
    "data_ptr": "pointer",
    "_nested_tensor_from_mask_left_aligned": "bool",
    "__len__": "len",
    # The number of parts is the number of steps of whatever loops over them.
    "unbind": "iteration",
    "split": "iteration",
    "chunk": "iteration",
    "tensor_split": "iteration",
}
_FACTORIES = frozenset(
    "arange empty eye full linspace logspace ones rand randint randn randperm zeros tril_indices "
    "triu_indices hann_window hamming_window".split()
)
_MOVES = frozenset(("to", "cpu", "cuda"))
_SHAPE_OPERATORS = ("aten::size", "aten::numel", "aten::dim", "aten::len", "aten::sym_size")


@dataclass(frozen=True)
class Escape:
    """One thing that Python learnt of a tensor."""

    kind: str
    place: Place | None
    value: Any  # comparable
    origin: str  # "data" or "size" of an input, or "model"

    def same_decision(self, other: "Escape") -> bool:
        return (self.kind, self.place) == (other.kind, other.place) and self.value == other.value


@dataclass(frozen=True)
class Device:
    """A tensor created while tracing, on a device that no input has named."""

    operator: str
    place: Place | None
    is_literal: bool  # the code names the device


@dataclass(frozen=True)
class Node:
    """One operator of a traced graph, with what must be the same in another trace."""

    kind: str
    constants: tuple[Any, ...]
    place: Place | None


@dataclass
class Observation:
    """What one trace of one method saw."""

    escapes: list[Escape]
    devices: list[Device]
    nodes: list[Node]
    trace: Trace


def observe(module: nn.Module, method: Method, tensors: Sequence[Tensor]) -> Observation:
    """Trace a method with these tensors and note what leaves them."""
    recorder = _Recorder()
    with recorder:
        trace = trace_methods(module, [method], {method.name: tensors})
    nodes = list(nodes_of(trace.graph(method)))
    return Observation(recorder.escapes, recorder.devices, nodes, trace)


class _Recorder(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.escapes: list[Escape] = []
        self.devices: list[Device] = []
        self._own_devices: list[torch.device] = []  # kept, so that no other gets their identity

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        name = getattr(function, "__name__", "")
        tracing = torch._C._is_tracing()
        result = function(*args, **named)
        if not tracing:
            return result
        if name in _ESCAPES and args and isinstance(args[0], Tensor):
            self._note_escape(_ESCAPES[name], args, result)
        elif name == "__get__" and isinstance(result, torch.device):
            self._own_devices.append(result)
        elif name in _FACTORIES or name in _MOVES:
            self._note_device(name, calling_place(1), args, named)
        return result

    def _note_escape(self, kind: str, args: Sequence[Any], result: Any) -> None:
        origins = [_origin(each) for each in args if isinstance(each, Tensor)]
        origin = next((o for o in ("data", "size") if o in origins), "model")
        if kind in ("len", "iteration") and origin == "data":
            origin = "size"
        self.escapes.append(Escape(kind, current_place(), _comparable(result), origin))

    def _note_device(
        self, name: str, place: Place | None, args: Sequence[Any], named: Mapping[str, Any]
    ) -> None:
        """Note a device that is no tensor's own. torch's own code is left alone."""
        devices = [named.get("device"), *(args[1:2] if name == "to" else ())]
        named_ones = [each for each in devices if isinstance(each, str | torch.device)]
        is_own = any(each is own for each in named_ones for own in self._own_devices)
        moves_to_none = name == "to" and not named_ones
        if place is not None and not is_own and not moves_to_none:
            self.devices.append(Device(name, place, bool(named_ones) or name in _MOVES))


def _comparable(result: Any) -> Any:
    """A value that is equal for equal results: numbers, or the bytes of arrays."""
    if isinstance(result, bool | int | float | complex | str):
        return repr(result)
    if isinstance(result, tuple | list) and result and isinstance(result[0], Tensor):
        return len(result)
    if hasattr(result, "tobytes"):
        return (result.shape, result.tobytes())
    return repr(result)


def _origin(tensor: Tensor) -> str:
    """Whether a value depends on the data of an input, on its size, or on neither."""
    try:
        value = torch._C._get_value_trace(tensor)
    except RuntimeError:
        return "model"
    found = "model"
    stack, seen = [value], set()
    while stack:
        value = stack.pop()
        if value.unique() in seen:
            continue
        seen.add(value.unique())
        node = value.node()
        if node.kind() in _SHAPE_OPERATORS:
            found = "size"
        elif node.kind() == "prim::Param":
            if value.type().kind() != "ClassType":
                return "data"
        else:
            stack += node.inputs()
    return found


def nodes_of(graph: torch._C.Graph) -> Iterator[Node]:
    """The operators of a graph in order, without those that only carry values about."""
    for node in all_nodes(graph):
        if not node.kind().startswith("prim::") or node.kind() in ("prim::If", "prim::Loop"):
            yield Node(node.kind(), tuple(_constants(node)), place_of(node))


def all_nodes(block: Any) -> Iterator[torch._C.Node]:
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from all_nodes(inner)


def _constants(node: torch._C.Node) -> Iterator[Any]:
    """The plain constants among a node's inputs, and small tensors that were numbers."""
    for value in node.inputs():
        source = value.node()
        if source.kind() == "prim::ListConstruct":
            yield tuple(_constants(source))
        elif source.kind() == "prim::Constant":
            yield _plain(value.toIValue())


def _plain(constant: Any) -> Any:
    if isinstance(constant, Tensor):
        few = constant.numel() <= 1
        return repr(constant.item()) if few else (tuple(constant.shape), _digest(constant))
    return repr(constant)


def _digest(tensor: Tensor) -> float:
    plain = tensor.detach()
    return 0.0 if plain.is_complex() or plain.is_quantized else float(plain.double().sum())


def first_difference(one: Observation, other: Observation) -> Place | None:
    """The author's line of the first operator that two traces do not share."""
    for a, b in zip(one.nodes, other.nodes, strict=False):
        if (a.kind, a.constants) != (b.kind, b.constants):
            return a.place or b.place
    longer = max(one.nodes, other.nodes, key=len)
    shorter = min(len(one.nodes), len(other.nodes))
    return longer[shorter].place if len(longer) > shorter else None
