"""What Traced.save writes: records, digests, samples, and that everybody opens it."""

import hashlib
import json
import subprocess
import zipfile

import numpy as np
import pytest
import torch
import torchship
from safetensors.torch import load as from_safetensors
from support import check_failure, cli, cli_json, cli_ok, legacy
from test_trace import Many, X, network, parts
from torch import Tensor, nn
from torchship import trace
from torchship.cli import EXECUTABLE

MANIFEST = "archive/extra/torchship/manifest.json"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.pt"


def manifest(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(MANIFEST))


def saved(path, module=None, examples=X, **options):
    trace(module or network(), examples, **options).save(path)
    return path


# The file.


def test_stock_torch_opens_it_and_answers(path):
    module = network().eval()
    stock = legacy(torch.jit.load, saved(path, module))
    torch.testing.assert_close(stock(torch.ones(5, 3)), module(torch.ones(5, 3)))


def test_stock_torch_opens_nested_values(path):
    module = Many().eval()
    saved(path, module, (torch.randn(4, 3), parts(), "max"), methods={"encode": X})
    stock = legacy(torch.jit.load, path)
    given = torch.randn(2, 3), parts(2), "max"
    torch.testing.assert_close(stock(*given)["all"][1], module(*given)["all"][1])
    torch.testing.assert_close(stock.encode(X), module.encode(X))
    assert [name for name, _ in stock.named_parameters()] == ["linear.weight", "linear.bias"]


def test_newer_operators_open_too(path):
    """PyTorch keeps the version of files with gelu in another record."""
    module = nn.Sequential(nn.Linear(3, 4), nn.GELU())
    saved(path, module)
    with zipfile.ZipFile(path) as archive:
        assert "archive/.data/version" in archive.namelist()
    torch.testing.assert_close(torchship.load(path)(X), module(X))
    assert torchship.info(path).format_version > 3


def test_every_record_has_its_digest(path):
    digests = manifest(saved(path))["records"]
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name != MANIFEST]
        found = {
            name.removeprefix("archive/"): hashlib.sha256(archive.read(name)).hexdigest()
            for name in names
        }
    assert digests == found


def test_records_are_stored_and_aligned(path):
    saved(path)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            lengths = np.frombuffer(content, "<u2", 2, info.header_offset + 26)
            assert (info.header_offset + 30 + int(lengths.sum())) % 64 == 0, info.filename


def test_the_examples_are_not_in_the_file(path):
    secret = torch.tensor([[271.828, -314.159, 161.803]])
    module = nn.Linear(3, 2)
    module.weight.data.zero_()
    assert secret[0, :1].numpy().tobytes() not in saved(path, module, secret).read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert not [name for name in archive.namelist() if "traced_inputs" in name]
    assert {sample["origin"] for sample in manifest(path)["samples"]} == {"synthetic"}


def test_the_examples_are_there_on_request(path):
    secret = torch.tensor([[271.828, -314.159, 161.803]])
    content = saved(path, nn.Linear(3, 2), secret, keep_examples=True).read_bytes()
    assert secret.numpy().tobytes() in content
    assert manifest(path)["samples"][0]["origin"] == "example"


def test_samples_are_what_the_eager_model_gives(path):
    module = network().eval()
    saved(path, module, torch.randn(4, 3), samples=4)
    with zipfile.ZipFile(path) as archive:
        tensors = from_safetensors(archive.read("archive/extra/torchship/samples.safetensors"))
    samples = manifest(path)["samples"]
    assert len(samples) == 4
    shapes = set()
    for sample in samples:
        given = tensors[sample["inputs"][0]["ref"]]
        shapes.add(tuple(given.shape))
        torch.testing.assert_close(tensors[sample["output"]["ref"]], module(given))
    assert len(shapes) > 1


def test_same_model_same_bytes(path, tmp_path):
    traced = trace(network(), X)
    traced.save(path)
    traced.save(tmp_path / "b.pt")
    assert path.read_bytes() == (tmp_path / "b.pt").read_bytes()


