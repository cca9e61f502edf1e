"""What a call changes beside its result: buffers, attributes, globals, random numbers."""

import contextlib
import gc
import random as python_random
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import CellType, CodeType, FrameType, FunctionType
from typing import Any

import torch
from torch import Tensor, nn

from torchship.tracing.limit import LineLimit
from torchship.tracing.places import Place, asking_place

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
        if isinstance(part, torch.jit.ScriptModule):
            return {}  # keeps its attributes where Python cannot; its buffers are seen to
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


@dataclass(frozen=True, eq=False)
class Called:
    """One of the author's functions that ran, with the variables that it shares with others."""

    code: CodeType
    globals: dict[str, Any]
    cells: dict[str, CellType]


class GlobalState:
    """Plain globals and closure variables that the author's functions read or write."""

    def __init__(self, called: Iterable[Called] = ()) -> None:
        self._kept: list[tuple[str, _Variable, Any, Any]] = []
        for each in called:
            names = set(each.code.co_names) & each.globals.keys()
            variables = {name: _Variable(each.globals, name) for name in names}
            variables |= {name: _Variable(cell) for name, cell in each.cells.items()}
            for name, variable in variables.items():
                value = variable.get()
                if isinstance(value, (*_PLAIN, list, dict, set, Tensor)):
                    self._kept.append((name, variable, _plain_copy(value), _container_copy(value)))

    def changes(self) -> list[Change]:
        changed = {name for name, home, was, _ in self._kept if _plain_copy(home.get()) != was}
        return [Change("global", name) for name in sorted(changed)]

    def restore(self) -> None:
        for _, home, was, copy in self._kept:
            if _plain_copy(home.get()) != was:
                home.set(_restore_container(copy, home.get()))


class _Variable:
    """A global, or a variable that a closure holds."""

    def __init__(self, home: dict[str, Any] | CellType, name: str = "") -> None:
        self._home = home
        self._name = name

    def get(self) -> Any:
        if isinstance(self._home, dict):
            return self._home.get(self._name)
        try:
            return self._home.cell_contents
        except ValueError:  # not assigned yet
            return None

    def set(self, value: Any) -> None:
        if isinstance(self._home, dict):
            self._home[self._name] = value
        else:
            self._home.cell_contents = value


@dataclass
class Calls:
    """What a call went through."""

    functions: list[Called]
    random_place: Place | None  # where a function outside torch was asked for something random


_RANDOM_MODULES = ("random", "secrets", "time", "uuid", "numpy.random")


def calls_of(call: Callable[[], Any], limit: LineLimit) -> Calls:
    """Every function of the author's that a call under a limit enters, and where it first asks
    something outside torch for a random number."""
    found: dict[CodeType, Called] = {}
    random_places: list[Place] = []

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if not random_places and _is_random(frame, event, argument):
            place = asking_place(frame)
            random_places.extend([place] if place else [])

    limit.on_enter = lambda frame: _note_function(frame, found)
    before = sys.getprofile()
    # A profiler written in C could not be put back.
    is_free = before is None or callable(before)
    try:
        if is_free:
            sys.setprofile(note)
        call()
    finally:
        limit.on_enter = None
        if is_free:
            sys.setprofile(before)
    return Calls(list(found.values()), next(iter(random_places), None))


def _note_function(frame: FrameType, found: dict[CodeType, Called]) -> None:
    code = frame.f_code
    if code in found:
        return
    names = (*code.co_freevars, *code.co_cellvars)
    function = _function_of(frame)
    cells = dict(zip(code.co_freevars, getattr(function, "__closure__", None) or (), strict=False))
    found[code] = Called(code, frame.f_globals, {n: cells[n] for n in names if n in cells})


def _function_of(frame: FrameType) -> Any:
    """The function object that runs in a frame; frames do not tell."""
    for candidate in gc.get_referrers(frame.f_code):
        if isinstance(candidate, FunctionType) and candidate.__code__ is frame.f_code:
            return candidate
    return None


def _is_random(frame: FrameType, event: str, argument: Any) -> bool:
    if event == "call":
        return frame.f_globals.get("__name__") in _RANDOM_MODULES
    if event != "c_call":
        return False
    owner = getattr(argument, "__self__", None)
    name = getattr(owner, "__name__", None) or type(owner).__module__
    return name.startswith(_RANDOM_MODULES)


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
