"""Calls are compared with what the archive's manifest promises, before anything is computed."""

import pytest
import torch
import torchship
from handmade import add_promises, dimension, method, tensor
from support import check_failure, check_message, cli, cli_ok, legacy, scripted
from torch import Tensor, nn


class Masked(nn.Module):
    def forward(self, ids: Tensor, mask: Tensor, mode: str) -> Tensor:
        return (ids * mask).sum()


IDS, MASK = torch.ones(2, 7, dtype=torch.int64), torch.ones(2, 7, dtype=torch.int64)
FORWARD = method(
    [
        tensor("ids", "int64", ["B", "T"]),
        tensor("mask", "int64", ["B", "T"]),
        {"name": "mode", "kind": "str", "value": "mean"},
    ],
    tensor("", "int64", []),
    [dimension("B", 1, 4), dimension("T", 1, None)],
)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("masked")
    legacy(torch.jit.save, scripted(Masked().eval()), str(folder / "plain.pt"))
    return add_promises(folder / "plain.pt", folder / "m.pt", [FORWARD])


def test_a_call_that_fits_is_computed(archive):
    assert torchship.load(archive)(IDS, MASK, "mean") == 14


@pytest.mark.parametrize(
    ("inputs", "said", "hint"),
    [
        (
            (IDS, torch.ones(3, 7), "mean"),
            "expected int64[B, T] with B=2 from 'ids', got float32[3, 7]",
            "mask.long()",
        ),
        ((IDS, MASK, "sum"), "the model was traced with 'mean' and knows no other value", "trace"),
        (
            (IDS.repeat(3, 1), MASK, "mean"),
            "expected int64[B, T] with B from 1 to 4, got int64[6, 7]",
            "dynamic=",
        ),
    ],
)
def test_a_call_that_breaks_a_promise_is_refused(archive, inputs, said, hint):
    with pytest.raises(torchship.SignatureError) as raised:
        torchship.load(archive)(*inputs)
    check_message(raised.value, f"{archive}: forward: input '", said, hint)


def test_validation_can_be_switched_off(archive):
    model = torchship.load(archive, validate=False)
    assert model(IDS.repeat(3, 1), MASK.repeat(3, 1), "sum") == 42
    with pytest.raises(torchship.SignatureError, match="expected str, got int 1"):
        model(IDS, MASK, 1)


def test_the_executable_validates_unless_told_otherwise(archive):
    wide = ["-i", "ids:int64=[[1],[1],[1],[1],[1]]", "-i", "mask:int64=[[1],[1],[1],[1],[1]]"]
    call = ["run", archive, *wide, "-i", "mode=mean"]
    check_failure(cli(*call), 1, "with B from 1 to 4, got int64[5, 1]")
    assert cli_ok(*call, "--no-validate", "--no-verify").endswith("5\n")
