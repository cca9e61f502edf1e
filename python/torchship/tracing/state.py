"""What a call changes beside its result: buffers, attributes, globals, random numbers."""

import contextlib
import random as python_random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

import torch
from torch import Tensor, nn

from torchship.tracing.places import is_authors

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_MOST_ITEMS = 1000


def _plain_copy(value: Any, depth: int = 0) -> Any:
    """A comparable copy of plain data; for anything else, its identity."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Tensor):
        return ("tensor", id(value), value._version)
    if depth < 4 and isinstance(value, list | tuple | set) and len(value) <= _MOST_ITEMS:
        return (type(value).__name__, [_plain_copy(item, depth + 1) for item in value])
    if depth < 4 and isinstance(value, dict) and len(value) <= _MOST_ITEMS:
        return ("dict", {key: _plain_copy(item, depth + 1) for key, item in value.items()})
    return ("object", id(value))


def _container_copy(value: Any) -> Any:
    """The value to put back: containers are copied, everything else is itself."""
    if isinstance(value, list):
        return [_container_copy(item) for item in value]
    if isinstance(value, dict) and type(value) is dict:
        return {key: _container_copy(item) for key, item in value.items()}
    return set(value) if isinstance(value, set) else value


def _restore_container(kept: Any, value: Any) -> Any:
    """Give a container that others may refer to its former content."""
    if isinstance(value, list) and isinstance(kept, list):
        value[:] = kept
    elif isinstance(value, dict | set) and type(kept) is type(value):
        value.clear()
        value.update(kept)
    else:
        return kept
    return value


@dataclass(frozen=True)
class Change:
    """Something that a call left different."""

    kind: str  # "buffer" (in place), "attribute" or "global"
    name: str  # "bn.running_mean", "steps", "COUNTER"


class ModuleState:
    """Buffers and attributes of a module as they are now; can be compared and put back."""

    def __init__(self, module: nn.Module) -> None:
        self._parts = dict(module.named_modules())
        self._module = module
        self._tensors = {
            name: (tensor, tensor._version, tensor.detach().clone())
            for name, tensor in module.named_buffers()
        }
        self._parameters = {n: (p, p._version) for n, p in module.named_parameters()}
        self._attributes = {name: self._snapshot(part) for name, part in self._parts.items()}

    @staticmethod
    def _snapshot(part: nn.Module) -> dict[str, tuple[Any, Any, Any]]:
        values = {**part.__dict__, **part._buffers, **part._parameters}
        hidden = ("_parameters", "_buffers", "_modules", "training")
        return {
            name: (value, _plain_copy(value), _container_copy(value))
            for name, value in values.items()
            if name not in hidden and not name.endswith("_hooks")
        }

    def changes(self) -> list[Change]:
        changed = [
            Change("buffer", name)
            for name, (tensor, version, _) in self._tensors.items()
            if tensor._version != version
        ]
        for path, before in self._attributes.items():
            after = self._snapshot(self._parts[path])
            for name in before.keys() | after.keys():
                full = f"{path}.{name}" if path else name
                was = before.get(name, (None, "absent", None))[1]
                now = after.get(name, (None, "absent", None))[1]
                if was != now and Change("buffer", full) not in changed:
                    changed.append(Change("attribute", full))
        return sorted(changed, key=lambda change: change.name)

    def restore(self) -> None:
        with torch.no_grad():
            for path, before in self._attributes.items():
                self._restore_attributes(self._parts[path], before)
            for tensor, version, copy in self._tensors.values():
                if tensor._version != version:
                    tensor.copy_(copy)
        self._tensors = {
            name: (tensor, tensor._version, copy)
            for name, (tensor, _, copy) in self._tensors.items()
        }
        self._attributes = {name: self._snapshot(part) for name, part in self._parts.items()}

    @staticmethod
    def _restore_attributes(part: nn.Module, before: dict[str, tuple[Any, Any, Any]]) -> None:
        for name, (value, was, copy) in before.items():
            home = _home(part, name)
            if home.get(name) is not value or _plain_copy(value) != was:
                home[name] = _restore_container(copy, value)
        for name in ModuleState._snapshot(part).keys() - before.keys():
            _home(part, name).pop(name, None)


def _home(part: nn.Module, name: str) -> dict[str, Any]:
    for home in (part._buffers, part._parameters):
        if name in home:
            return home
    return part.__dict__


class GlobalState:
    """Plain globals and closure variables that the author's functions read or write."""

    def __init__(self, frames: "list[Called]") -> None:
        self._homes: dict[tuple[int, str], tuple[Any, Any, Any]] = {}
        for called in frames:
            names = set(called.code.co_names)
            for name in names & called.variables.keys():
                self._keep(called.variables, name)

    def _keep(self, home: dict[str, Any], name: str) -> None:
        value = home[name]
        if isinstance(value, _PLAIN | list | dict | set | Tensor):
            self._homes[id(home), name] = (home, _plain_copy(value), _container_copy(value))

    def changes(self) -> list[Change]:
        return [
            Change("global", name)
            for (_, name), (home, was, _) in self._homes.items()
            if _plain_copy(home.get(name)) != was
        ]

    def restore(self) -> None:
        for (_, name), (home, was, copy) in self._homes.items():
            if _plain_copy(home.get(name)) != was:
                home[name] = _restore_container(copy, home.get(name))


@dataclass(frozen=True, eq=False)
class Called:
    """One of the author's functions that ran."""

    code: CodeType
    variables: dict[str, Any]  # its globals


def called_functions(call: Callable[[], Any]) -> list[Called]:
    """Every function of the author's that a call enters."""
    found: dict[CodeType, Called] = {}

    def note(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code not in found and is_authors(code.co_filename):
            found[code] = Called(code, frame.f_globals)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(before)
    return list(found.values())


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's, Python's and numpy's random numbers, and put their states back afterwards."""
    numpy = sys.modules.get("numpy")
    python_state = python_random.getstate()
    numpy_state = numpy.random.get_state() if numpy else None
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed_all(seed)
        python_random.seed(seed)
        if numpy:
            numpy.random.seed(seed % 2**32)
        try:
            yield
        finally:
            python_random.setstate(python_state)
            if numpy:
                numpy.random.set_state(numpy_state)
