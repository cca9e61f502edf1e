"""`torchship.convert`: methods of TorchScript archives as exported programs."""

import io
import zipfile

import pytest
import torch
import torchship
from convert_support import (
    Scripted,
    check_whole,
    records,
    saved,
    stock_program,
    stock_torchscript,
)
from exported.checking import require_same
from support import legacy
from torch import Tensor, nn
from torchship._archive import extract, read_manifest, write_with_engines


def test_branches_and_loops_of_torchscript_are_in_the_program(tmp_path):
    source, target = tmp_path / "model.pt", tmp_path / "model.pt2"
    scripted = legacy(torch.jit.script, Scripted().eval())
    torchship.save(scripted, source)
    examples = [torch.ones(2, 3), torch.tensor(2)]
    done = torchship.convert(source, target, examples=examples, dynamic={"x": {0: "rows"}})
    assert {"rows=1", "signs flipped"} <= set(done.checked)
    with pytest.raises(EOFError):
        with zipfile.ZipFile(target) as archive:
            torch.load(io.BytesIO(archive.read("archive/data/sample_inputs/model.pt")))
    model, own = stock_program(target), torchship.load(target)
    for sign, steps, rows in ((1, 0, 3), (-1, 3, 1), (1, 5, 2)):
        given = (torch.ones(rows, 3) * sign, torch.tensor(steps))
        expected = scripted(*given)
        require_same(model(*given), expected, None, "stock")
        require_same(own(*given), expected, 1e-5, "torchship")
    [method] = torchship.info(target).methods
    assert [each.name for each in method.dimensions] == ["rows"]
    check_whole(target)


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(6, 5)
        self.register_buffer("scale", torch.arange(3.0))

    def forward(self, batch: dict[str, Tensor], shift: float):
        hidden = torch.tanh(self.body(batch["x"])) + shift
        pair = (self.scale * 2, hidden.shape[0])
        return {"hidden": [hidden * batch["mask"].unsqueeze(1)], "pair": pair}


def batch(rows: int):
    generator = torch.Generator().manual_seed(rows)
    return {"x": torch.randn(rows, 6, generator=generator), "mask": torch.ones(rows)}


def test_containers_constants_and_numbers_of_a_trace(tmp_path):
    module = Heads().eval()
    traced = torchship.trace(module, (batch(4), 0.5), metadata={"task": "heads"})
    source, target = saved(tmp_path / "heads.pt", traced), tmp_path / "heads.pt2"
    torchship.convert(source, target)
    for model in (stock_program(target), torchship.load(target)):
        for rows in (1, 4, 9):
            require_same(model(batch(rows), 0.5), module(batch(rows), 0.5), 1e-5, "result")
    before, after = read_manifest(source), read_manifest(target)
    assert after["samples"] == before["samples"] and after["metadata"] == {"task": "heads"}
    assert after["methods"] == before["methods"]
    assert {"body.weight", "body.bias", "scale"} == set(torch.export.load(target).state_dict)
    check_whole(target)


def test_there_and_back(tmp_path):
    module = Heads().eval()
    source = saved(tmp_path / "a.pt", torchship.trace(module, (batch(4), 0.5)))
    torchship.convert(source, tmp_path / "b.pt2")
    torchship.convert(tmp_path / "b.pt2", tmp_path / "c.pt")
    require_same(
        stock_torchscript(tmp_path / "c.pt")(batch(3), 0.5), module(batch(3), 0.5), 1e-6, "back"
    )
    assert read_manifest(tmp_path / "c.pt")["samples"] == read_manifest(source)["samples"]


def test_a_method_of_several(tmp_path):
    class Several(nn.Module):
        def forward(self, x):
            return x + 1

        def twice(self, x):
            return x * 2

    source, target = tmp_path / "model.pt", tmp_path / "model.pt2"
    examples = {"forward": torch.ones(2, 3), "twice": torch.ones(4)}
    torchship.trace(Several(), methods=examples).save(source)
    torchship.convert(source, target, method="twice")
    assert torch.equal(stock_program(target)(torch.ones(4)), torch.full((4,), 2.0))
    assert {each["method"] for each in read_manifest(target)["samples"]} == {"forward"}
    check_whole(target)


def test_sizes_can_be_fixed(tmp_path):
    source = saved(tmp_path / "a.pt", torchship.trace(nn.Linear(3, 2).eval(), torch.ones(2, 3)))
    torchship.convert(source, tmp_path / "b.pt2", dynamic={})
    [method] = torchship.info(tmp_path / "b.pt2").methods
    assert not method.dimensions
    with pytest.raises(torchship.SignatureError):
        torchship.load(tmp_path / "b.pt2")(torch.ones(5, 3))
    check_whole(tmp_path / "b.pt2")


def test_engines_go_along(tmp_path):
    """Each under the name that the format has for it: stock PyTorch reads extra/ as text."""
    source, program, back = tmp_path / "a.pt", tmp_path / "b.pt2", tmp_path / "c.pt"
    saved(source, torchship.trace(nn.ReLU(), torch.ones(2, 3)))
    manifest, package = read_manifest(source), tmp_path / "package"
    package.write_bytes(b"\xff\xfe\xfd")
    manifest["engines"] = [
        {
            "id": "mine", "record": "extra/torchship/engines/mine.pt2", "copied": [],
            "method": manifest["methods"][0], "checked": True, "ratio": 0.5, "settings": {},
            "target": dict.fromkeys(("device", "arch", "isa", "torch", "threads"), "none"),
        }
    ]  # fmt: skip
    write_with_engines(source, source, manifest, {"extra/torchship/engines/mine.pt2": package})
    torchship.convert(source, program)
    torchship.convert(program, back)
    for path, record in ((program, "data/torchship/engines/mine.pt2"), (back, None)):
        record = record or "extra/torchship/engines/mine.pt2"
        assert [each["record"] for each in read_manifest(path)["engines"]] == [record]
        assert extract(path, record, tmp_path).read_bytes() == package.read_bytes()
        assert {name for name in records(path) if "engines/" in name} == {record}
        check_whole(path)
    assert stock_program(program)(torch.ones(2, 3)).shape == (2, 3)
