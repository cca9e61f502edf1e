"""The TorchScript module that is made of a function or module: traced, and given its signature.

What the tracer takes and gives by itself (tensors, and tuples, lists and dicts of them) is traced
as it is. For anything else (numbers, strings, None, named tuples, gaps among the arguments) a
method of tensors alone is traced, and a scripted one around it has the original's signature.
"""

import contextlib
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from torchship.tracing.arguments import Arguments
from torchship.tracing.signature import wrapper_source
from torchship.tracing.structure import Structure, flatten, is_native_output, with_live_numbers

Scripted = torch.jit.ScriptModule | torch.jit.ScriptFunction

FLAT = "_flat_"
"""Before the names of the traced methods that take and give nothing but tensors."""


@dataclass(frozen=True)
class Method:
    """One method to trace: what to call, what it is called in the archive, and with what."""

    name: str  # in the archive
    source: str  # in the module: "forward" for "evalforward"
    call: Callable[..., Any]
    arguments: Arguments
    output: Structure  # of what the eager model gives
    training: bool = False

    @property
    def is_native(self) -> bool:
        """Whether the tracer takes such arguments and gives such a result by itself."""
        return self.arguments.is_native and is_native_output(self.output)


class Function(nn.Module):
    """A plain function in a module's place."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.__dict__["forward"] = function
        # Of others the tracer asks for a name that they lack.
        self.__dict__["is_plain"] = inspect.isfunction(function) and bool(function.__module__)


def as_module(subject: Callable[..., Any]) -> nn.Module:
    """The module that is traced for a function or module."""
    if isinstance(subject, nn.Module):
        return subject
    return Function(subject)


@contextlib.contextmanager
def in_mode(module: nn.Module, training: bool) -> Iterator[None]:
    """Put every part of the module into one mode, and each back into its own afterwards."""
    modes = [(part, part.training) for part in module.modules() if hasattr(part, "training")]
    try:
        for part, mode in modes:
            if mode != training:
                part.train(training)
        yield
    finally:
        for part, mode in modes:
            if part.training != mode:
                part.training = mode


class _Call:
    """A method for the tracer to call: in its own mode, and of tensors alone where it must be."""

    def __init__(self, module: nn.Module, method: Method, is_flat: bool) -> None:
        self._module = module
        self._method = method
        self._is_flat = is_flat
        self.output = method.output  # as the trace gave it, once it ran
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        flat_names = [f"t{i}" for i in range(len(method.arguments.tensors))]
        names = flat_names if is_flat else method.arguments.names
        self.__signature__ = inspect.Signature([inspect.Parameter(n, kind) for n in names])
        self.__name__ = method.name

    def __call__(self, *values: Any) -> Any:
        with in_mode(self._module, self._method.training):
            if not self._is_flat:
                return self._method.call(*values)
            result = self._method.arguments.apply(self._method.call, values)
        given, self.output = flatten(result, "the result")
        return tuple(given) if len(given) > 1 else given[0]


@dataclass(frozen=True)
class Trace:
    """What tracing made."""

    module: Scripted

    def recorded(self, method: Method) -> Any:
        """The function that holds what the tracer recorded."""
        if isinstance(self.module, torch.jit.ScriptFunction):
            return self.module
        return getattr(self.module, FLAT + method.name, None) or getattr(self.module, method.name)

    def graph(self, method: Method) -> torch._C.Graph:
        """The method's graph with the calls of submodules inlined."""
        return self.recorded(method).inlined_graph

    def callable(self, name: str) -> Callable[..., Any]:
        """The method with the original's signature."""
        if isinstance(self.module, torch.jit.ScriptFunction):
            return self.module
        return getattr(self.module, name)

    def call(self, method: Method, tensors: Sequence[Tensor]) -> Any:
        """Run a traced method on the tensors of its arguments."""
        return self.callable(method.name)(*method.arguments.rebuild(tensors))


def trace_methods(
    module: nn.Module, methods: Sequence[Method], inputs: Mapping[str, Sequence[Tensor]]
) -> Trace:
    """Trace all methods into one module, with `inputs` by method in the examples' place."""
    calls: dict[str, _Call] = {}
    values: dict[str, tuple[Any, ...]] = {}
    for method in methods:
        tensors = tuple(inputs[method.name])
        if method.is_native:
            values[method.name] = method.arguments.rebuild(tensors)
            if not hasattr(module, method.name):
                calls[method.name] = _Call(module, method, is_flat=False)
        else:
            values[FLAT + method.name] = tensors
            calls[FLAT + method.name] = _Call(module, method, is_flat=True)
    with silenced(), in_mode(module, methods[0].training), _attributes(module, calls):
        if isinstance(module, Function) and module.is_plain and not calls:
            return Trace(_trace_function(module.forward, values["forward"]))
        traced = torch.jit.trace_module(
            module, values, check_trace=False, strict=False, _store_inputs=False
        )
    for method in methods:
        if not method.is_native:
            _define(traced, method, calls[FLAT + method.name].output)
    return Trace(traced)


_MODE_METHODS = """
def train(self, mode: Optional[List[bool]] = None) -> List[bool]:
    self.training = True if mode is None else mode[0]
    return [self.training]

def eval(self) -> List[bool]:
    self.training = False
    return [False]

def is_training(self) -> List[bool]:
    return [self.training]
"""
"""What R torch asks a module with the methods `evalforward` and `trainforward` before each call."""


def define_mode_methods(trace: Trace) -> None:
    _compile(trace.module, _MODE_METHODS, {})


def _compile(module: torch.jit.ScriptModule, source: str, classes: Mapping[str, type]) -> None:
    # As ScriptModule.define() does, which would look for the classes in its caller's frame.
    inner = getattr(module, "_actual_script_module", module)
    inner._c._define(inner._concrete_type, source, classes.get)


def _trace_function(function: Callable[..., Any], inputs: tuple[Any, ...]) -> Scripted:
    return torch.jit.trace(function, inputs, check_trace=False, strict=False, _store_inputs=False)


def _define(module: torch.jit.ScriptModule, method: Method, traced: Structure) -> None:
    """Give the module a scripted method with the original's signature."""
    output = with_live_numbers(method.output, traced)
    source, types = wrapper_source(method.name, FLAT + method.name, method.arguments, output)
    _compile(module, source, types)


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Silence what torch.jit warns about while tracing: the findings say it better."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", DeprecationWarning)
        warnings.filterwarnings("ignore", r".*TorchScript.*", DeprecationWarning)
        yield


@contextlib.contextmanager
def _attributes(module: nn.Module, values: Mapping[str, Any]) -> Iterator[None]:
    """Give the module attributes for a while."""
    module.__dict__.update(values)
    try:
        yield
    finally:
        for name in values:
            del module.__dict__[name]
