"""Exported programs as files: those of older PyTorch versions, and what is refused."""

import json
import subprocess
import zipfile
from pathlib import Path

import pytest
import torch
import torchship
from exported.checking import require_same
from exported.registry import quiet
from support import since_torch
from torch import nn

FOLDER = Path(__file__).parent / "exported_files"
FILES = sorted(FOLDER.glob("torch-*/*.pt2"))


@pytest.mark.parametrize("file", FILES, ids=[f"{f.parent.name}-{f.stem}" for f in FILES])
@pytest.mark.parametrize("optimize", [False, True], ids=["recorded", "optimized"])
def test_files_of_older_versions(file, optimize):
    """What torch 2.6 to 2.12 wrote gives what it gave there."""
    expected = torch.load(FOLDER / "expected" / f"{file.stem}.pt", weights_only=True)
    model = torchship.load(file, optimize=optimize)
    for k, case in enumerate(expected["cases"]):
        result = model(*case["args"], **case["kwargs"])
        require_same(result, case["outputs"], 1e-4, f"case {k}")


def test_every_version_is_here():
    versions = {file.parent.name for file in FILES}
    assert versions == {f"torch-2.{minor}" for minor in range(6, 13)}


def test_info_tells_who_wrote_it():
    for file in FILES:
        info = torchship.info(file)
        assert info.format == "exported program"
        assert info.producer.torch.startswith(file.parent.name.removeprefix("torch-"))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x):
        return self.linear(x).relu()


@pytest.fixture
def saved(tmp_path):
    def save(module, *args, **options):
        path = tmp_path / "model.pt2"
        with quiet():
            torch.export.save(torch.export.export(module.eval(), args, **options), path)
        return path

    return save


def changed(path, change):
    """The file with another program: `change` gets its JSON."""
    target = path.with_name("changed.pt2")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as out:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("models/model.json"):
                program = json.loads(content)
                change(program)
                content = json.dumps(program).encode()
            out.writestr(name, content)
    return target


def test_another_major_version_is_refused_naming_both(saved):
    def newer(program):
        program["schema_version"] = {"major": 9, "minor": 3}

    path = changed(saved(Net(), torch.randn(2, 3)), newer)
    with pytest.raises(torchship.ArchiveError, match="version 9.3 .* reads version 8") as caught:
        torchship.load(path)
    assert "newer" in caught.value.hint


def test_missing_operators_are_all_named(saved):
    def without(program):
        nodes = program["graph_module"]["graph"]["nodes"]
        nodes[0]["target"] = "torch.ops.shop.price.default"
        nodes[1]["target"] = "torch.ops.torchvision.nms.default"

    path = changed(saved(Net(), torch.randn(2, 3)), without)
    with pytest.raises(torchship.ArchiveError, match="shop::price, torchvision::nms"):
        torchship.load(path)
    findings = torchship.lint(path)
    assert [f.code for f in findings if f.severity == "error"] == ["missing-operator"] * 2
    assert findings[0].line > 0 and findings[0].file.endswith("test_exported_files.py")
    assert "self.linear(x).relu()" in findings[0].source


class Under(nn.Module):
    def __init__(self, region):
        super().__init__()
        self.region = region
        self.linear = nn.Linear(3, 2)

    def forward(self, x):
        if self.region == "vmap":
            return torch.vmap(self.linear)(x)
        with torch.autocast("cpu", torch.bfloat16):
            return self.linear(x)


@pytest.mark.parametrize(
    "region",
    [pytest.param("vmap", marks=since_torch("2.13", "cannot save it")), "autocast"],
)
def test_regions_of_python_are_refused_with_the_way_out(saved, region, tmp_path):
    path = saved(Under(region), torch.randn(2, 3))
    with pytest.raises(torchship.ArchiveError, match=region) as caught:
        torchship.load(path)
    assert "run_decompositions" in caught.value.hint
    decomposed = tmp_path / "decomposed.pt2"
    with quiet():
        torch.export.save(torch.export.load(path).run_decompositions(), decomposed)
    x = torch.randn(2, 3)
    expected = torch.export.load(path).module()(x)
    torch.testing.assert_close(torchship.load(decomposed)(x), expected)


def test_sizes_are_promises(saved):
    batch = torch.export.Dim("batch", min=2, max=8)
    path = saved(Net(), torch.randn(4, 3), dynamic_shapes={"x": {0: batch}})
    model = torchship.load(path)
    for size in (1, 2, 8):
        assert model(torch.randn(size, 3)).shape == (size, 2)
    with pytest.raises(torchship.SignatureError, match="from 1 to 8"):
        model(torch.randn(9, 3))
    with pytest.raises(torchship.SignatureError, match="expected float32"):
        model(torch.randn(2, 3, dtype=torch.float64))


