"""The audit of files from strangers: attacks are refused before they act, honest files are not."""

import warnings

import pytest
import torch
import torchship
from attacks import ATTACKS, honest, with_forward
from support import check_failure, check_message, cli, cli_json, legacy, scripted
from test_corpus import CORPUS, MANIFEST, POSITIVE
from torch import Tensor, nn


def audit_errors(path):
    found = torchship.lint(path, audit=True)
    return [one for one in found if one.code.startswith("audit-") and one.severity == "error"]


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(name, tmp_path):
    """Strict refuses it, the audit lists it, and it has done nothing."""
    attack = ATTACKS[name]
    mark = tmp_path / "mark"
    path = attack.build(honest(tmp_path), mark)
    before = mark.read_bytes() if mark.exists() else None

    with pytest.raises(torchship.ArchiveError) as caught:
        torchship.load(path, policy="strict")
    check_message(caught.value, attack.part)
    if attack.code:
        found = audit_errors(path)
        told = [one for one in found if one.code == attack.code and attack.part in one.message]
        assert told, [str(one) for one in found]
        assert any(attack.place in one.place or attack.place in one.file for one in told)
        assert all(one.hint for one in found)
        check_message(caught.value, "refused by the strict policy", "audit-", "--audit")
    else:
        with pytest.raises(torchship.ArchiveError, match=attack.part):
            torchship.lint(path, audit=True)
    assert (mark.read_bytes() if mark.exists() else None) == before


def passes(path, *inputs):
    """Audit and strict policy let it pass, and results are those of stock torch."""
    assert [str(one) for one in audit_errors(path)] == []
    strict = torchship.load(path, policy="strict")
    if inputs:
        expected = legacy(torch.jit.load, str(path)).eval()(*inputs)
        got = strict(*inputs)
        torch.testing.assert_close(got, expected)
    return strict


def save(module, path):
    legacy(torch.jit.save, module, str(path))
    return path


def trace(module, *inputs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The tracer's own, about branches, and that it is old.
        return torch.jit.trace(module.eval(), inputs, check_trace=False)


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + x)


def residual() -> nn.Module:
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)]
    return nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3), nn.MaxPool2d(3, 2, 1), Block(8), Block(8), *head)


class Recurrent(nn.Module):
    def __init__(self, kind: type) -> None:
        super().__init__()
        self.inner = kind(4, 5, num_layers=2, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)[0]


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 6, padding_idx=0)
        self.norm = nn.LayerNorm(6)

    def forward(self, ids: Tensor) -> Tensor:
        mask = (ids != 0).unsqueeze(-1).to(torch.float32)
        return (self.norm(self.embedding(ids)) * mask).sum(1) / mask.sum(1).clamp(min=1.0)


class Boxes(nn.Module):
    """A detector's last step: suppress what overlaps something better."""

    def forward(self, boxes: Tensor, scores: Tensor, most: float = 0.5) -> Tensor:
        area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        order = scores.argsort(descending=True)
        keep: list[int] = []
        while order.numel() > 0:
            best = int(order[0].item())
            keep.append(best)
            rest = order[1:]
            low = torch.maximum(boxes[best, :2], boxes[rest, :2])
            high = torch.minimum(boxes[best, 2:], boxes[rest, 2:])
            inner = (high - low).clamp(min=0).prod(1)
            order = rest[inner / (area[best] + area[rest] - inner) <= most]
        return torch.tensor(keep)


def encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


HONEST = {
    "residual": (lambda: trace(residual(), torch.rand(1, 3, 32, 32)), torch.rand(1, 3, 32, 32)),
    "residual scripted": (lambda: scripted(residual().eval()), torch.rand(2, 3, 32, 32)),
    "transformer": (lambda: trace(encoder(), torch.rand(1, 5, 8)), torch.rand(1, 5, 8)),
    "transformer scripted": (lambda: scripted(encoder().eval()), torch.rand(1, 5, 8)),
    "lstm": (lambda: trace(Recurrent(nn.LSTM), torch.rand(1, 3, 4)), torch.rand(1, 3, 4)),
    "lstm scripted": (lambda: scripted(Recurrent(nn.LSTM).eval()), torch.rand(2, 3, 4)),
    "gru": (lambda: trace(Recurrent(nn.GRU), torch.rand(1, 3, 4)), torch.rand(1, 3, 4)),
    "words": (lambda: scripted(Words().eval()), torch.tensor([[1, 2, 0], [3, 0, 0]])),
    "boxes": (
        lambda: scripted(Boxes()),
        torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1.9], [3, 3, 4, 4]]),
        torch.tensor([0.9, 0.8, 0.7]),
    ),
}


