"""`torchship.compile`: engines that are right, chosen with a reason, unpacked once."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
import torchship
from support import check_failure, check_message, cli, cli_json, cli_ok, since_torch
from torchship import _bare_root
from torchship._archive import extract, read_manifest, write_with_engines
from torchship.cli import EXECUTABLE
from torchship.compiling import target
from torchship.compiling.target import Target

V3 = target.level_offered("x86-64-v3")
needs_v3 = pytest.mark.skipif(not V3, reason="this CPU has no AVX2")


class TwoHeads(torch.nn.Module):
    """Dicts in, a named pair out, a result that no input goes into."""

    def __init__(self):
        super().__init__()
        self.body = torch.nn.Linear(6, 5)
        self.register_buffer("scale", torch.arange(3.0))

    def forward(self, batch: dict[str, torch.Tensor], shift: float):
        hidden = torch.tanh(self.body(batch["x"])) + shift
        return {"hidden": hidden * batch["mask"].unsqueeze(1), "scale": self.scale * 2}


def example(rows: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(rows)
    return {
        "x": torch.randn(rows, 6, generator=generator),
        "mask": torch.ones(rows),
    }


@pytest.fixture(scope="module")
def traced(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("compile") / "heads.pt"
    torchship.trace(TwoHeads(), (example(4), 0.5)).save(path)
    return path


@pytest.fixture(scope="module")
def compiled(traced) -> Path:
    """Engines for all rows, for every level, and one for a single row."""
    path = traced.with_name("compiled.pt")
    done = torchship.compile(
        traced,
        path,
        isa=["x86-64-v2", "x86-64-v3", "x86-64-v4"],
        threads=1,
        trials=["plain"],
        keep_slower=True,
    )
    assert done.engines == [f"forward-x86-64-v{n}-1t" for n in (3, 2, 4)]
    return measured(path)


def measured(path: Path, ratio: float = 0.5, beside: str | None = "planned") -> Path:
    """The archive with these times for engines that were measured: machines are not alike."""
    manifest = read_manifest(path)
    for engine in manifest["engines"]:
        engine.pop("beside", None)
        if engine["ratio"] is not None:
            engine["ratio"] = ratio
            engine |= {"beside": beside} if beside else {}
    with tempfile.TemporaryDirectory() as folder:
        names = [each["record"] for each in manifest["engines"]]
        files = {name: extract(path, name, Path(folder)) for name in names}
        write_with_engines(path, path, manifest, files)
    return path


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("TORCHSHIP_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(
        torch.allclose(one[key], other[key], atol=1e-5, rtol=1e-4) for key in one
    )


@needs_v3
def test_results_at_every_size(compiled, traced):
    model = torchship.load(compiled, threads=1)
    assert model.engine.name == "compiled"
    interpreter = torchship.load(traced, engine="interpreter")
    for rows in (1, 2, 3, 17):
        assert same(model(example(rows), 0.5), interpreter(example(rows), 0.5))


@needs_v3
def test_results_are_the_callers_own(compiled):
    model = torchship.load(compiled, threads=1)
    first = model(example(2), 0.5)
    kept = {key: value.clone() for key, value in first.items()}
    first["scale"].zero_()
    second = model(example(3), 0.5)
    assert torch.equal(second["scale"], kept["scale"])
    assert torch.equal(first["hidden"], kept["hidden"])


@needs_v3
def test_strided_inputs_and_other_arguments(compiled, traced):
    model = torchship.load(compiled, threads=1)
    interpreter = torchship.load(traced, engine="interpreter")
    wide = {"x": torch.randn(12, 4).T, "mask": torch.ones(8)[::2]}
    wide["x"] = wide["x"][:, ::2]
    assert same(model(wide, 0.5), interpreter(wide, 0.5))
    with pytest.raises(torchship.SignatureError) as raised:
        model({**example(2), "mask": torch.ones(3)}, 0.5)
    check_message(raised.value, "mask", "expected float32[batch]", "got float32[3]")


def test_stock_torch_opens_it(compiled):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        stock = torch.jit.load(compiled)
    assert same(stock(example(3), 0.5), torchship.load(compiled, threads=1)(example(3), 0.5))


@needs_v3
@pytest.mark.parametrize(
    ("level", "engine", "reason"),
    [
        ("x86-64-v3", "forward-x86-64-v3-1t", "it needs a CPU of level x86-64-v4"),
        ("x86-64-v2", "forward-x86-64-v2-1t", "it needs a CPU of level x86-64-v3"),
        ("x86-64-v1", "planned", "it needs a CPU of level x86-64-v2"),
    ],
)
def test_older_processors(compiled, monkeypatch, level, engine, reason):
    monkeypatch.setenv("TORCHSHIP_CPU", level)
    model = torchship.load(compiled, threads=1)
    assert engine in model.engine.reason or engine == model.engine.name
    assert any(reason in each.reason for each in model.engine.passed_over)
    assert model.check().passed


@needs_v3
def test_info_check_and_bench_know_every_engine(compiled, monkeypatch):
    monkeypatch.setenv("TORCHSHIP_CPU", "x86-64-v3")
    engines = cli_json("info", compiled)["engines"]
    assert [each["target"]["isa"] for each in engines] == ["x86-64-v3", "x86-64-v2", "x86-64-v4"]
    assert engines[0]["checked"] and engines[0]["ratio"] > 0
    assert "forward-x86-64-v3-1t" in cli("info", compiled).stdout
    report = cli_json("check", compiled, "--threads", "1")
    assert report["passed"]
    names = [each["engine"] for each in report["engines"]]
    assert names == ["forward-x86-64-v3-1t", "forward-x86-64-v2-1t", "planned", "interpreter"]
    (passed,) = report["passed_over"]
    assert passed["engine"] == "forward-x86-64-v4-1t" and "x86-64-v4" in passed["reason"]
    found = cli_json("bench", compiled, "--engine", "all", "--threads", "1", "--seconds", "0.05")
    assert [each["engine"] for each in found["engines"]] == names


@needs_v3
def test_an_engine_asked_for_by_name(compiled, monkeypatch):
    model = torchship.load(compiled, engine="forward-x86-64-v2-1t", threads=1)
    assert model.engine.name == "compiled" and "v2" in model.engine.reason
    assert torchship.load(compiled, engine="interpreter").engine.name == "interpreter"
    monkeypatch.setenv("TORCHSHIP_CPU", "x86-64-v2")
    with pytest.raises(torchship.EngineError) as raised:
        torchship.load(compiled, engine="forward-x86-64-v3-1t", threads=1)
    check_message(raised.value, "forward-x86-64-v3-1t", "it needs a CPU of level x86-64-v3")
    with pytest.raises(torchship.EngineError) as raised:
        torchship.load(compiled, engine="nonsense")
    check_message(raised.value, "has no engine 'nonsense'", '"compiled"')


@needs_v3
@pytest.mark.parametrize(
    ("ratio", "beside", "reason"),
    [
        (1.5, "planned", "it was slower than planned where it was compiled"),
        (0.5, None, "it was measured beside interpreter"),
    ],
)
def test_slower_engines_are_passed_over(compiled, tmp_path, monkeypatch, ratio, beside, reason):
    monkeypatch.setenv("TORCHSHIP_CPU", "x86-64-v3")  # The engine that was measured.
    path = measured(shutil.copy(compiled, tmp_path / "slow.pt"), ratio, beside)
    for engine in ("auto", "compiled"):
        model = torchship.load(path, threads=1, engine=engine)
        passed = {each.engine: each.reason for each in model.engine.passed_over}
        is_auto = engine == "auto"
        assert ("forward-x86-64-v3-1t" in passed) == is_auto
        assert ("forward-x86-64-v3-1t" in model.engine.reason) != is_auto
        if is_auto:
            assert reason in passed["forward-x86-64-v3-1t"]
        assert model.check().passed


@needs_v3
def test_many_processes_unpack_once(compiled, tmp_path):
    """64 processes that open the archive for the first time, at the same time."""
    cache = tmp_path / "cache"
    environment = {**os.environ, "TORCHSHIP_CACHE": str(cache), "TORCHSHIP_CPU": "x86-64-v3"}
    text = [EXECUTABLE, "check", compiled, "--engine", "forward-x86-64-v3-1t",
            "--threads", "1", "--json"]  # fmt: skip
    running = [
        subprocess.Popen(text, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(64)
    ]
    for each in running:
        out, error = each.communicate(timeout=300)
        assert each.returncode == 0, error
        assert json.loads(out)["passed"]
    assert len(list(cache.glob("*.so"))) == 1
    assert not list(cache.glob(".torchship-*"))


@needs_v3
@pytest.mark.parametrize("harm", ["garbage", "shorter", "a folder"])
def test_a_poisoned_cache_is_written_anew(compiled, tmp_path, monkeypatch, harm):
    monkeypatch.setenv("TORCHSHIP_CACHE", str(tmp_path / "cache"))
    options = {"engine": "forward-x86-64-v3-1t", "threads": 1}
    torchship.load(compiled, **options)
    (file,) = (tmp_path / "cache").glob("*.so")
    good = file.read_bytes()
    if harm == "a folder":
        file.unlink()
        file.mkdir()
    else:
        file.chmod(0o700)
        garbage = b"\x7fELF" + os.urandom(len(good) - 4)
        bad = garbage if harm == "garbage" else good[: len(good) // 2]
        file.unlink()
        file.write_bytes(bad)
    script = (
        "import torchship, sys; m = torchship.load(sys.argv[1], engine=sys.argv[2], threads=1); "
        "print(m.check().passed)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, compiled, "forward-x86-64-v3-1t"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "True\n", done.stderr
    if harm != "a folder":
        assert file.read_bytes() == good


@needs_v3
def test_without_a_cache(compiled, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCHSHIP_CACHE", "/proc/nowhere")
    model = torchship.load(compiled, engine="compiled", threads=1)
    assert model.check().passed
    assert not list(tmp_path.iterdir())


def test_damage_is_found_before_it_runs(compiled, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHSHIP_CACHE", str(tmp_path / "cache"))
    broken = tmp_path / "broken.pt"
    data = bytearray(compiled.read_bytes())
    with zipfile.ZipFile(compiled) as file:
        (record,) = (i for i in file.infolist() if i.filename.endswith("v3-1t.pt2"))
    at = data.index(b"\x7fELF", record.header_offset)
    data[at + 4096] ^= 0xFF
    broken.write_bytes(data)
    with pytest.raises(torchship.Error) as raised:
        torchship.load(broken, engine="forward-x86-64-v3-1t", threads=1, verify=False)
    check_message(raised.value, "broken.pt", "is damaged")
    assert not list((tmp_path / "cache").glob("*.so"))


@needs_v3
def test_a_manifest_that_describes_another_library(compiled, tmp_path):
    manifest = read_manifest(compiled)
    engine = manifest["engines"][0]
    engine["method"]["output"]["entries"].append(
        ["third", {"kind": "tensor", "dtype": "float32", "shape": [None]}]
    )
    names = [each["record"] for each in manifest["engines"]]
    files = {name: extract(compiled, name, tmp_path) for name in names}
    path = tmp_path / "other.pt"
    write_with_engines(compiled, path, manifest, files)
    with pytest.raises(torchship.EngineError) as raised:
        torchship.load(path, engine=engine["id"], threads=1)
    check_message(raised.value, "takes 2 tensors and gives 2, but the file says 2 and 3")
    assert torchship.load(path, threads=1).check().passed


def test_an_engine_for_a_gpu_beside_one_for_the_cpu(compiled, tmp_path):
    """What `compile --device cuda` says of its engine; the code itself is another's here."""
    manifest = read_manifest(compiled)
    target = Target("sm_90", 1, "cuda")
    manifest["engines"][0] |= {"id": f"forward-{target.name}", "target": target.describe()}
    names = [each["record"] for each in manifest["engines"]]
    path = tmp_path / "both.pt"
    write_with_engines(compiled, path, manifest, {n: extract(compiled, n, tmp_path) for n in names})
    model = torchship.load(path, threads=1)
    reasons = {each.engine: each.reason for each in model.engine.passed_over}
    assert reasons["forward-sm_90"] == "it is for cuda, and the model is on cpu"
    assert model.check().passed
    with pytest.raises(torchship.EngineError) as raised:
        torchship.load(path, engine="forward-sm_90")
    check_message(raised.value, "it is for cuda")
    assert "forward-sm_90" in cli_ok("info", path)


