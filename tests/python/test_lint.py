"""torchship.lint: operators, versions, modes; a file that has a finding and one that has not."""

import re
from pathlib import Path

import pytest
import torch
import torchship
from handmade import add_manifest, manifest, method, read_records, tensor, write_records
from lint_support import (
    HERE,
    Noisy,
    Outer,
    edit,
    found,
    line_of,
    only,
    script,
    trace,
    without_operator,
)
from support import legacy, scripted
from torch import Tensor, nn


@pytest.fixture
def net(tmp_path):
    return tmp_path / "net.pt"


# missing-operator, uncompilable


def test_missing_operators_are_named_all_at_once_with_their_libraries(tmp_path):
    findings = found(without_operator(tmp_path), "missing-operator")
    assert [each.severity for each in findings] == ["error", "error"]
    names = {re.search(r"operator (\S+)", each.message)[1]: each for each in findings}
    assert set(names) == {"torchvision::nms", "torchvision::deform_conv2d"}
    for each in findings:
        assert "torchvision" in each.hint and "--op-library" in each.hint
        assert "called once" in each.message
        assert Path(each.file).name == HERE and each.line == line_of("relu")
        assert each.source == "return torch.relu(self.layers(x))  # relu"


def test_what_does_not_use_a_missing_operator_is_still_seen(tmp_path):
    class Stuck(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.dropout(x, 0.5, True)  # stuck

    class Around(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stuck = Stuck()

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(self.stuck(x))

    whole = script(Around().eval(), tmp_path / "whole.pt")
    path = edit(whole, tmp_path / "net.pt", "torch.relu(", "ops.torchvision.nms(")
    assert only(path, "missing-operator").severity == "error"
    stuck = only(path, "train-mode")
    assert (stuck.place, stuck.line) == ("stuck", line_of("stuck"))
    assert not found(path, "uncompilable")


def test_whole_archive_has_no_missing_operator(tmp_path):
    path = script(Outer().eval(), tmp_path / "whole.pt")
    assert not found(path, "missing-operator") + found(path, "uncompilable")


def test_missing_class_of_a_library_is_found(tmp_path):
    whole = script(Outer().eval(), tmp_path / "whole.pt")
    path = edit(
        whole,
        tmp_path / "net.pt",
        "  layers : ",
        "  decoder : __torch__.torch.classes.torchaudio.Decoder\n  layers : ",
    )
    finding = only(path, "missing-operator")
    assert "class torch.classes.torchaudio.Decoder" in finding.message
    assert "torchaudio" in finding.hint


def test_code_that_does_not_compile_is_found(tmp_path):
    whole = script(Outer().eval(), tmp_path / "whole.pt")
    path = edit(whole, tmp_path / "net.pt", "torch.relu(", "torch.relu(3, ")
    finding = only(path, "uncompilable")
    assert finding.severity == "error"
    assert "relu" in finding.message and "0x" not in finding.message


# version-skew


def test_newer_file_format_is_an_error(tmp_path):
    records = read_records(script(Outer().eval(), tmp_path / "whole.pt"))
    version = ".data/version" if ".data/version" in records else "version"
    records[version] = b"99\n"
    [finding] = torchship.lint(write_records(tmp_path / "net.pt", records))
    assert (finding.code, finding.severity) == ("version-skew", "error")
    assert "99" in finding.message


@pytest.mark.parametrize(("torch_version", "warned"), [("99.1.0", True), ("2.0.1", False)])
def test_newer_torch_is_a_warning(tmp_path, torch_version, warned):
    producer = {"torchship": "0.1.0", "torch": torch_version, "python": "3.11.2"}
    spec = tensor("x", "float32", [3, 3])
    promise = method([spec], {**spec, "name": "y"})
    whole = script(Outer().eval(), tmp_path / "whole.pt")
    add_manifest(whole, tmp_path / "net.pt", manifest(promise, producer=producer))
    findings = found(tmp_path / "net.pt", "version-skew")
    assert [each.severity for each in findings] == ["warning"] * warned


def test_operators_that_changed_since_are_a_note(tmp_path):
    class Halved(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x / 2

    whole = script(Halved(), tmp_path / "whole.pt")
    assert not found(whole, "version-skew")
    records = read_records(whole)
    records.pop(".data/version", None)
    records["version"] = b"3\n"
    finding = only(write_records(tmp_path / "net.pt", records), "version-skew")
    assert finding.severity == "note" and "aten::div" in finding.message


# train-mode, random, state-change


def test_dropout_of_a_trace_is_one_finding_for_all_its_places(net):
    finding = only(trace(Outer(), torch.ones(2, 3), path=net), "train-mode")
    assert finding.severity == "error"
    assert finding.place == "layers.0.drop" and "the same in 3 places" in finding.message
    assert Path(finding.file).name == HERE and finding.line == line_of("dropped")
    assert finding.method == "forward"


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.BatchNorm1d(3), "batch norm"),
        (nn.LSTM(3, 3, num_layers=2, dropout=0.4), "recurrent layer"),
    ],
)
def test_training_behaviour_of_other_layers(net, layer, words):
    example = torch.ones(2, 3) + torch.randn(2, 3)
    assert words in only(trace(layer, example, path=net), "train-mode").message
    trace(layer.eval(), example, path=net)
    assert not found(net, "train-mode")


def test_attention_dropout(net):
    def attend(x: Tensor) -> Tensor:
        return nn.functional.scaled_dot_product_attention(x, x, x, dropout_p=0.2)

    assert "attention" in only(trace(attend, torch.ones(1, 2, 4), path=net), "train-mode").message


def test_module_that_asks_for_its_mode_is_only_noted(net):
    finding = only(script(Outer().train(), net), "train-mode")
    assert finding.severity == "note" and "saved in training mode" in finding.message
    assert not found(script(Outer().eval(), net), "train-mode")


def test_training_method_is_noted(net):
    class Pair(nn.Module):
        def evalforward(self, x: Tensor) -> Tensor:
            return x + 1

        def trainforward(self, x: Tensor) -> Tensor:
            return nn.functional.dropout(x, 0.5, True)

    methods = {"evalforward": torch.ones(2, 3), "trainforward": torch.ones(2, 3)}
    traced = legacy(torch.jit.trace_module, Pair(), methods, check_trace=False)
    legacy(torch.jit.save, traced, str(net))
    finding = only(net, "train-mode")
    assert (finding.severity, finding.method) == ("note", "trainforward")


@pytest.mark.parametrize("make", [scripted, lambda m: None])
def test_random_operator(net, make):
    path = script(Noisy(), net) if make is scripted else trace(Noisy(), torch.ones(3), path=net)
    finding = only(path, "random")
    assert (finding.severity, finding.line) == ("warning", line_of("noise"))
    assert "aten::randn_like" in finding.message
    assert finding.source == ("return x + torch.randn_like(x)  # noise" if make is scripted else "")


def test_dropout_in_eval_mode_is_not_random(net):
    assert not found(trace(Outer().eval(), torch.ones(2, 3), path=net), "random")
    assert not found(script(Outer().train(), net), "random")


class Count(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1  # counted
        return x + self.calls


def test_state_change(net):
    finding = only(script(Count(), net), "state-change")
    assert (finding.severity, finding.line) == ("warning", line_of("counted"))
    assert "'calls'" in finding.message


def test_statistics_of_training_are_no_state_change(net):
    assert not found(script(nn.Sequential(nn.BatchNorm1d(3)).train(), net), "state-change")