def test_findings_travel(path):
    def f(x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x

    saved(path, f, torch.ones(3), strict=False)
    (found,) = torchship.info(path).findings
    assert (found.code, found.severity) == ("lost-branch", "error")
    assert found.file == __file__ and found.line == f.__code__.co_firstlineno + 1
    assert found.source == "return x if x.sum() > 0 else -x"


def test_names_metadata_tolerance(path):
    saved(
        path,
        examples=torch.ones(2, 3),
        names={"inputs": ["features"], "outputs": ["logits"]},
        metadata={"licence": "MIT"},
        tolerance=(0.5, 0.25),
    )
    info = torchship.info(path)
    method = info.methods[0]
    assert info.metadata == {"licence": "MIT"}
    assert [each.name for each in method.inputs] == ["features"]
    assert (method.output.tolerance.absolute, method.output.tolerance.relative) == (0.5, 0.25)
    assert cli_ok("run", path, "-i", "features=[[1,2,3]]").startswith("logits: float32[1, 4]")
    assert "logits" in cli_ok("check", path)


def test_names_of_several_outputs(path):
    def f(x: Tensor) -> tuple[Tensor, Tensor]:
        return x.sum(1), x.mean(1)

    saved(path, f, torch.ones(2, 3), names={"outputs": ["total", "mean"]})
    result = torchship.load(path)(torch.ones(1, 3))
    assert result._fields == ("total", "mean")
    assert "total: float32[1]" in cli_ok("run", path, "-i", "x=[[1,2,3]]")
    with pytest.raises(ValueError, match="gives 2 values; .*does not name them"):
        trace(f, X, names={"outputs": ["a", "b", "c"]})


def test_both_modes(path):
    saved(path, network(), torch.randn(4, 3), mode="both", strict=False)
    model = torchship.load(path)
    assert model.info.default_method == "evalforward"
    assert {"evalforward", "trainforward"} <= {each.name for each in model.info.methods}
    assert torch.equal(model(torch.ones(4, 3)), model.call("evalforward", torch.ones(4, 3)))


def test_inner_methods_are_not_offered(path):
    saved(path, Many().eval(), (torch.randn(4, 3), parts(), "max"))
    assert [each.name for each in torchship.info(path).methods] == ["forward"]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_model_on_cuda_opens_on_the_cpu(path):
    module = network().eval().cuda()
    saved(path, module, X.cuda())
    torch.testing.assert_close(torchship.load(path)(X), module(X.cuda()).cpu())
    assert torchship.check(path).passed and torchship.check(path, device="cuda").passed


# info.


def test_info_says_what_was_promised(path):
    saved(path, Many().eval(), (torch.randn(4, 3), parts(), "max"))
    info = torchship.info(path)
    x, given, mode = info.methods[0].inputs
    assert (x.dtype, given.kind, mode.constant) == ("float32", "dict", "max")
    assert [member.name for member in given.members] == ["shift", "more"]
    assert info.producer.torch == str(torch.__version__)
    assert [each.path for each in info.modules] == ["", "linear"]
    text = cli_ok("info", path)
    for words in ("float32[batch, 3]", "batch", "torch 2", "linear", "synthetic"):
        assert words in text
    assert cli_json("info", path)["methods"][0]["inputs"][2]["constant"]["value"] == "max"


# Calls are checked against the promises.


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((torch.ones(2, 3).double(), torch.ones(2, 3)), "expected float32[batch, 3], got float64"),
        ((torch.ones(2, 3), torch.ones(4, 3)), "with batch=2 from 'a', got float32[4, 3]"),
        ((torch.ones(2, 5), torch.ones(2, 5)), "expected float32[batch, 3], got float32[2, 5]"),
        ((torch.ones(2, 3), 1.0), "expected"),
    ],
)
def test_call_that_does_not_fit(path, given, words):
    saved(path, lambda a, b: (a + b) @ torch.ones(3, 2), (torch.ones(4, 3), torch.ones(4, 3)))
    model = torchship.load(path)
    with pytest.raises(torchship.SignatureError) as caught:
        model(*given)
    assert words in str(caught.value)