def test_the_strict_policy_refuses_machine_code(compiled):
    with pytest.raises(torchship.ArchiveError) as raised:
        torchship.load(compiled, policy="strict")
    check_message(raised.value, "audit-native-code")


@needs_v3
@pytest.mark.parametrize("is_stripped", [False, True])
def test_in_a_root_without_anything(compiled, tmp_path, is_stripped):
    """The library is in /tmp: there is no home, and no /proc to reach memory by."""
    root = tmp_path / "root"
    if is_stripped:
        torchship.bundle(compiled, root, libc=True)
    else:
        _bare_root.make_bare_root(root, compiled)
    assert stat.S_IMODE((root / "tmp").stat().st_mode) == 0o1777
    done = _bare_root.run_in(
        root, "/bin/torchship", "check", f"/{compiled.name}", "--threads", "1", "--json"
    )
    if "Operation not permitted" in done.stderr:
        pytest.skip(f"the root may not be entered here: {done.stderr.strip()}")
    report = json.loads(done.stdout)
    assert report["passed"]
    assert "forward-x86-64-v3-1t" in [each["engine"] for each in report["engines"]], report
    assert not list((root / "tmp").iterdir())


@since_torch("2.13", "looks for the generated source in a package")
def test_stock_torch_runs_the_package(compiled, tmp_path, monkeypatch):
    """What is in the archive is a package as AOTInductor's own loader takes it."""
    with zipfile.ZipFile(compiled) as file:
        (name,) = (n for n in file.namelist() if n.endswith("v2-1t.pt2"))
        package = tmp_path / "engine.pt2"
        package.write_bytes(file.read(name))
    model = torch._inductor.aoti_load_package(str(package))
    batch = example(3)
    hidden, scale = model(batch["x"], batch["mask"])
    assert torch.allclose(scale, torch.arange(3.0) * 2)
    # And it opens here like an archive, with what it says of itself.
    info = torchship.info(package)
    assert info.format == "aotinductor" and len(info.methods[0].inputs) == 2
    # Its source, which tells the sizes of its inputs, is not in it.
    monkeypatch.delenv("AOTI_RUNTIME_CHECK_INPUTS", raising=False)
    with pytest.raises(torchship.EngineError) as raised:
        torchship.load(package)
    check_message(raised.value, "does not say what sizes", "read beyond their end")
    monkeypatch.setenv("AOTI_RUNTIME_CHECK_INPUTS", "1")
    own = torchship.load(package)
    assert torch.equal(own(batch["x"], batch["mask"])[0], hidden)
    with pytest.raises(torchship.Error):
        own(batch["x"][:, :2], batch["mask"])
    check_failure(cli("check", package), 1, "holds no samples")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ((), 2, "the following arguments are required"),
        (("{}", "--isa", "sparc"), 2, "invalid choice: 'sparc'"),
        (("{}", "--size", "batch"), 2, "--size is NAME=N"),
        (("{}", "--threads", "0"), 2, "threads is 1 or more, not 0"),
        (("{}", "--budget", "nan"), 2, "budget is seconds, 0 or more, not nan"),
        (("{}", "--budget", "-1"), 2, "budget is seconds, 0 or more, not -1"),
        (("{}", "--trial", "tuned"), 1, "there are no settings 'tuned'"),
        (("{}", "-o", "{}/no/such/x.pt"), 1, "there is no folder"),
        (("{}", "-o", "/tmp"), 1, "it is not a regular file"),
        (("{}", "--dynamic", "x"), 2, "--dynamic is INPUT:DIM=NAME"),
        (("{}", "-i", "x=3"), 2, "-i is NAME=VALUE, for an input of ['batch', 'shift']"),
        (("{}", "--device", "tpu"), 1, "compiled for cpu, cuda and cuda:N, not for 'tpu'"),
        (("{}", "--device", "cuda", "--isa", "native"), 1, "isa is of CPUs"),
        pytest.param(
            ("{}", "--device", "cuda"), 1, "compile on a machine that has one",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU"),
        ),
        (("{}", "--method", "backward"), 1, "has no method 'backward'"),
        (("{}", "--size", "depth=3"), 1, "no size 'depth' that varies"),
        (("absent.pt",), 1, "absent.pt: no such file"),
    ],
)
def test_bad_usage(traced, arguments, status, message):
    before = traced.read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "torchship", "compile", *(a.format(traced) for a in arguments)],
        capture_output=True, text=True,
    )  # fmt: skip
    check_failure(done, status, message)
    assert traced.read_bytes() == before


