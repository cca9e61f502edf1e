"""The zoo of exported programs, and the decorators that fill it.

A case is a module, or a function that becomes one, with the arguments to export it with and others
to call it with: other sizes where sizes are dynamic, other values where values decide.
"""

import inspect
import logging
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.export import Dim, ExportedProgram

DYNAMIC = Dim.DYNAMIC
# The first size of the first argument, and of the first two.
ROWS = ({0: DYNAMIC},)
ROWS_2 = ({0: DYNAMIC}, {0: DYNAMIC})
ROWS_3 = (*ROWS_2, {0: DYNAMIC})

# In the order of the table in the docs.
FAMILIES = {
    "pointwise": "pointwise: arithmetic, comparisons, bits, type promotion",
    "activations": "activations, softmax, losses",
    "reductions": "reductions, scans, sorting",
    "shapes": "views, joins, splits, padding",
    "indexing": "indexing, gather and scatter, embeddings",
    "products": "matrix products, linear algebra, FFT",
    "convolutions": "convolutions, pooling, resampling",
    "norms": "normalisations, attention",
    "recurrent": "RNN, LSTM, GRU",
    "creation": "new tensors, dtypes, memory formats",
    "symbolic": "dynamic and data-dependent sizes",
    "control flow": "torch.cond, while_loop, map, scan",
    "state": "buffers and inputs that a call changes",
    "boundaries": "arguments and results of every kind",
    "language": "networks: language and sequences",
    "vision": "networks: images and sound",
    "other networks": "networks: tables, graphs, decisions",
}

NETWORKS = ("language", "vision", "other networks")

# What the default run has of them: each kind once, and those that branch, loop or keep state.
FIRST_NETWORKS = (
    *("Bert", "Llama", "GruClassifier", "GreedyDecoder", "small_resnet", "VisionTransformer"),
    *("UNet", "WaveNet", "toy_mlp", "GraphNetwork", "RecommenderDlrm", "ArticleIf", "EarlyExit"),
)

# Where decomposed programs are of another kind: their state is written back at the end.
DECOMPOSED = ("symbolic", "control flow", "state", "boundaries")


@dataclass(frozen=True)
class Call:
    """The arguments of one call."""

    args: tuple = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A module, the arguments it is exported with, and those of further calls."""

    name: str
    family: str
    build: Callable[[], nn.Module]
    examples: Callable[[], tuple | Call]
    others: tuple[Callable[[], tuple | Call], ...] = ()
    dynamic: Any = None
    # How far a program may be from torch's own answers when it runs as recorded: None for bits.
    tolerance: float | None = None
    # The same where the runtime may choose other kernels.
    near: float = 1e-4
    decomposed: bool = False
    # Regions of vmap and autocast stay calls of Python's until a program is decomposed; torchship
    # says so, and test_exported_files has the words.
    plain: bool = True
    slow: bool = False

    def module(self) -> nn.Module:
        """A new module in eval mode, with the same weights each time."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_seed(self.name))
            return self.build().eval()

    def calls(self) -> list[Call]:
        """New arguments, the same each time; the program is exported with the first."""
        calls = []
        with torch.random.fork_rng(devices=[]):
            for i, make in enumerate((self.examples, *self.others)):
                torch.manual_seed(_seed(self.name) + i)
                made = make()
                calls.append(made if isinstance(made, Call) else Call(made))
        return calls


def _seed(name: str) -> int:
    return zlib.crc32(name.encode()) % 100_000


@dataclass(frozen=True)
class Variant:
    """A case as exported, or decomposed to core ATen operators."""

    case: Case
    decomposed: bool

    @property
    def name(self) -> str:
        return self.case.name + ("-decomposed" if self.decomposed else "")

    @property
    def slow(self) -> bool:
        # Decomposing takes longer than exporting, and operators are seen as exported already.
        is_late = self.case.family in NETWORKS and self.case.name not in FIRST_NETWORKS
        return (
            self.case.slow or is_late or (self.decomposed and self.case.family not in DECOMPOSED)
        )

    def program(self) -> ExportedProgram:
        call = self.case.calls()[0]
        with quiet():
            try:
                program = torch.export.export(
                    self.case.module(),
                    call.args,
                    dict(call.kwargs),
                    dynamic_shapes=self.case.dynamic,
                    strict=False,
                )
            except Exception as error:
                if torch.__version__ < "2.13":
                    pytest.skip(f"PyTorch {torch.__version__} cannot export it: {error}")
                raise
            return program.run_decompositions() if self.decomposed else program


@contextmanager
def quiet() -> Iterator[None]:
    """Without what the exporter has to say about torch's own code, and without its trace."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


CASES: list[Case] = []


def variants(cases: Sequence[Case] = CASES) -> list[Variant]:
    plain = [Variant(case, False) for case in cases if case.plain]
    return plain + [Variant(case, True) for case in cases if case.decomposed]


def module_of(function: Callable) -> Callable[[], nn.Module]:
    """The class of a module that calls `function`, with its signature."""
    return type(function.__name__, (nn.Module,), {"forward": staticmethod(function)})


def family(name: str) -> Callable:
    """The decorator that adds cases to a family.

    It takes a function that returns the arguments. With `at`, that function is called with each
    of these values (or tuples of values): the first gives the arguments to export with, the
    others those of further calls. With `dtypes` there is a case for each, which the function is
    given last. What is decorated is a function to export, the class of a module, or with
    `factory=True` a function that returns a module.
    """
    assert name in FAMILIES, name

    def case(
        examples: Callable,
        *,
        at: Sequence = ((),),
        dtypes: Sequence[torch.dtype] = (),
        factory: bool = False,
        **fields: Any,
    ) -> Callable:
        points = [point if isinstance(point, tuple) else (point,) for point in at]

        def bound(point: tuple) -> Callable:
            return lambda: examples(*point)

        def register(made: Callable) -> Callable:
            build = made if factory or inspect.isclass(made) else module_of(made)
            for i, dtype in enumerate(dtypes or (None,)):
                ending = "" if dtype is None else f"_{str(dtype).removeprefix('torch.')}"
                extra = () if dtype is None else (dtype,)
                first, *rest = [bound((*point, *extra)) for point in points]
                case = Case(f"{made.__name__}{ending}", name, build, first, tuple(rest), **fields)
                # One dtype is enough to see what the others decompose to.
                CASES.append(replace(case, decomposed=False) if i else case)
            return made

        return register

    return case
