"""Small modules to save, and helpers, shared by the tests of loading and of the executable."""

import json
import subprocess
import threading
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torchship.cli import EXECUTABLE

EXAMPLE = torch.tensor([[1.2, 3.0, 0.1]])


# Writes a model that needs the operators of a library: LIBRARY ARCHIVE.
MAKE_SCALED = """
import sys, warnings
import torch
warnings.simplefilter("ignore")
torch.ops.load_library(sys.argv[1])

class Scaled(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.torchship_test.scale(x, 3.0) + 1

torch.jit.save(torch.jit.script(Scaled().eval()), sys.argv[2])
"""


def legacy(function, *arguments, **options):
    """Call a function of torch.jit without the warning that it is deprecated."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` ", DeprecationWarning)
        return function(*arguments, **options)


def cli(*arguments: object, timeout: float = 60, **options: Any) -> subprocess.CompletedProcess:
    """Run the native executable and return what it printed and its exit status."""
    command = [str(EXECUTABLE), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)


def cli_ok(*arguments: object) -> str:
    """Run the native executable, which must succeed in silence, and return its output."""
    done = cli(*arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def cli_json(*arguments: object) -> Any:
    return json.loads(cli_ok(*arguments, "--json"))


def check_failure(done: subprocess.CompletedProcess, status: int, *parts: object) -> None:
    """Check the form of a failure of the executable, and that its words have all `parts`."""
    lines = done.stderr.splitlines()
    assert done.returncode == status, (done.returncode, done.stderr)
    assert done.stdout == ""
    assert lines[0].startswith("torchship: error: ")
    assert len(lines) <= 2, done.stderr
    assert all(line.startswith("torchship: hint: ") for line in lines[1:])
    for part in parts:
        assert str(part) in done.stderr


def since_torch(version: str, what: str) -> pytest.MarkDecorator:
    """For what older PyTorch, though supported, cannot do."""
    here, wanted = (tuple(map(int, v.split(".")[:2])) for v in (torch.__version__, version))
    return pytest.mark.skipif(here < wanted, reason=f"PyTorch before {version} {what}")


def check_message(error: Exception, *parts: object) -> None:
    """Check the form of an exception, and that its words have all `parts`."""
    assert error.message and "\n" not in error.message
    assert "\n" not in error.hint
    assert "Traceback" not in str(error) and "frame #" not in str(error)
    assert str(error) == (f"{error.message}\n{error.hint}" if error.hint else error.message)
    for part in parts:
        assert str(part) in str(error)


def wait_until(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.001)


class Point(NamedTuple):
    x: Tensor
    label: str


class Kinds(nn.Module):
    """One method for each kind of value, which returns what it is given."""

    @torch.jit.export
    def tensor(self, value: Tensor) -> Tensor:
        return value

    @torch.jit.export
    def boolean(self, value: bool) -> bool:
        return value

    @torch.jit.export
    def integer(self, value: int) -> int:
        return value

    @torch.jit.export
    def floating(self, value: float) -> float:
        return value

    @torch.jit.export
    def complex_number(self, value: complex) -> complex:
        return value

    @torch.jit.export
    def text(self, value: str) -> str:
        return value

    @torch.jit.export
    def optional(self, value: Tensor | None) -> Tensor | None:
        return value

    @torch.jit.export
    def tensors(self, value: list[Tensor]) -> list[Tensor]:
        return value

    @torch.jit.export
    def integers(self, value: list[int]) -> list[int]:
        return value

    @torch.jit.export
    def texts(self, value: list[str]) -> list[str]:
        return value

    @torch.jit.export
    def pair(self, value: tuple[Tensor, int]) -> tuple[Tensor, int]:
        return value

    @torch.jit.export
    def named(self, value: dict[str, Tensor]) -> dict[str, Tensor]:
        return value

    @torch.jit.export
    def numbered(self, value: dict[int, float]) -> dict[int, float]:
        return value

    @torch.jit.export
    def point(self, value: Point) -> Point:
        return value

    @torch.jit.export
    def nested(
        self, value: list[dict[str, tuple[Tensor, int | None]]]
    ) -> list[dict[str, tuple[Tensor, int | None]]]:
        return value


class Options(nn.Module):
    """Arguments with defaults, and several outputs."""

    def forward(
        self, x: Tensor, scale: float = 2.0, bias: Tensor | None = None
    ) -> dict[str, Tensor]:
        scaled = scale * x
        if bias is not None:
            scaled = scaled + bias
        return {"scaled": scaled, "total": scaled.sum()}

    @torch.jit.export
    def lookup(self, ids: Tensor, text: str = "none", repeat: int = 1) -> tuple[Tensor, str]:
        return ids + repeat, text + str(repeat)


class TwoMethods(nn.Module):
    """As R's torch traces a module: no forward, one method for each mode."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def evalforward(self, x: Tensor) -> Tensor:
        return self.linear(x)

    def trainforward(self, x: Tensor) -> Tensor:
        return 100 + self.linear(x)


