"""A process's memory over many calls, many shapes, and loading again and again."""

import gc

import pytest
import torch
import torchship
from torch import nn

MEGABYTE = 1 << 20

pytestmark = pytest.mark.alone  # What other tests take would be counted.


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def grown_by(work, times: int) -> int:
    """Bytes that the second half of the repetitions added."""
    for _ in range(times // 2):
        work()
    gc.collect()
    before = resident_bytes()
    for _ in range(times // 2):
        work()
    gc.collect()
    return resident_bytes() - before


@pytest.fixture
def mlp(tmp_path):
    layers = nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1)
    module = nn.Sequential(*layers)
    path = tmp_path / "mlp.pt"
    torchship.trace(module.eval(), torch.rand(2, 3)).save(path)
    return path


def test_calls_leave_nothing_behind(mlp):
    model = torchship.load(mlp)
    x = torch.rand(1, 3)
    assert grown_by(lambda: model(x), 100_000) < MEGABYTE


def test_a_thousand_shapes_leave_nothing_behind(mlp):
    model = torchship.load(mlp)

    def call_all():
        for rows in range(1, 1001):
            model(torch.rand(rows, 3))

    assert grown_by(call_all, 6) < MEGABYTE


def test_models_give_everything_back(mlp):
    x = torch.rand(1, 3)

    def load_and_call():
        torchship.load(mlp, warm_up=True)(x)

    assert grown_by(load_and_call, 200) < MEGABYTE


def test_large_models_give_everything_back(tmp_path):
    convolution = nn.Conv2d(64, 256, 3), nn.BatchNorm2d(256), nn.ReLU(), nn.Flatten()
    module = nn.Sequential(*convolution, nn.Linear(256 * 36, 512))  # 19 MB
    path = tmp_path / "large.pt"
    torchship.trace(module.eval(), torch.rand(1, 64, 8, 8)).save(path)
    x = torch.rand(1, 64, 8, 8)
    assert grown_by(lambda: torchship.load(path)(x), 20) < 4 * MEGABYTE


@pytest.mark.slow
def test_a_million_calls_leave_nothing_behind(mlp):
    model = torchship.load(mlp)
    x = torch.rand(1, 3)
    assert grown_by(lambda: model(x), 1_000_000) < MEGABYTE
