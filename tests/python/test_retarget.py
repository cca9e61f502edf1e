"""Devices that the code names, where they are not the one that the model is loaded to."""

import json

import pytest
import torch
import torchship
from handmade import MANIFEST, digests, read_records, write_records
from support import check_failure, check_message, cli, cli_ok, legacy, scripted
from torch import Tensor, nn

X = torch.tensor([[1.0, 2.0, 3.0]])


class Positions(nn.Module):
    """Creates a tensor on a device that is written down, and moves its input there."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(3, device="cpu", dtype=torch.float32)
        return self.linear(x.to("cpu")) + places


class ByBranch(nn.Module):
    """Asks where its input is."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 1 if x.device == torch.device("cpu") else x - 1


def on_cuda(source, target):
    """Rewrite an archive as one that was traced on CUDA; returns how often a device was named."""
    records, places = read_records(source), 0
    for name, content in records.items():
        if name.endswith(".py"):
            places += content.count(b'torch.device("cpu")')
            records[name] = content.replace(b'torch.device("cpu")', b'torch.device("cuda:1")')
    if MANIFEST in records:
        manifest = json.loads(records[MANIFEST])
        manifest["records"] = digests(records)
        records[MANIFEST] = json.dumps(manifest).encode()
    write_records(target, records)
    return places


@pytest.fixture(scope="module")
def module():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Positions().eval()


# What LibTorch says, built without CUDA or with it.
NO_CUDA = "CUDA" if torch.version.cuda is None else "NVIDIA driver"


@pytest.fixture
def proven(module, tmp_path):
    """An archive with samples that names a device which is not there."""
    torchship.trace(module, X, strict=False).save(tmp_path / "cpu.pt")
    assert on_cuda(tmp_path / "cpu.pt", tmp_path / "m.pt") == 2
    return tmp_path / "m.pt"


def test_the_model_runs_where_it_is_loaded(proven, module):
    model = torchship.load(proven)
    torch.testing.assert_close(model(X), module(X).detach())
    assert model.check()


def test_devices_can_be_kept(proven):
    with pytest.raises(torchship.EngineError) as caught:
        torchship.load(proven, retarget=False)(X)
    check_message(caught.value, "forward failed", NO_CUDA)


def test_the_executable_does_the_same(proven):
    assert "output: float32[1, 3]" in cli_ok("run", proven, "-i", "x=[[1,2,3]]")
    assert "passed" in cli_ok("check", proven)
    done = cli("run", proven, "-i", "x=[[1,2,3]]", "--no-retarget")
    check_failure(done, 1, "forward failed", NO_CUDA)
    assert cli("check", proven, "--no-retarget").returncode == 1


def test_a_model_that_answers_otherwise_is_refused(proven):
    records = read_records(proven)
    (code,) = [n for n in records if n.endswith(".py") and b"torch.arange(3" in records[n]]
    records[code] = records[code].replace(b"torch.arange(3", b"torch.arange(1, 4")
    manifest = json.loads(records[MANIFEST])
    manifest["records"] = digests(records)
    records[MANIFEST] = json.dumps(manifest).encode()
    write_records(proven, records)
    with pytest.raises(torchship.ArchiveError) as caught:
        torchship.load(proven)
    parts = (proven, "2 places", "another device than cpu", "sample 0: output", "absolute error 1")
    check_message(caught.value, *parts)
    assert "retarget=false" in caught.value.hint


def test_an_archive_without_samples_is_retargeted_too(module, tmp_path):
    traced = legacy(torch.jit.trace, module, X)
    legacy(torch.jit.save, traced, str(tmp_path / "cpu.pt"))
    on_cuda(tmp_path / "cpu.pt", tmp_path / "m.pt")
    torch.testing.assert_close(torchship.load(tmp_path / "m.pt")(X), module(X).detach())


def test_comparisons_of_devices_stay(tmp_path):
    legacy(torch.jit.save, scripted(ByBranch()), str(tmp_path / "cpu.pt"))
    assert on_cuda(tmp_path / "cpu.pt", tmp_path / "m.pt") == 1
    assert torch.equal(torchship.load(tmp_path / "cpu.pt")(X), X + 1)
    assert torch.equal(torchship.load(tmp_path / "m.pt")(X), X - 1)


def test_moves_by_name(tmp_path):
    class Moves(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.cuda() * 2

    legacy(torch.jit.save, scripted(Moves()), str(tmp_path / "m.pt"))
    assert torch.equal(torchship.load(tmp_path / "m.pt")(X), 2 * X)
    with pytest.raises(torchship.EngineError):
        torchship.load(tmp_path / "m.pt", retarget=False)(X)