def test_models_that_keep_state_are_left_alone(tmp_path):
    class Counter(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x):
            self.calls += 1
            return x + self.calls

    path = tmp_path / "counter.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torchship.save(torch.jit.script(Counter().eval()), path)
    before = path.read_bytes()
    with pytest.raises(torchship.Error) as raised:
        torchship.compile(path, examples=[torch.ones(2)])
    check_message(raised.value, "calls")
    assert path.read_bytes() == before


@pytest.mark.slow
@needs_v3
def test_an_archive_of_another_maker(tmp_path):
    """No manifest and no samples: the example is on the command line, and becomes a sample."""

    def scale(x: torch.Tensor, factor: float = 2.0) -> torch.Tensor:
        return torch.relu(x) * factor

    path = tmp_path / "plain.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(scale).save(str(path))
    done = subprocess.run(
        [sys.executable, "-m", "torchship", "compile", path, "--threads", "1", "--trial", "plain",
         "--keep-slower", "-i", "x=[1,2,3]", "-i", "factor=2.0", "--dynamic", "x:0=length",
         "--json"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["engines"] == ["forward-x86-64-v3-1t"]
    model = torchship.load(measured(path), threads=1)
    assert model.engine.name == "compiled" and model.check().passed
    x = torch.tensor([-1.0, 1.0])
    for arguments in ((x, 2.0), (x, 3.0)):
        assert torch.equal(model(*arguments), scale(*arguments))


class Experts(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.yes, self.no = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)

    def forward(self, x):
        return torch.cond(x.sum() > 0, self.yes, self.no, (x,))


@pytest.mark.slow
@needs_v3
@pytest.mark.parametrize("is_ours", [True, False])
def test_an_exported_program(tmp_path, is_ours):
    """It stays one that stock PyTorch opens: binary records are not under extra/."""
    path, module, x = tmp_path / "experts.pt2", Experts().eval(), torch.randn(4, 3)
    if is_ours:
        torchship.trace(module, x, via="export").save(path)
    else:
        rows = ({0: torch.export.Dim.DYNAMIC},)
        torch.export.save(torch.export.export(module, (x,), dynamic_shapes=rows), path)
    done = torchship.compile(path, threads=1, trials=["plain"], keep_slower=True)
    assert done.engines == ["forward-x86-64-v3-1t"]
    with zipfile.ZipFile(path) as archive:
        records = {name.partition("/")[2] for name in archive.namelist()}
    own = {name for name in records if "torchship/" in name}
    assert own == {
        "extra/torchship/manifest.json",
        "data/torchship/samples.safetensors",
        "data/torchship/engines/forward-x86-64-v3-1t.pt2",
    }
    model, stock = torchship.load(measured(path), threads=1), torch.export.load(path).module()
    assert model.engine.name == "compiled" and model.check().passed
    for given in (torch.ones(2, 3), -torch.ones(5, 3)):
        assert torch.allclose(model(given), module(given), atol=1e-6)
        assert torch.equal(stock(given), module(given))
    again = torchship.compile(path, threads=1, trials=["plain"], keep_slower=True, replace=True)
    assert again.engines == done.engines and len(read_manifest(path)["engines"]) == 1


@pytest.mark.slow
@needs_v3
def test_all_trials_of_the_articles_network(tmp_path):
    sys.path.insert(0, str(Path(__file__).parents[2] / "models"))
    import toy_mlp

    path = tmp_path / "toy.pt"
    module = toy_mlp.build().eval()
    torchship.trace(module, torch.ones(1, 3)).save(path)
    done = torchship.compile(path, threads=1, sizes=[{"batch": 1}], module=module, keep_slower=True)
    assert done.engines == ["forward-x86-64-v3-1t", "forward-batch1-x86-64-v3-1t"]
    assert [each.problem for tried in done.trials.values() for each in tried] == [""] * 8
    model = torchship.load(measured(path), threads=1)
    assert model.engine.name == "compiled"
    ones, twos = model(torch.ones(1, 3)), model(torch.full((1, 3), 2.0))
    assert torch.allclose(ones, module(torch.ones(1, 3)))
    assert torch.allclose(twos, module(torch.full((1, 3), 2.0)))
    again = torchship.compile(path, threads=1, trials=["products"], keep_slower=True)
    assert again.engines == ["forward-x86-64-v3-1t"]
    assert len(torchship.info(path).engines) == 2
