"""The .pt2 archives of exported programs: records, digests, samples, and who opens them.

The tests after the line at the end need torchship.load to read exported programs.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import warnings
import zipfile

import numpy as np
import pytest
import torch
import torchship
from safetensors.torch import load as from_safetensors
from test_trace import Many, X, network, parts
from test_trace_export import Averaging, Corner, Experts, Text, doubled_until_large, exported
from torch import nn

MANIFEST = "archive/extra/torchship/manifest.json"
SAMPLES = "archive/data/torchship/samples.safetensors"
EXAMPLES = "archive/data/sample_inputs/model.pt"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.pt2"


def saved(path, module=None, examples=X, **options):
    exported(module or network(), examples, **options).save(path)
    return path


def records(path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def manifest(path):
    return json.loads(records(path)[MANIFEST])


def stock(path):
    return torch.export.load(path).module()


# The file.


def test_stock_torch_opens_it_and_answers(path):
    module = network().eval()
    got = stock(saved(path, module))(torch.ones(5, 3))
    assert torch.equal(got, module(torch.ones(5, 3)))


class Mixed(nn.Module):
    """As `Many`, with no text in its result, which stock torch cannot read."""

    def __init__(self) -> None:
        super().__init__()
        self.many = Many()

    def forward(self, x, parts, mode="sum", scale=1.0, mask=None):
        made = self.many(x, parts, mode, scale, mask)
        return {key: value for key, value in made.items() if key != "mode"}


def test_stock_torch_opens_nested_values(path):
    module = Mixed().eval()
    saved(path, module, (torch.randn(4, 3), parts(), "max"))
    given = torch.randn(2, 3), parts(2), "max"
    got, expected = stock(path)(*given), module(*given)
    torch.testing.assert_close(got["all"][1], expected["all"][1])
    assert type(got["pair"]) is tuple and got["rows"] == 2


def test_stock_torch_cannot_read_text_in_results(path, capfd):
    """Should this fail, `export-text` is no longer true."""
    saved(path, Many().eval(), (torch.randn(4, 3), parts()))
    with pytest.raises(RuntimeError, match="deserializing"):
        torch.export.load(path)


def test_stock_torch_keeps_both_ways(path):
    saved(path, Experts(), torch.randn(4, 3))
    program, module = stock(path), torch.export.load(path).module()
    assert not torch.equal(program(torch.ones(2, 3)), program(-torch.ones(2, 3)))
    assert torch.equal(program(-torch.ones(2, 3)), module(-torch.ones(2, 3)))


def test_records_are_torchs_and_two_more(path):
    names = set(records(saved(path)))
    assert {"archive/models/model.json", "archive/archive_format", MANIFEST, SAMPLES} <= names
    # torch.export.load reads everything there as text.
    assert [name for name in names if name.startswith("archive/extra/")] == [MANIFEST]


def test_every_record_has_its_digest(path):
    found = records(saved(path))
    assert manifest(path)["records"] == {
        name.removeprefix("archive/"): hashlib.sha256(content).hexdigest()
        for name, content in found.items()
        if name != MANIFEST
    }


def test_records_are_stored_and_aligned(path):
    saved(path, Text(), torch.randint(0, 20, (3, 7)))
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            lengths = np.frombuffer(content, "<u2", 2, info.header_offset + 26)
            assert (info.header_offset + 30 + int(lengths.sum())) % 64 == 0, info.filename


SECRET = torch.tensor([[271.828, -314.159, 161.803]])


def silent() -> nn.Module:
    module = nn.Linear(3, 2)
    module.weight.data.zero_()
    return module


def test_the_examples_are_not_in_the_file(path):
    saved(path, silent(), SECRET)
    assert SECRET[0, :1].numpy().tobytes() not in path.read_bytes()
    assert records(path)[EXAMPLES] == b""
    assert torch.export.load(path).example_inputs is None
    assert {sample["origin"] for sample in manifest(path)["samples"]} == {"synthetic"}


def test_the_examples_are_there_on_request(path):
    saved(path, silent(), SECRET, keep_examples=True)
    assert torch.equal(torch.export.load(path).example_inputs[0][0], SECRET)
    assert manifest(path)["samples"][0]["origin"] == "example"


def test_the_program_in_memory_keeps_its_examples(path):
    traced = exported(silent(), SECRET)
    traced.save(path)
    assert torch.equal(traced.program.example_inputs[0][0], SECRET)


def test_same_program_same_bytes(path, tmp_path):
    traced = exported(network(), X)
    traced.save(path)
    traced.save(tmp_path / "again.pt2")
    assert path.read_bytes() == (tmp_path / "again.pt2").read_bytes()


def test_program_on_another_device_is_saved_on_the_cpu(path):
    class OnMeta(nn.Module):
        def forward(self, x):
            return x + torch.zeros(3, device=x.device)

    program = program_of(OnMeta(), torch.ones(3, device="meta"))
    torchship.save(program, path)
    assert torch.equal(stock(path)(torch.ones(3)), torch.ones(3))
    (example,) = program.example_inputs[0]
    assert example.device.type == "meta"


# The manifest.


def test_samples_are_what_the_eager_model_gives(path):
    module = network().eval()
    saved(path, module, torch.randn(4, 3), samples=4)
    tensors = from_safetensors(records(path)[SAMPLES])
    samples = manifest(path)["samples"]
    assert len(samples) == 4
    for sample in samples:
        given = tensors[sample["inputs"][0]["ref"]]
        torch.testing.assert_close(tensors[sample["output"]["ref"]], module(given))
    assert len({tensors[each["inputs"][0]["ref"]].shape for each in samples}) > 1


def test_method_agrees_with_the_program(path):
    given = {"x": torch.randn(4, 3), "parts": parts(), "scale": 2.0, "mask": None}
    saved(path, Mixed().eval(), given)
    (method,) = manifest(path)["methods"]
    entry = torch.export.load(path).module_call_graph[0].signature
    assert [each["name"] for each in method["inputs"]] == entry.forward_arg_names
    assert method["name"] == manifest(path)["default_method"] == "forward"
    x, nested, scale, mask = method["inputs"]
    assert x["shape"] == ["batch", 3] and nested["entries"][0][1]["shape"] == ["batch", 2]
    assert (scale["kind"], scale["value"], mask["kind"]) == ("float", 2.0, "none")
    output = dict(method["output"]["entries"])
    assert output["pair"]["names"] == ["scores", "best"]
    assert (output["rows"], output["no"]) == ({"kind": "int"}, {"kind": "none"})


def test_sizes_are_those_that_the_program_takes(path):
    saved(path, Text(), torch.randint(0, 20, (3, 7)))
    batch, time_ = manifest(path)["methods"][0]["dimensions"]
    assert (batch["min"], batch["max"], time_["name"], time_["max"]) == (1, None, "ids_1", 16)


def test_findings_names_metadata_and_tolerance(path):
    saved(
        path,
        Averaging(),
        torch.randn(4, 3),
        names={"inputs": ["signal"], "outputs": ["rest"]},
        metadata={"task": "averages"},
        tolerance=(1e-3, 1e-2),
    )
    found = manifest(path)
    assert {each["code"] for each in found["findings"]} == {"state-change"}
    assert found["findings"][0]["file"].endswith("test_trace_export.py")
    (method,) = found["methods"]
    assert (method["inputs"][0]["name"], method["output"]["name"]) == ("signal", "rest")
    assert method["output"]["tolerance"] == {"absolute": 1e-3, "relative": 1e-2}
    assert found["metadata"] == {"task": "averages"}
    assert found["producer"]["torch"] == torch.__version__


# Writing.


def test_a_failed_save_leaves_the_old_file(path, monkeypatch):
    saved(path)
    before = path.read_bytes()
    monkeypatch.setattr(torch.export, "save", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        saved(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        exported(network(), X).save(path.parent / "none" / "model.pt2")


WRITER = """
import sys, torch, torchship
program = torch.export.export(torch.nn.Linear(512, 512).eval(), (torch.ones(1, 512),))
torchship.save(program, sys.argv[1])
print("saved", flush=True)
while True:
    torchship.save(program, sys.argv[1])
