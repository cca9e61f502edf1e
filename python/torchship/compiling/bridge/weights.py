"""The tensors of a TorchScript module as parameters and buffers of an ordinary one."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from torchship.compiling.bridge.code import Code, Step, code_of
from torchship.compiling.bridge.numbers import known


@dataclass(frozen=True)
class Part:
    """A module inside the module: what a graph calls `self.encoder`."""

    path: str
    module: torch._C.ScriptModule


@dataclass(frozen=True)
class Kept:
    """The place of a tensor among the weights, within a plain value."""

    path: str


@dataclass(eq=False)
class Method:
    """The code of a method, and what it reads of its module: known before it runs."""

    code: Code
    values: dict[str, Any] = field(default_factory=dict)  # by name in the graph
    calls: dict[Step, "Method"] = field(default_factory=dict)  # those that cannot be inlined


class Weights:
    """Collects what methods read.

    `root` holds the tensors, under the names they have in the archive; torch.export replaces those
    while it traces, so that they are looked up there each time.
    """

    def __init__(self, module: torch.jit.ScriptModule) -> None:
        self.root = nn.Module()
        self._script = module._c
        self._parameters = {name for name, _ in module.named_parameters(remove_duplicate=False)}
        self._kept: dict[str, str] = {}  # name in the archive: name here
        self._same: dict[tuple[Any, ...], Tensor] = {}
        self.names_devices = False  # whether a method names a device other than the CPU

    def method(self, name: str) -> Method:
        return self._method(Part("", self._script), name)

    def _method(self, part: Part, name: str) -> Method:
        made = Method(code_of(part.module._get_method(name).graph))
        made.values[made.code.body.inputs[0]] = part
        for step in made.code.body.all_steps():
            base = made.values.get(step.inputs[0]) if step.inputs else None
            if step.kind == "prim::Constant":
                made.values[step.outputs[0]] = self._constant(step, len(self._kept))
            elif step.kind == "prim::GetAttr" and isinstance(base, Part):
                made.values[step.outputs[0]] = self._attribute(base, step.node.s("name"))
            elif step.kind == "prim::CallMethod" and isinstance(base, Part):
                made.calls[step] = self._method(base, step.node.s("name"))
        made.code.body.drop(made.values)
        return made

    def _attribute(self, part: Part, name: str) -> Any:
        value = part.module.getattr(name)
        path = f"{part.path}.{name}" if part.path else name
        if isinstance(value, torch._C.ScriptModule):
            return Part(path, value)
        return self._keep(path, value)

    def _constant(self, step: Step, number: int) -> Any:
        value = step.constant
        if isinstance(value, torch.device):
            self.names_devices |= value.type != "cpu"
            return torch.device("cpu")
        if isinstance(value, Tensor) and not value.dim() and _is_simple(value):
            return known(value.detach().clone())
        return self._keep(f"constants.c{number}", value)

    def _keep(self, path: str, value: Any) -> Any:
        """A value with its tensors kept under the path, and places instead of them."""
        if isinstance(value, Tensor):
            if path not in self._kept:
                self._kept[path] = self._register(path, value)
            return Kept(path)
        if isinstance(value, dict):
            return {key: self._keep(f"{path}.{key}", each) for key, each in value.items()}
        if isinstance(value, tuple):
            return tuple(self._keep(f"{path}.{i}", each) for i, each in enumerate(value))
        if isinstance(value, list):
            return [self._keep(f"{path}.{i}", each) for i, each in enumerate(value)]
        return value

    def _register(self, path: str, value: Tensor) -> str:
        *owners, name = (_fit(each) for each in path.split("."))
        owner = self.root
        for each in owners:
            if each not in owner._modules:
                owner.add_module(each, nn.Module())
            owner = owner._modules[each]
        while name in owner._modules or name in owner._parameters or name in owner._buffers:
            name += "_"
        if path in self._parameters:
            owner.register_parameter(name, self._parameter(value))
        else:
            owner.register_buffer(name, value.detach())
        return ".".join([*owners, name])

    def _parameter(self, value: Tensor) -> Tensor:
        """One parameter for all names of one weight."""
        same = (value.data_ptr(), value.dtype, value.shape, value.stride())
        return self._same.setdefault(same, nn.Parameter(value.detach(), requires_grad=False))

    def current(self, value: Any) -> Any:
        """The value with the tensors that are there now; containers are copies."""
        if isinstance(value, Kept):
            owner, _, name = self._kept[value.path].rpartition(".")
            return getattr(self.root.get_submodule(owner), name)
        if isinstance(value, dict):
            return {key: self.current(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.current(each) for each in value)
        return value if isinstance(value, Part) else copy.copy(value)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor that is kept, by its name in the archive."""
        for path in self._kept:
            yield path, self.current(Kept(path))


def _is_simple(value: Tensor) -> bool:
    return value.layout == torch.strided and not value.is_quantized and not value.is_complex()


def _fit(name: str) -> str:
    """A name that nn.Module has nothing else for."""
    return f"{name}_" if hasattr(nn.Module, name) or name in ("training", "") else name
