"""Models in both formats, for the tests of `torchship convert`."""

import warnings
import zipfile
from pathlib import Path

import torch
import torchship
from support import legacy
from torch import Tensor, nn

ROWS = ({0: torch.export.Dim.DYNAMIC},)


class Experts(nn.Module):
    """Two ways, with weights of their own."""

    def __init__(self):
        super().__init__()
        self.yes, self.no = nn.Linear(3, 2), nn.Linear(3, 2)
        self.register_buffer("shift", torch.tensor([10.0, -10.0]))

    def forward(self, x):
        return torch.cond(x.sum() > 0, lambda x: self.yes(x) + self.shift, self.no, (x,))


class Scripted(nn.Module):
    """A branch and a loop on data, in TorchScript's own words."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
        if bool(x.sum() > 0):
            x = self.linear(x)
        else:
            x = x * 2
        k = torch.zeros_like(n)
        while bool(k < n):
            x = x / 2
            k = k + 1
        return x, k


def write_program(path, module, args, shapes=None, **options) -> Path:
    """An exported program as stock PyTorch writes it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = torch.export.export(module.eval(), args, dynamic_shapes=shapes, **options)
        torch.export.save(made, path)
    return path


def saved(path, traced) -> Path:
    traced.save(path)
    return path


def stock_program(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.export.load(path).module()


def stock_torchscript(path):
    return legacy(torch.jit.load, path)


def records(path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/")[2] for name in archive.namelist()}


def check_whole(path) -> None:
    """What torchship itself says of a file that it wrote."""
    report = torchship.check(path)
    assert report.passed and report.samples, str(report)
