"""Archives with something to find in them, and how to find it."""

import warnings
from pathlib import Path

import torch
import torchship
from handmade import read_records, write_records
from support import legacy, scripted
from torch import Tensor, nn

HERE = Path(__file__).name


def line_of(marker: str) -> int:
    """The line of a test of the linter, or of this file, that ends with `# MARKER`."""
    [line] = [
        number
        for path in Path(__file__).parent.glob("*lint*.py")
        for number, text in enumerate(path.read_text().splitlines(), 1)
        if text.endswith(f"# {marker}")
    ]
    return line


def trace(function, *examples, path: Path) -> Path:
    """Write an archive as torch's own tracer makes it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        traced = legacy(torch.jit.trace, function, examples, check_trace=False)
    legacy(torch.jit.save, traced, str(path))
    return path


class Wrapped(nn.Module):
    """A function as a module, of which torch keeps the shapes of the examples."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def script(module: nn.Module, path: Path) -> Path:
    legacy(torch.jit.save, scripted(module), str(path))
    return path


def edit(source: Path, target: Path, old: str, new: str) -> Path:
    """Copy an archive with a change in its code."""
    records = {
        name: content.replace(old.encode(), new.encode()) if name.endswith(".py") else content
        for name, content in read_records(source).items()
    }
    assert records != read_records(source), f"there is no {old}"
    return write_records(target, records)


def found(path: Path, code: str, **options) -> list:
    return [each for each in torchship.lint(path, **options) if each.code == code]


def only(path: Path, code: str):
    [finding] = found(path, code)
    assert finding.message and "\n" not in finding.message
    assert finding.hint
    return finding


class Inner(nn.Module):
    def __init__(self, p: float = 0.3) -> None:
        super().__init__()
        self.drop = nn.Dropout(p)
        self.linear = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.linear(x))  # dropped


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(Inner(), Inner(), Inner())

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.layers(x))  # relu


def without_operator(tmp_path: Path) -> Path:
    script(Outer().eval(), tmp_path / "whole.pt")
    return edit(
        tmp_path / "whole.pt",
        tmp_path / "net.pt",
        "torch.relu((layers).forward(x, ))",
        "ops.torchvision.deform_conv2d(ops.torchvision.nms((layers).forward(x, ), x, 0.5))",
    )


class Noisy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.randn_like(x)  # noise
