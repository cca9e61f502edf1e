"""The eager model and its trace, run beside each other."""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from torchship.tracing.compare import Difference, compare
from torchship.tracing.limit import LineLimit
from torchship.tracing.observe import Observation, observe
from torchship.tracing.quiet import unlogged
from torchship.tracing.script import Method, Trace, in_mode, silenced
from torchship.tracing.state import Change, GlobalState, ModuleState, seeded


@dataclass(frozen=True)
class Outcome:
    """What a call gave: a result, or the reason why there is none."""

    result: Any = None
    error: str = ""


@dataclass(frozen=True)
class Comparison:
    """One input given to both."""

    inputs: str  # "signs flipped", "batch=3"
    tensors: list[Tensor]
    sizes: dict[str, int]  # of every dimension that varies
    eager: Outcome
    difference: Difference
    dimension: str = ""  # the one whose size is not the examples', where it is one
    sizes_changed: bool = False
    is_synthetic: bool = True  # nothing of the author's examples is in the values

    @property
    def refused(self) -> bool:
        """The eager model itself does not take this input."""
        return bool(self.eager.error)

    @property
    def differs(self) -> bool:
        return not self.refused and bool(self.difference.problem)


class Pair:
    """One method: the eager one and the traced one. Calls leave no state behind."""

    def __init__(self, module: nn.Module, method: Method, trace: Trace | None, seed: int) -> None:
        self.module = module
        self.method = method
        self.trace = trace
        self.seed = seed
        self.globals = GlobalState()
        self.changes: list[Change] = []  # made by the last call, and put back
        self.limit = LineLimit()
        self._state = ModuleState(module)

    @property
    def function(self) -> Callable[..., Any]:
        """The author's own function: a module's is its forward."""
        return getattr(self.method.call, "forward", self.method.call)

    @property
    def examples(self) -> list[Tensor]:
        return list(self.method.arguments.tensors)

    def eager(self, tensors: Sequence[Tensor], seed: int | None = None) -> Outcome:
        arguments = self.method.arguments
        with in_mode(self.module, self.method.training):
            return self._run(lambda own: arguments.apply(self.method.call, own), tensors, seed)

    def traced(self, tensors: Sequence[Tensor]) -> Outcome:
        assert self.trace is not None
        # As torchship runs it. The profiling executor would compile anew for each of these shapes;
        # the switch is this thread's alone.
        with torch.jit.optimized_execution(False):
            return self._run(lambda own: self.trace.call(self.method, own), tensors, None)

    def eager_in_a_row(self, inputs: Sequence[Sequence[Tensor]]) -> list[Outcome]:
        """Calls without anything put back between them, each from the same seed."""
        arguments = self.method.arguments

        def call(tensors: Sequence[Tensor]) -> Outcome:
            own = [tensor.detach().clone() for tensor in tensors]
            with in_mode(self.module, self.method.training), seeded(self.seed), unlogged():
                return _outcome(lambda: arguments.apply(self.method.call, own))

        with self.undone():
            return [call(tensors) for tensors in inputs]

    def observed(self, tensors: Sequence[Tensor], seed: int | None = None) -> Observation | None:
        """Another trace of the eager method, taken with these inputs; nothing if it fails, or was
        no trace in the first place."""
        if isinstance(self.module, torch.jit.ScriptModule):
            return None
        found: list[Observation] = []

        def note(own: Sequence[Tensor]) -> None:
            found.append(observe(self.module, self.method, own))

        self._run(note, tensors, seed)
        return found[0] if found else None

    def compared(
        self, inputs: str, tensors: list[Tensor], sizes: dict[str, int], **kind: Any
    ) -> Comparison:
        eager = self.eager(tensors)
        if eager.error:
            return Comparison(inputs, tensors, sizes, eager, Difference(""), **kind)
        traced = self.traced(tensors)
        if traced.error:
            difference = Difference(f"the trace fails: {traced.error}", float("inf"))
        else:
            difference = compare(eager.result, traced.result)
        return Comparison(inputs, tensors, sizes, eager, difference, **kind)

    def _run(
        self, call: Callable[..., Any], tensors: Sequence[Tensor], seed: int | None
    ) -> Outcome:
        own = [tensor.detach().clone() for tensor in tensors]
        seeds = seeded(self.seed if seed is None else seed)
        # torch.cond and the like compile, and log what fails before they raise it.
        with self.undone(), seeds, silenced(), unlogged():
            return _outcome(lambda: self.limit.run(lambda: call(own)))

    @contextlib.contextmanager
    def undone(self) -> Iterator[None]:
        """Put buffers, attributes and globals back afterwards."""
        try:
            yield
        finally:
            self.changes = self._state.changes()
            if self.changes:
                self._state.restore()
            self.changes += self.globals.changes()
            self.globals.restore()


def _outcome(call: Callable[[], Any]) -> Outcome:
    try:
        with torch.no_grad():
            return Outcome(_copied(call()))
    except Exception as error:  # whatever the author's code raises
        return Outcome(error=one_line(error))


def _copied(result: Any) -> Any:
    """Results that share memory with the model's state would change when that is put back."""
    if isinstance(result, Tensor):
        return result.detach().clone()
    if isinstance(result, dict):
        return {key: _copied(value) for key, value in result.items()}
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return type(result)(*map(_copied, result))
    return type(result)(map(_copied, result)) if type(result) in (list, tuple) else result


# What torch's compiler makes of an exception in the code that it follows.
_EXPLAINED = re.compile(
    r"^ *Explanation: .*: got (?P<kind>\w+)\((?P<quote>['\"])(?P<reason>.*)(?P=quote)\)$",
    re.MULTILINE,
)


def one_line(error: Exception) -> str:
    """The reason of an exception, without LibTorch's tracebacks."""
    explained = _EXPLAINED.search(str(error))
    if explained:
        return f"{explained['kind']}: {explained['reason']}"[:300]
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # LibTorch puts the interpreter's traceback first and the reason last.
    reason = next(
        (line for line in reversed(lines) if "Error: " in line), lines[0] if lines else ""
    )
    return f"{type(error).__name__}: {reason}"[:300]