@pytest.mark.parametrize("name", HONEST)
def test_honest(name, tmp_path):
    build, *inputs = HONEST[name]
    passes(save(build(), tmp_path / "honest.pt"), *inputs)


@pytest.mark.parametrize(
    "name", ["linear", "rstyle", "kinds", "options", "counter", "boxes", "weight", "slow"]
)
def test_small_archives(name, archives):
    passes(archives[name])


def test_own_archive(tmp_path):
    traced = torchship.trace(nn.Linear(3, 2).eval(), (torch.rand(4, 3),))
    traced.save(tmp_path / "own.pt")
    passes(tmp_path / "own.pt", torch.rand(4, 3))


def test_compressed_archive(archives, tmp_path):
    from handmade import read_records, write_records

    records = read_records(archives["linear"])
    passes(write_records(tmp_path / "small.pt", records, compress=True))


def test_quantised_model_is_refused_with_the_way_out(tmp_path):
    """Packed weights are native objects that are filled by code of the file."""
    linear = nn.Sequential(nn.Linear(3, 2)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Quantisation is deprecated.
        quantised = torch.ao.quantization.quantize_dynamic(linear, {nn.Linear}, torch.qint8)
    path = save(trace(quantised, torch.rand(1, 3)), tmp_path / "quantised.pt")
    with pytest.raises(torchship.ArchiveError) as caught:
        torchship.load(path, policy="strict")
    check_message(caught.value, "refused by the strict policy")
    assert {"audit-operator", "audit-class"} <= {one.code for one in audit_errors(path)}
    torchship.load(path)


def test_printing_is_a_warning(tmp_path):
    path = with_forward(honest(tmp_path), "print(x)", "return x")
    passes(path)
    (found,) = [one for one in torchship.lint(path, audit=True) if one.code == "audit-print"]
    assert found.severity == "warning"


def test_extra_files_are_a_note(tmp_path):
    path = tmp_path / "extra.pt"
    module = scripted(nn.Linear(3, 2).eval())
    legacy(torch.jit.save, module, str(path), _extra_files={"labels.txt": b"cat\ndog\n"})
    passes(path)
    notes = [one for one in torchship.lint(path, audit=True) if one.code == "audit-record"]
    assert [one.place for one in notes] == ["extra/labels.txt"]
    assert notes[0].severity == "note"


def test_trusted_policy_and_lint_without_audit_do_not_ask(tmp_path):
    path = ATTACKS["as_strided_as_method"].build(honest(tmp_path), tmp_path / "mark")
    torchship.load(path)
    assert not [one for one in torchship.lint(path) if one.code.startswith("audit-")]


def test_message_counts_the_rest(tmp_path):
    resize, view = "_0 = (x).resize_([5])", "return (x).as_strided([9], [1])"
    path = with_forward(honest(tmp_path), resize, view)
    with pytest.raises(torchship.ArchiveError) as caught:
        torchship.load(path, policy="strict")
    check_message(caught.value, "aten::resize_", "and 1 more", "attacks.py:")


def test_executable(tmp_path):
    path = ATTACKS["as_strided_as_method"].build(honest(tmp_path), tmp_path / "mark")
    done = cli("lint", path, "--audit", "--deny", "error")
    assert done.returncode == 1
    assert "audit-operator" in done.stdout
    report = cli("lint", path, "--audit", "--json")
    assert '"audit-operator"' in report.stdout
    assert cli_json("lint", honest(tmp_path), "--audit")["counts"]["error"] == 0


def test_policy_of_the_executable(tmp_path):
    plain = honest(tmp_path)
    assert cli("graph", plain, "--policy", "strict").returncode == 0
    path = ATTACKS["as_strided_as_method"].build(plain, tmp_path / "mark")
    done = cli("graph", path, "--policy", "strict")
    check_failure(done, 1, "refused by the strict policy", "audit-operator")
    assert cli("graph", path).returncode == 0
    check_failure(cli("graph", path, "--policy", "lax"), 2, "--policy")


def test_attacks_act_where_the_file_is_trusted(tmp_path):
    """What the tests of attacks see not to happen does happen to those who trust the file."""
    mark = tmp_path / "mark"
    path = ATTACKS["setstate_that_writes_a_file"].build(honest(tmp_path), mark)
    assert not mark.exists()
    legacy(torch.jit.load, str(path))
    assert mark.exists()


@pytest.mark.corpus
@pytest.mark.skipif(not MANIFEST.exists(), reason=f"there is no corpus at {CORPUS}")
@pytest.mark.parametrize("record", POSITIVE, ids=[record["file"] for record in POSITIVE])
def test_corpus(record):
    passes(CORPUS / record["file"])