class TwoModes(nn.Module):
    """The same with dropout in one of them, so that the two are no longer alike."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def evalforward(self, x: Tensor) -> Tensor:
        return self.linear(x)

    def trainforward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(self.linear(x), 0.5, True)


class Counter(nn.Module):
    """Counts its calls in a buffer, which it returns."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, step: int = 1) -> Tensor:
        self.count += step
        return self.count


class Box:
    def __init__(self, inside: Tensor) -> None:
        self.inside = inside


class Boxes(nn.Module):
    @torch.jit.export
    def pack(self, x: Tensor) -> Box:
        return Box(x)

    @torch.jit.export
    def unpack(self, box: Box) -> Tensor:
        return 2 * box.inside


class OwnWeight(nn.Module):
    """Gives its weight and a view of it away."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.weight, self.weight[0], x @ self.weight.t()


class Slow(nn.Module):
    def forward(self, x: Tensor, rounds: int) -> Tensor:
        for _ in range(rounds):
            x = torch.cos(x)
        return x


def traced_linear() -> torch.jit.ScriptModule:
    torch.nn.init.constant_((linear := nn.Linear(3, 2)).weight, 0.5)
    torch.nn.init.constant_(linear.bias, 1.0)
    return legacy(torch.jit.trace, linear.eval(), EXAMPLE)


def r_style() -> torch.jit.ScriptModule:
    methods = {"evalforward": EXAMPLE, "trainforward": EXAMPLE}
    return legacy(torch.jit.trace_module, TwoMethods().eval(), methods)


def scripted(module: nn.Module) -> torch.jit.ScriptModule:
    return legacy(torch.jit.script, module)


BUILDERS = {
    "linear": traced_linear,
    "rstyle": r_style,
    "kinds": lambda: scripted(Kinds().eval()),
    "options": lambda: scripted(Options().eval()),
    "counter": lambda: scripted(Counter().eval()),
    "boxes": lambda: scripted(Boxes().eval()),
    "weight": lambda: scripted(OwnWeight().eval()),
    "slow": lambda: scripted(Slow().eval()),
    "training": lambda: scripted(nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(3)).train()),
}


def write_archives(folder: Path) -> dict[str, Path]:
    """Write every archive of BUILDERS into `folder`, as torch itself does."""
    paths = {name: folder / f"{name}.pt" for name in BUILDERS}
    for name, build in BUILDERS.items():
        legacy(torch.jit.save, build(), str(paths[name]))
    return paths


def wrong_answers(model, x, expected, *, threads: int, calls: int) -> int:
    """How many calls from threads of their own do not give what is expected, to the last bit."""
    wrong = []

    def call():
        for _ in range(calls):
            if not torch.equal(model(x), expected):
                wrong.append(1)

    callers = [threading.Thread(target=call) for _ in range(threads)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return len(wrong)