class Pair(nn.Module):
    def forward(self, x, y):
        return x.repeat(2) + y


def test_sizes_that_follow_from_others(saved):
    n = torch.export.Dim("n", max=50)
    path = saved(
        Pair(), torch.randn(3), torch.randn(6), dynamic_shapes={"x": {0: n}, "y": {0: 2 * n}}
    )
    model = torchship.load(path)
    assert model(torch.ones(5), torch.ones(10)).tolist() == [2.0] * 10
    with pytest.raises(torchship.SignatureError, match=r"2\*s\d+ = 10, got 12"):
        model(torch.ones(5), torch.ones(12))


class ByRows(nn.Module):
    def forward(self, x):
        if x.shape[0] * 2 > 7:
            return x + 1
        return x - 1


def test_branches_on_sizes_hold_for_their_sizes_alone(saved):
    """The program has one branch, and torch's own module refuses sizes of the other one."""
    path = saved(ByRows(), torch.ones(5), dynamic_shapes={"x": {0: torch.export.Dim.DYNAMIC}})
    model, module = torchship.load(path), torch.export.load(path).module()
    for rows in range(1, 9):
        try:
            expected = module(torch.ones(rows))
        except (AssertionError, RuntimeError):
            with pytest.raises(torchship.Error, match="exported for other sizes|expected float32"):
                model(torch.ones(rows))
        else:
            assert torch.equal(model(torch.ones(rows)), expected)


class Item(nn.Module):
    def forward(self, x, n):
        size = n.item()
        torch._check(size >= 2)
        torch._check(size <= 5)
        return x.sum() + torch.zeros(size)


def test_assertions_are_errors_with_their_reason(saved):
    model = torchship.load(saved(Item(), torch.randn(3), torch.tensor(3)))
    assert model(torch.ones(3), torch.tensor(4)).tolist() == [3.0] * 4
    with pytest.raises(torchship.EngineError, match="at least 2|>= 2") as caught:
        model(torch.ones(3), torch.tensor(1))
    assert "test_exported_files.py" in caught.value.hint


def test_strict_policy_takes_programs(saved):
    path = saved(Net(), torch.randn(2, 3))
    x = torch.randn(2, 3)
    assert torch.equal(torchship.load(path, policy="strict")(x), torchship.load(path)(x))
    assert not [f for f in torchship.lint(path, audit=True) if f.severity == "error"]


def test_strict_policy_refuses_operators_that_reach_out(saved):
    def from_file(program):
        nodes = program["graph_module"]["graph"]["nodes"]
        nodes[0]["target"] = "torch.ops.aten.from_file.default"
        nodes[0]["inputs"] = [{"name": "filename", "arg": {"as_string": "/etc/passwd"}, "kind": 1}]

    path = changed(saved(Net(), torch.randn(2, 3)), from_file)
    with pytest.raises(torchship.ArchiveError, match="audit-operator"):
        torchship.load(path, policy="strict")


class Dropping(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.spare = nn.Linear(3, 300)

    def forward(self, x, unused):
        return torch.dropout(self.linear(x), 0.5, True) + torch.rand(3)


def test_lint_knows_programs(saved):
    findings = torchship.lint(saved(Dropping(), torch.randn(2, 3), torch.randn(2)))
    codes = {f.code for f in findings}
    assert {"train-mode", "random", "unused-input", "unused-parameter", "example-inputs"} <= codes
    place = {f.code: f.place for f in findings}
    assert place["unused-parameter"].startswith("spare")
    source = {f.code: f.source for f in findings}
    assert "torch.dropout(self.linear(x), 0.5, True)" in source["train-mode"]


def test_check_runs_the_inputs_that_the_file_holds(saved):
    path = saved(Net(), torch.randn(2, 3))
    report = torchship.check(path)
    assert report.passed and len(report.samples) == 1
    done = subprocess.run(
        [torchship.cli.EXECUTABLE, "check", path], capture_output=True, text=True
    )
    assert done.returncode == 0 and "passed: 1 sample" in done.stdout


def test_damage_is_refused(saved):
    path = saved(Net(), torch.randn(2, 3))
    content = bytearray(path.read_bytes())
    weight = torch.export.load(path).state_dict["linear.weight"].detach().numpy().tobytes()
    content[content.index(weight)] ^= 1
    path.write_bytes(content)
    with pytest.raises(torchship.ArchiveError, match="weight_"):
        torchship.load(path)


def test_weights_lie_in_the_file(saved):
    path = saved(nn.Sequential(nn.Linear(512, 512)), torch.randn(2, 512))
    model = torchship.load(path)
    assert str(path) in Path("/proc/self/maps").read_text()
    x = torch.randn(2, 512)
    expected = model(x)
    path.unlink()
    assert torch.equal(model(x), expected)
    del model
    assert str(path) not in Path("/proc/self/maps").read_text()