def test_validation_can_be_switched_off(path):
    saved(path, lambda x: x * 2, torch.ones(2, 3), dynamic={})
    with pytest.raises(torchship.SignatureError, match=r"float32\[2, 3\], got float32\[7\]"):
        torchship.load(path)(torch.ones(7))
    assert torch.equal(torchship.load(path, validate=False)(torch.ones(7)), torch.full((7,), 2.0))


# check.


def test_check_passes_in_every_door(path):
    saved(path, Many().eval(), (torch.randn(4, 3), parts(), "max"), methods={"encode": X})
    report = torchship.check(path)
    assert report.passed and len(report.samples) == 6
    assert torchship.load(path).check().passed
    assert "passed" in cli_ok("check", path)
    assert cli_json("check", path)["passed"] is True


def test_check_of_a_stateful_model_starts_from_the_file(path):
    class Count(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("count", torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            self.count += 1
            return x * self.count

    saved(path, Count(), X)
    model = torchship.load(path)
    assert torch.equal(model(X), X)
    assert model.check().passed
    assert torch.equal(model(X), 2 * X)


def test_check_without_samples(path):
    torchship.save(legacy(torch.jit.trace, network().eval(), X), path)
    check_failure(cli("check", path), 1, "no samples", "torchship.trace")


def test_damaged_weight_is_an_error_and_no_answer(path):
    saved(path)
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("archive/data/0")
        start = info.header_offset + 30 + len(info.filename) + len(info.extra)
    content = bytearray(path.read_bytes())
    content[start + 1] ^= 1
    path.write_bytes(content)
    with pytest.raises(torchship.ArchiveError, match="data/0"):
        torchship.load(path)
    check_failure(cli("run", path, "-i", "input=[[1,1,1]]"), 1, "data/0")
    legacy(torch.jit.load, path)  # notices nothing


def changed_weight(source, target):
    """A copy with another weight in its last layer, and digests that are right."""
    with zipfile.ZipFile(source) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    content = json.loads(records.pop(MANIFEST))
    weights = [name for name in records if name.startswith("archive/data/")]
    last = max((n for n in weights if len(records[n]) == 4 * 8), key=str)
    records[last] = (np.frombuffer(records[last], "<f4") + 1).tobytes()
    content["records"][last.removeprefix("archive/")] = hashlib.sha256(records[last]).hexdigest()
    records[MANIFEST] = json.dumps(content).encode()
    with zipfile.ZipFile(target, "w") as archive:
        for name, each in records.items():
            archive.writestr(name, each)
    return target


class TwoLayers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 5), nn.Linear(5, 1, bias=False)
        self.scale = nn.Parameter(torch.ones(8))

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.first(x))
        scaled = torch.cat([hidden, x], 1) * self.scale  # the changed line
        return scaled.sum(1)


def test_failing_check_names_the_first_operator(path, tmp_path):
    saved(path, TwoLayers(), torch.randn(2, 3), record="all")
    assert torchship.check(path).passed
    wrong = changed_weight(path, tmp_path / "wrong.pt")
    report = torchship.check(wrong)
    assert not report.passed and not report
    assert report.departure.operator_name == "aten::mul"
    line = TwoLayers.forward.__code__.co_firstlineno + 2
    assert report.departure.source.endswith(f"test_archive.py:{line}")
    done = cli("check", wrong)
    assert done.returncode == 1 and "aten::mul" in done.stdout + done.stderr


def test_failing_check_without_intermediates(path, tmp_path):
    saved(path, TwoLayers(), torch.randn(2, 3))
    report = torchship.check(changed_weight(path, tmp_path / "wrong.pt"))
    assert not report.passed and report.departure is None


def test_checks_where_no_python_is(path):
    saved(path, network(), torch.randn(2, 3))
    done = subprocess.run(
        [EXECUTABLE, "check", path],
        capture_output=True,
        text=True,
        env={"PATH": "/nowhere"},
    )
    assert done.returncode == 0, done.stderr
