"""Replaying the samples of an archive: Model.check(), torchship.check() and `torchship check`."""

import os

import pytest
import torch
import torchship
from handmade import add_promises, dimension, method, ref, sample, tensor
from support import Counter, check_failure, check_message, cli, cli_json, legacy, scripted
from torch import Tensor, nn


class Chain(nn.Module):
    """Three operators; the last one works in place."""

    def forward(self, x: Tensor) -> Tensor:
        doubled = x * 2
        rooted = doubled.sqrt()
        return rooted.add_(1)


class Picky(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if bool(x.sum() < 0):
            raise ValueError("negative")
        return x


X = torch.tensor([[1.0, 4.0, 9.0]])
FORWARD = method(
    [tensor("x", "float32", ["batch", 3])],
    tensor("", "float32", ["batch", 3]),
    [dimension("batch", 1, 8)],
)
SAMPLES = [sample([ref("0.in")], ref("0.out"))]


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    path = tmp_path_factory.mktemp("chain") / "chain.pt"
    legacy(torch.jit.save, scripted(Chain().eval()), str(path))
    return path


@pytest.fixture
def make(chain, tmp_path):
    """Write the archive of Chain with one sample whose output is off by `error`."""

    def write(error=0.0, manifest_method=FORWARD, **more):
        output = Chain()(X)
        output[0, 1] += error
        tensors = {"0.in": X, "0.out": output}
        return add_promises(chain, tmp_path / "m.pt", [manifest_method], SAMPLES, tensors, **more)

    return write


def test_a_sound_archive_passes(make):
    path = make()
    report = torchship.check(path)
    assert report and report.passed and report.departure is None
    (result,) = report.samples
    (output,) = result.outputs
    assert (result.sample, result.method, result.error) == (0, "forward", "")
    assert output.name == "output" and output.passed and output.problem == ""
    assert output.absolute < 1e-6
    assert (output.tolerance.absolute, output.tolerance.relative) == (1e-5, 1e-4)
    assert "passed: 1 sample" in str(report)
    assert torchship.load(path).check()


def test_a_wrong_result_fails(make):
    report = torchship.check(make(error=0.5))
    assert not report
    (output,) = report.samples[0].outputs
    assert output.absolute == pytest.approx(0.5, rel=1e-5)
    assert output.relative == pytest.approx(0.5 / (Chain()(X)[0, 1].item() + 0.5), rel=1e-5)
    assert "failed: 1 of 1 sample" in str(report)


def test_the_archives_tolerance_holds(make):
    loose = tensor("", "float32", ["batch", 3], tolerance={"absolute": 1.0, "relative": 0.0})
    report = torchship.check(make(error=0.5, manifest_method={**FORWARD, "output": loose}))
    assert report
    assert report.samples[0].outputs[0].tolerance.absolute == 1.0


def test_the_first_departing_operator_is_named(make, chain):
    recorded = torchship.load(chain)._intermediates("forward", [X])
    recorded = [
        (node, output, operator, source, value + (1 if operator == "aten::sqrt" else 0))
        for node, output, operator, source, value in recorded
    ]
    path = make(error=0.5, recorded=recorded)
    departure = torchship.check(path).departure
    assert departure.operator_name == "aten::sqrt"
    assert departure.absolute == pytest.approx(1.0, rel=1e-6)
    assert departure.source.split(":")[0].endswith("test_check.py")
    done = cli("check", path)
    assert done.returncode == 1 and done.stderr == ""
    assert "the first operator that departs is aten::sqrt" in done.stdout
    assert "test_check.py:" in done.stdout


def test_recorded_results_are_not_asked_of_a_passing_sample(make, chain):
    recorded = [
        (*rest, value + 1) for *rest, value in torchship.load(chain)._intermediates("forward", [X])
    ]
    report = torchship.check(make(recorded=recorded))
    assert report and report.departure is None


def test_intermediates_are_as_they_were_after_each_operator(chain):
    results = torchship.load(chain)._intermediates("forward", [X])
    by_operator = {operator: value for _, _, operator, _, value in results}
    assert torch.equal(by_operator["aten::mul"], X * 2)
    assert torch.equal(by_operator["aten::sqrt"], (X * 2).sqrt())  # Not changed by add_ later.
    assert torch.equal(by_operator["aten::add_"], (X * 2).sqrt() + 1)
    nodes = [node for node, *_ in results]
    assert nodes == sorted(nodes)
    assert not any(value.is_inference() for *_, value in results)
    lines = [source for *_, source, _ in results]
    assert all(line.split(":")[0].endswith("test_check.py") for line in lines)
    assert len(set(lines)) == 3


def test_intermediates_of_a_traced_module_name_its_lines(tmp_path):
    path = tmp_path / "traced.pt"
    legacy(torch.jit.save, legacy(torch.jit.trace, Chain().eval(), X), str(path))
    results = torchship.load(path)._intermediates("forward", [X])
    sources = {operator: source for _, _, operator, source, _ in results}
    assert sources["aten::sqrt"].split(":")[0].endswith("test_check.py")
    assert sources["aten::sqrt"] != sources["aten::mul"]


def test_a_sample_outside_of_its_ranges_is_damage(make):
    narrow = {**FORWARD, "dimensions": [dimension("batch", 2, 8)]}
    with pytest.raises(torchship.ArchiveError) as raised:
        torchship.check(make(manifest_method=narrow))
    check_message(raised.value, "samples[0].inputs[0].shape[0]", "not in the range of 'batch'")


def test_a_failing_call_is_reported(tmp_path):
    legacy(torch.jit.save, scripted(Picky().eval()), str(tmp_path / "plain.pt"))
    tensors = {"0.in": -X, "0.out": X}
    path = add_promises(tmp_path / "plain.pt", tmp_path / "m.pt", [FORWARD], SAMPLES, tensors)
    report = torchship.check(path)
    assert not report and report.samples[0].outputs == []
    assert report.samples[0].error.startswith(f"{path}: forward failed: ")
    assert report.samples[0].error.endswith("negative")
    assert "FAILED" in str(report)


def test_a_wrong_shape_is_reported(chain, tmp_path):
    tensors = {"0.in": X, "0.out": Chain()(X)[:, :2]}
    any_width = {**FORWARD, "output": tensor("", "float32", ["batch", None])}
    path = add_promises(chain, tmp_path / "m.pt", [any_width], SAMPLES, tensors)
    (output,) = torchship.check(path).samples[0].outputs
    assert output.problem == "expected float32[1, 2], got float32[1, 3]"
    assert not output.passed


def test_check_leaves_the_state_alone(tmp_path):
    plain, path = tmp_path / "plain.pt", tmp_path / "m.pt"
    legacy(torch.jit.save, scripted(Counter().eval()), str(plain))
    counts = method([{"name": "step", "kind": "int"}], tensor("", "int64", []))
    samples = [sample([{"kind": "int", "value": 3}], ref("out"))] * 2
    add_promises(plain, path, [counts], samples, {"out": torch.tensor(3)})
    model = torchship.load(path)
    assert model(5) == 5
    assert model.check()
    assert model.check()
    assert model(5) == 10


def test_check_needs_no_path(make):
    path = make()
    model = torchship.load(path)
    os.rename(path, path.with_suffix(".moved"))
    assert model.check()


def test_an_archive_without_samples_cannot_be_checked(chain):
    with pytest.raises(torchship.ArchiveError) as raised:
        torchship.check(chain)
    check_message(raised.value, "chain.pt: holds no samples", "torchship.trace")
    check_failure(cli("check", chain), 1, "holds no samples")


def test_the_executable_prints_a_table_or_json(make):
    path = make()
    done = cli("check", path, "--threads", "1", "--no-verify")
    assert done.returncode == 0 and done.stderr == ""
    engine, header, row = done.stdout.splitlines()[2:5]
    assert engine == "planned" and "\ninterpreter\n" in done.stdout
    names = ["sample", "method", "output", "absolute", "relative", "tolerance", "verdict"]
    assert header.split() == names
    assert row.split()[:3] == ["0", "forward", "output"] and row.endswith("ok")
    found = cli_json("check", path)
    assert found["passed"] is True and found["passed_over"] == []
    assert [report["engine"] for report in found["engines"]] == ["planned", "interpreter"]
    for report in found["engines"]:
        assert report["departure"] is None
        (result,) = report["samples"]
        bounds = {"absolute": 1e-5, "relative": 1e-4, "normwise": 0.0}
        assert result["outputs"][0]["tolerance"] == bounds
    failed = cli("check", make(error=0.5), "--json")
    assert failed.returncode == 1 and '"passed": false' in failed.stdout
