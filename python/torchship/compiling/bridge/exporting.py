"""torch.export of a runner: with the sizes that may vary, as freely as they can."""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import traceback
from torch.fx.experimental import _config as symbolic_config

from torchship.compiling.bridge.prims import Raised
from torchship.compiling.bridge.problems import BridgeError
from torchship.compiling.bridge.runner import Runner
from torchship.compiling.bridge.sizes import Sizes
from torchship.tracing.quiet import unlogged
from torchship.tracing.structure import Structure

_MOST_CORRECTIONS = 8


@dataclass(frozen=True)
class Way:
    """How torch.export treats sizes that vary."""

    # Sizes 0 and 1 are as good as others: nothing is assumed of a size that is not asked for.
    oblivious: bool
    # What a size must be is checked when the program runs, where it cannot be a range.
    deferred: bool


WAYS = (Way(True, False), Way(False, False), Way(False, True))


@dataclass
class Attempt:
    """A program, and the sizes that it was made for."""

    program: ExportedProgram
    structure: Structure
    sizes: Sizes
    tensors: list[Tensor]  # that it was traced with
    why: list[str]  # what torch.export said on the way


def attempt(
    runner: Runner, inputs: Callable[[Sizes], list[Tensor]], sizes: Sizes, way: Way
) -> Attempt:
    """Export with inputs for the sizes, which are narrowed as torch.export asks for it. Raises
    BridgeError."""
    sizes = sizes.copy()
    said: list[str] = []
    for _ in range(_MOST_CORRECTIONS):
        tensors = inputs(sizes)
        try:
            program = _export(runner, tensors, sizes, way)
        except BridgeError:
            raise
        except Raised as error:
            raise BridgeError(f"the method raises: {error}") from error
        except Exception as error:
            if not sizes.narrow(str(error)):
                raise BridgeError(f"torch.export refuses the method: {_first(error)}") from error
            said += _reasons(str(error))
        else:
            return Attempt(program, runner.structure, sizes, tensors, said)
    raise BridgeError(
        f"torch.export finds no sizes that may vary: {said[0] if said else ''}",
        "fix the sizes, or fewer of them",
    )


def _export(runner: Runner, tensors: Sequence[Tensor], sizes: Sizes, way: Way) -> ExportedProgram:
    spec = sizes.spec()
    names = runner.arguments.names()
    # Each its own memory, as one tensor given twice would be one input; contiguous, as compilers
    # take the strides seen here for granted.
    own = (each.detach().clone(memory_format=torch.contiguous_format) for each in tensors)
    with quiet(), torch.no_grad(), symbolic_config.patch(backed_size_oblivious=way.oblivious):
        # The interpreter tells what each node was in the author's source.
        with traceback.preserve_node_meta():
            return torch.export.export(
                runner.module,
                tuple(own),
                dynamic_shapes=dict(zip(names, spec, strict=True)) if any(spec) else None,
                strict=False,
                prefer_deferred_runtime_asserts_over_guards=way.deferred,
            )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without advice for those who call torch.export themselves."""
    # What torch.export prints of a graph that it gives up goes to no one.
    with unlogged(), warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _reasons(message: str) -> list[str]:
    lines = [line.strip() for line in message.splitlines()]
    return [line.removeprefix("- ") for line in lines if line.startswith("- ")]


def _first(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