"""


def test_killed_writer_leaves_a_whole_file(path):
    for delay in (0.0, 0.004, 0.011):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE)
        assert writer.stdout.readline() == b"saved\n"
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        assert stock(path)(torch.ones(1, 512)).shape == (1, 512)
        left = [name for name in os.listdir(path.parent) if name != path.name]
        assert all(name.startswith(".torchship-") and name.endswith(".tmp") for name in left)
        assert len(left) <= 3


# Programs that were exported elsewhere.


def program_of(module, *examples):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.export.export(module, examples)


def test_save_takes_an_exported_program(path):
    module = silent().eval()
    program = program_of(module, SECRET)
    torchship.save(program, path, metadata={"task": "silence"})
    assert torch.equal(stock(path)(X), module(X))
    assert records(path)[EXAMPLES] == b"" and program.example_inputs is not None
    found = manifest(path)
    assert (found["methods"], found["samples"]) == ([], [])
    assert found["metadata"] == {"task": "silence"}
    assert set(found["records"]) == {
        name.removeprefix("archive/") for name in records(path) if name != MANIFEST
    }


def test_save_refuses_programs_in_training_mode(path):
    program = program_of(nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5)).train(), X)
    with pytest.raises(ValueError, match="exported in training mode: dropout is on"):
        torchship.save(program, path)
    assert not path.exists()


# ------------------------------------------------------------------------------------------------
# What follows needs torchship.load to read exported programs.


@pytest.mark.parametrize(
    ("module", "examples", "others"),
    [
        (network(), X, [torch.ones(5, 3)]),
        (Experts(), torch.randn(4, 3), [torch.ones(2, 3), -torch.ones(2, 3)]),
        (doubled_until_large, torch.ones(3), [torch.zeros(2), torch.full((4,), 30.0)]),
        (Text(), torch.randint(0, 20, (3, 7)), [torch.randint(0, 20, (2, 16))]),
    ],
    ids=["network", "cond", "while_loop", "text"],
)
def test_load_gives_what_the_program_gives(path, module, examples, others):
    traced = exported(module, examples)
    traced.save(path)
    model = torchship.load(path)
    for other in others:
        torch.testing.assert_close(model(other), traced(other))


def test_load_takes_nested_values_and_names(path):
    module = Many().eval()
    saved(path, module, (torch.randn(4, 3), parts()), kwargs={"scale": 2.0, "mask": None})
    model = torchship.load(path)
    given = torch.randn(6, 3), parts(6)
    got, expected = model(*given, scale=2.0), module(*given, scale=2.0)
    torch.testing.assert_close(got["pair"].best, expected["pair"].best)
    torch.testing.assert_close(got["all"][1], expected["all"][1])
    assert (got["mode"], got["rows"], got["no"]) == ("sum", 6, None)


def test_load_gives_named_tuples_back(path):
    saved(path, lambda corner: Corner(2 * corner.x, corner.y), (Corner(X, X),))
    got = torchship.load(path)(Corner(X, X))
    assert torch.equal(got.x, 2 * X) and torch.equal(got.y, X)


def test_load_keeps_state_between_calls(path):
    saved(path, Averaging(), torch.randn(4, 3))
    model = torchship.load(path)
    first, second = model(torch.ones(2, 3)), model(torch.ones(2, 3))
    torch.testing.assert_close([first, second], [torch.ones(2, 3), torch.full((2, 3), 1.5)])


def test_load_refuses_sizes_that_were_not_promised(path):
    saved(path, Text(), torch.randint(0, 20, (3, 7)))
    with pytest.raises(torchship.SignatureError, match="ids"):
        torchship.load(path)(torch.zeros(2, 17, dtype=torch.int64))


def test_check_passes_and_finds_damage(path):
    saved(path, network(), torch.randn(4, 3))
    assert torchship.check(path)
    content = path.read_bytes()
    weight = records(path)["archive/data/weights/weight_0"]
    assert content.count(weight) == 1
    path.write_bytes(content.replace(weight, bytes(len(weight))))
    with pytest.raises(torchship.ArchiveError):
        torchship.check(path)


def test_info_says_what_was_promised(path):
    saved(path, Text(), torch.randint(0, 20, (3, 7)), metadata={"task": "texts"})
    info = torchship.info(path)
    assert [each.name for each in info.methods] == ["forward"]
    assert str(info.methods[0]).startswith("forward(ids: Tensor)")
    assert info.metadata == {"task": "texts"}


def test_load_reads_what_save_wrote(path):
    module = network().eval()
    torchship.save(program_of(module, X), path)
    torch.testing.assert_close(torchship.load(path)(X), module(X))
