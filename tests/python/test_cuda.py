"""The three doors on a CUDA device; tests/cpp/model_test.cpp has the C++ one."""

import pytest
import torch
import torchship
from support import EXAMPLE, cli_json

pytestmark = pytest.mark.cuda


def test_binding(archives):
    on_cpu = torchship.load(archives["linear"])(EXAMPLE)
    model = torchship.load(archives["linear"], device="cuda")
    assert model.device == "cuda:0"
    from_cpu, from_cuda = model(EXAMPLE), model(EXAMPLE.cuda())
    assert (from_cpu.device.type, from_cuda.device.type) == ("cpu", "cuda")
    torch.testing.assert_close(from_cpu, on_cpu)
    torch.testing.assert_close(from_cuda.cpu(), from_cpu, rtol=0, atol=0)


def test_executable(archives):
    call = ("run", archives["linear"], "-i", "input=[[1.2,3,0.1]]", "--device")
    on_cpu, on_cuda = (torch.tensor(cli_json(*call, device)["data"]) for device in ("cpu", "cuda"))
    torch.testing.assert_close(on_cuda, on_cpu)


def test_a_device_that_is_not_there(archives):
    with pytest.raises(torchship.DeviceError, match="this process sees"):
        torchship.load(archives["linear"], device=f"cuda:{torch.cuda.device_count()}")
