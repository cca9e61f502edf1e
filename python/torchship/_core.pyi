"""The compiled module; its names are offered by the package torchship."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from torchship._source import Archive

__version__: str
torch_version: str

def info(path: Archive, *, decrypt: Callable[[bytes], bytes] | None = None) -> ModelInfo:
    """Read what the file says of itself: no weight is loaded, no code is run or compiled."""

def lint(
    path: Archive,
    *,
    ignore: Sequence[str] = (),
    audit: bool = False,
    decrypt: Callable[[bytes], bytes] | None = None,
) -> list[Finding]:
    """Find what is wrong with an archive, without running any of its code."""

def load_operator_library(library: str | os.PathLike[str]) -> None:
    """Make the operators of a shared library known to this process, for good."""

def to_torchscript(path: Archive, *, decrypt: Callable[[bytes], bytes] | None = None) -> bytes:
    """An exported program as a TorchScript file: its weights and `forward`, and no manifest.

    Raises EngineError where TorchScript cannot say what the program does.
    """

class TensorCount:
    """Size of a set of tensors."""

    @property
    def tensors(self) -> int: ...
    @property
    def elements(self) -> int: ...
    @property
    def bytes(self) -> int: ...

class ModuleSize:
    """One module of the model, without the modules inside it."""

    @property
    def path(self) -> str: ...
    @property
    def class_name(self) -> str: ...
    @property
    def parameters(self) -> TensorCount: ...
    @property
    def buffers(self) -> TensorCount: ...

class Dimension:
    """One dimension of a tensor that a manifest describes."""

    @property
    def size(self) -> int:
        """The only size allowed; -1 where `symbol` says more, or any will do."""
    @property
    def symbol(self) -> int:
        """Index into MethodInfo.dimensions, or -1."""

class DimensionRange:
    """A size that may vary from call to call, and is the same throughout a call."""

    @property
    def name(self) -> str: ...
    @property
    def min(self) -> int: ...
    @property
    def max(self) -> int | None: ...
    @property
    def multiple_of(self) -> int: ...
    @property
    def tried(self) -> list[int]: ...

class Tolerance:
    """How far a result may be from the recorded one."""

    @property
    def absolute(self) -> float: ...
    @property
    def relative(self) -> float: ...
    @property
    def normwise(self) -> float: ...

class ValueSpec:
    """What a value at a method's boundary must be; a tree."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def optional(self) -> bool: ...
    @property
    def has_default(self) -> bool: ...
    @property
    def items(self) -> list[ValueSpec]: ...
    @property
    def traced_dtype(self) -> str | None: ...
    @property
    def traced_shape(self) -> list[int] | None: ...
    @property
    def dtype(self) -> str | None: ...
    @property
    def shape(self) -> list[Dimension] | None: ...
    @property
    def members(self) -> list[ValueSpec] | None: ...
    @property
    def has_constant(self) -> bool: ...
    @property
    def constant(self) -> Any:
        """The only value that the model was traced with, where `has_constant`."""
    @property
    def tolerance(self) -> Tolerance | None: ...

class MethodInfo:
    """One callable method of a model."""

    @property
    def name(self) -> str: ...
    @property
    def inputs(self) -> list[ValueSpec]: ...
    @property
    def output(self) -> ValueSpec: ...
    @property
    def dimensions(self) -> list[DimensionRange]: ...

class Finding:
    """Something that the tracer or the linter found. str() is a text for people."""

    @property
    def code(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def hint(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def place(self) -> str:
        """Of the linter: a module, a tensor or a record."""
    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def source(self) -> str: ...

class Producer:
    """Who wrote the file."""

    @property
    def torchship(self) -> str: ...
    @property
    def torch(self) -> str: ...
    @property
    def python(self) -> str: ...

class SampleInfo:
    """A golden sample: inputs, and what the eager model made of them."""

    @property
    def method(self) -> str: ...
    @property
    def origin(self) -> str: ...

class EngineInfo:
    """A compiled engine inside the archive."""

    @property
    def id(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def target(self) -> dict[str, str]: ...
    @property
    def checked(self) -> bool: ...
    @property
    def ratio(self) -> float | None: ...
    @property
    def beside(self) -> str: ...
    @property
    def settings(self) -> dict[str, str]: ...

class ModelInfo:
    """What an archive says about itself."""

    @property
    def path(self) -> Path: ...
    @property
    def format(self) -> str: ...
    @property
    def format_version(self) -> int: ...
    @property
    def class_name(self) -> str: ...
    @property
    def file_size(self) -> int: ...
    @property
    def methods(self) -> list[MethodInfo]: ...
    @property
    def default_method(self) -> str: ...
    @property
    def parameters(self) -> TensorCount: ...
    @property
    def buffers(self) -> TensorCount: ...
    @property
    def modules(self) -> list[ModuleSize]: ...
    @property
    def manifest_version(self) -> int: ...
    @property
    def producer(self) -> Producer: ...
    @property
    def findings(self) -> list[Finding]: ...
    @property
    def samples(self) -> list[SampleInfo]: ...
    @property
    def has_intermediates(self) -> bool: ...
    @property
    def engines(self) -> list[EngineInfo]: ...
    @property
    def metadata(self) -> dict[str, str]: ...

class OutputCheck:
    """One output of one sample beside what the eager model gave."""

    @property
    def name(self) -> str: ...
    @property
    def absolute(self) -> float: ...
    @property
    def relative(self) -> float: ...
    @property
    def normwise(self) -> float: ...
    @property
    def tolerance(self) -> Tolerance: ...
    @property
    def passed(self) -> bool: ...
    @property
    def problem(self) -> str: ...

class SampleCheck:
    """One golden sample run on this machine."""

    @property
    def sample(self) -> int: ...
    @property
    def method(self) -> str: ...
    @property
    def outputs(self) -> list[OutputCheck]: ...
    @property
    def error(self) -> str: ...
    @property
    def passed(self) -> bool: ...

class Departure:
    """The first operator whose result is not the recorded one."""

    @property
    def operator_name(self) -> str: ...
    @property
    def node(self) -> int: ...
    @property
    def source(self) -> str: ...
    @property
    def absolute(self) -> float: ...
    @property
    def relative(self) -> float: ...

class CheckReport:
    """What a check found; true when everything passed. str() is a table for people."""

    def __bool__(self) -> bool: ...
    @property
    def passed(self) -> bool: ...
    @property
    def samples(self) -> list[SampleCheck]: ...
    @property
    def departure(self) -> Departure | None: ...

class GraphValue:
    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def dtype(self) -> str | None: ...
    @property
    def shape(self) -> list[int] | None: ...

class GraphBlock:
    @property
    def inputs(self) -> list[int]: ...
    @property
    def nodes(self) -> list[GraphNode]: ...
    @property
    def outputs(self) -> list[int]: ...

class GraphNode:
    @property
    def operator_name(self) -> str: ...
    @property
    def kind(self) -> str:
        """constant, attribute, operator, container, control, call or kernel."""

    @property
    def inputs(self) -> list[int]: ...
    @property
    def outputs(self) -> list[int]: ...
    @property
    def attributes(self) -> dict[str, str]: ...
    @property
    def module(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def blocks(self) -> list[GraphBlock]: ...
    @property
    def microseconds(self) -> float | None: ...
    @property
    def executions(self) -> int: ...
    @property
    def error(self) -> float | None: ...

class GraphPass:
    @property
    def name(self) -> str: ...
    @property
    def operators_before(self) -> int: ...
    @property
    def operators_after(self) -> int: ...
    @property
    def removed(self) -> dict[str, int]: ...
    @property
    def added(self) -> dict[str, int]: ...
    @property
    def constants_folded(self) -> int: ...
    @property
    def bytes_folded(self) -> int: ...

class Graph:
    """The operators of one method at one stage; str() prints them."""

    @property
    def stage(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def engine(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def values(self) -> list[GraphValue]:
        """What the inputs and outputs of nodes and blocks are indices of."""

    @property
    def body(self) -> GraphBlock: ...
    @property
    def operators(self) -> int:
        """How many it executes, those inside branches, loops, calls and kernels included."""

    @property
    def passes(self) -> list[GraphPass]: ...
    @property
    def notes(self) -> list[str]: ...

class PassedOver:
    """An engine that was considered for a model, and is not the one that runs it."""

    @property
    def engine(self) -> str: ...
    @property
    def reason(self) -> str: ...

class EngineChoice:
    """Which engine runs a model, and why."""

    @property
    def name(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def passed_over(self) -> list[PassedOver]: ...

class Object:
    """An instance of a TorchScript class: only for handing back to the model it came from."""

class Model:
    """A loaded model: a function from values to a value. Any number of threads may call it."""

    def __init__(
        self,
        path: Archive,
        *,
        device: str = "cpu",
        engine: str = "auto",
        weights: str = "float32",
        validate: bool = True,
        verify: bool = True,
        verify_digests: bool = False,
        policy: str = "trusted",
        retarget: bool = True,
        optimize: bool = True,
        warm_up: bool = False,
        threads: int = 0,
        max_concurrent_calls: int = 0,
        cores: Sequence[int] = (),
        map: bool = True,
        decrypt: Callable[[bytes], bytes] | None = None,
        operator_libraries: Iterable[str | os.PathLike[str]] = (),
        own_streams: bool = False,
        cuda_graphs: bool = False,
    ) -> None: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def run(self, inputs: dict[str, Any]) -> Any: ...
    def call(self, method: str, *args: Any, **kwargs: Any) -> Any: ...
    def call_into(self, method: str, outputs: Sequence[Any], *args: Any, **kwargs: Any) -> None:
        """Call a method and leave the tensors of its result in `outputs`, in their order.

        Those have the dtypes and sizes of the result, on any device, with any strides; anything
        with `__dlpack__` will do. Raises SignatureError when they do not fit.
        """

    def graph(
        self,
        stage: str = "optimized",
        *,
        method: str | None = None,
        inputs: list[Any] | tuple[Any, ...] | dict[str, Any] | None = None,
        profile: bool = False,
        compare: bool = False,
    ) -> Graph:
        """The operators of a method at stage "initial", "frozen" or "optimized".

        "initial": as it was recorded. "frozen": ready for inference. "optimized": what the engine
        executes; `inputs`, or else the first golden sample, are run for the sizes to be seen, and
        with `profile` for the time of every node. With `compare` every kernel of the engine
        "planned" is given the numbers that LibTorch computes, and `error` says how far its result
        is from LibTorch's, as a norm. Raises SignatureError and EngineError.
        """

    def graph_for(self, *args: Any, **kwargs: Any) -> Graph:
        """What the engine executes for these inputs of the default method."""

    def check(self) -> CheckReport:
        """Run the archive's samples on this device and compare with the eager model's results.

        The answers of later calls stay what they were, whatever state the model keeps.
        """

    def _intermediates(
        self, method: str, inputs: Sequence[Any]
    ) -> list[tuple[int, int, str, str, Tensor]]:
        """Give (node, output, operator, source line, tensor) for every operator of one call."""

    @property
    def info(self) -> ModelInfo: ...
    @property
    def device(self) -> str: ...
    @property
    def engine(self) -> EngineChoice: ...
