"""Every code of `torchship lint` on a module that has the fault and on one that has not."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchship
from handmade import MANIFEST, digests, read_records, write_records
from hazards import CLEAN
from hazards.findings import verdict
from lint_cases import CASES, Case, X, linear, traced
from support import check_failure, check_message, cli, cli_json, cli_ok, legacy, scripted
from torch import nn
from torchship.cli import EXECUTABLE

ROOT = Path(__file__).resolve().parents[2]
LINES = (Path(__file__).parent / "lint_cases.py").read_text().splitlines()
PAGE = (ROOT / "docs" / "lint.md").read_text()
OPERATORS = ROOT / "build" / "make" / "tests" / "cpp" / "libtorchship_test_operators.so"

# Those that need other archives than torch.jit makes have tests of their own below.
OTHER_CODES = {"missing-operator", "uncompilable", "version-skew", "example-inputs"}


def save(module: torch.jit.ScriptModule, path: Path) -> Path:
    legacy(torch.jit.save, module, str(path))
    return path


def found(path: Path, code: str, **options) -> list:
    return [each for each in torchship.lint(path, **options) if each.code == code]


def name(case: Case) -> str:
    return f"{case.code} {re.sub('[^a-z]+', '-', case.at.lower()).strip('-')}"


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_fault_is_found(case, tmp_path):
    path = save(case.faulty(), tmp_path / "m.pt")
    (finding,) = found(path, case.code)
    assert finding.severity == case.severity
    if case.at.startswith("@"):
        assert case.at[1:] in (finding.place, finding.method)
    else:
        (line,) = [i for i, text in enumerate(LINES, 1) if case.at in text and "return Case" not in text
                   and not text.strip().startswith('"')]
        assert (Path(finding.file).name, finding.line) == ("lint_cases.py", line)
    assert finding.message and "\n" not in finding.message
    assert finding.hint and "\n" not in finding.hint
    assert found(path, case.code, ignore=[case.code]) == []


@pytest.mark.parametrize("case", CASES, ids=name)
def test_without_the_fault_nothing_is_found(case, tmp_path):
    path = save(case.sound(), tmp_path / "m.pt")
    assert found(path, case.code) == []


def test_example_inputs_are_somebodys_data(tmp_path):
    path = save(traced(linear(), X), tmp_path / "m.pt")
    (finding,) = found(path, "example-inputs")
    assert (finding.severity, finding.place) == ("warning", "traced_inputs.pkl")
    assert "32 bytes" in finding.message
    torchship.trace(linear(), X).save(tmp_path / "ours.pt")
    assert found(tmp_path / "ours.pt", "example-inputs") == []


def change_code(source: Path, target: Path, old: bytes, new: bytes) -> Path:
    """Write `source` to `target` with other code, and the right digests where there are any."""
    records = read_records(source)
    (code,) = [n for n in records if n.endswith(".py") and old in records[n]]
    records[code] = records[code].replace(old, new)
    if MANIFEST in records:
        manifest = json.loads(records[MANIFEST])
        manifest["records"] = digests(records)
        records[MANIFEST] = json.dumps(manifest).encode()
    return write_records(target, records)


@pytest.fixture
def foreign(tmp_path):
    """An archive that needs operators of three libraries."""
    path = save(traced(linear(), X), tmp_path / "plain.pt")
    call = b"torch.linear(input, weight, bias)"
    foreign = (
        b"ops.torchvision.nms(ops.torch_scatter.scatter_max(ops.acme.spin(torch.linear(input, "
        b"weight, bias)), weight), bias, 0.5)"
    )
    return change_code(path, tmp_path / "m.pt", call, foreign)


def test_missing_operators_are_all_named_at_once(foreign):
    findings = {each.message.split()[2]: each for each in found(foreign, "missing-operator")}
    assert set(findings) == {"torchvision::nms", "torch_scatter::scatter_max", "acme::spin"}
    assert all(each.severity == "error" for each in findings.values())
    assert "torchvision" in findings["torchvision::nms"].hint
    assert "torch-scatter" in findings["torch_scatter::scatter_max"].hint
    assert "--op-library" in findings["acme::spin"].hint
    with pytest.raises(torchship.ArchiveError):
        torchship.load(foreign)


def test_the_rest_is_seen_beside_missing_operators(foreign):
    assert [each.code for each in torchship.lint(foreign)].count("example-inputs") == 1


def test_code_that_cannot_be_compiled(tmp_path):
    path = save(traced(linear(), X), tmp_path / "plain.pt")
    assert found(path, "uncompilable") == []
    broken = change_code(path, tmp_path / "m.pt", b"torch.linear(", b"torch.linear(3, ")
    (finding,) = found(broken, "uncompilable")
    assert finding.severity == "error"
    assert "Linear" in finding.message


def test_a_newer_file_format(tmp_path):
    path = save(traced(linear(), X), tmp_path / "plain.pt")
    assert found(path, "version-skew") == []
    records = read_records(path)
    version = ".data/version" if ".data/version" in records else "version"
    records[version] = b"99"
    (finding,) = found(write_records(tmp_path / "m.pt", records), "version-skew")
    assert finding.severity == "error" and "99" in finding.message


def test_a_newer_torch(tmp_path):
    torchship.trace(linear(), X).save(tmp_path / "plain.pt")
    assert found(tmp_path / "plain.pt", "version-skew") == []
    records = read_records(tmp_path / "plain.pt")
    manifest = json.loads(records[MANIFEST])
    manifest["producer"]["torch"] = "9.1.0"
    records[MANIFEST] = json.dumps(manifest).encode()
    (finding,) = found(write_records(tmp_path / "m.pt", records), "version-skew")
    assert finding.severity == "warning" and "9.1.0" in finding.message


def test_hazards_of_the_tracer_are_in_it(tmp_path):
    class Branch(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if x.sum() > 0 else -x

    torchship.trace(Branch(), X, strict=False).save(tmp_path / "m.pt")
    (finding,) = found(tmp_path / "m.pt", "lost-branch")
    assert finding.severity == "error" and Path(finding.file).name == "test_lint.py"


def test_alike_findings_are_one(tmp_path):
    model = nn.Sequential(*(nn.BatchNorm1d(4, track_running_stats=False) for _ in range(3)))
    path = save(traced(model, X), tmp_path / "m.pt")
    findings = found(path, "train-mode")
    assert len(findings) == 1
    assert "2 more" in findings[0].message or "3" in findings[0].message


def test_the_worst_comes_first(tmp_path):
    path = save(traced(nn.Sequential(linear(), nn.Dropout(0.5)), X, train=True), tmp_path / "m.pt")
    ranks = [["error", "warning", "note"].index(each.severity) for each in torchship.lint(path)]
    assert len(ranks) > 1 and ranks == sorted(ranks)


def test_single_findings_are_silenced(tmp_path):
    path = save(CASES[0].faulty(), tmp_path / "m.pt")
    (finding,) = found(path, "baked-device")
    place = f"baked-device@lint_cases.py:{finding.line}"
    assert found(path, "baked-device", ignore=[place]) == []
    assert found(path, "baked-device", ignore=["baked-device@lint_cases.py:1"]) == [finding] or len(
        found(path, "baked-device", ignore=["baked-device@lint_cases.py:1"])
    )


@pytest.mark.parametrize("case", CLEAN, ids=lambda case: case.name)
def test_sound_models_are_not_accused(case, tmp_path):
    verdict(case).traced.save(tmp_path / "m.pt")
    grave = [f for f in torchship.lint(tmp_path / "m.pt") if f.severity != "note"]
    assert grave == []


def test_every_code_is_documented_and_tested():
    documented = set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE))
    assert documented == {case.code for case in CASES} | OTHER_CODES


def test_the_executable(tmp_path):
    path = save(CASES[3].faulty(), tmp_path / "m.pt")
    text = cli_ok("lint", path)
    assert text.startswith(str(path)) and "train-mode" in text and "1 error, 1 warning" in text
    findings = cli_json("lint", path)["findings"]
    assert [each["code"] for each in findings] == ["train-mode", "example-inputs"]
    assert cli("lint", path, "--deny", "error").returncode == 1
    assert cli("lint", path, "--deny", "error", "--ignore", "train-mode").returncode == 0
    assert cli("lint", path, "--deny", "warning", "--ignore", "train-mode").returncode == 1
    check_failure(cli("lint", path, "--deny", "all"), 2, "--deny")
    check_failure(cli("lint", tmp_path / "none.pt"), 1, "none.pt")


def test_nothing_found(tmp_path):
    torchship.trace(linear(), X).save(tmp_path / "m.pt")
    assert "nothing found" in cli_ok("lint", tmp_path / "m.pt")
    assert cli("lint", tmp_path / "m.pt", "--deny", "note").returncode == 0


CUSTOM = """
import sys, warnings
warnings.simplefilter("ignore")
import torch
torch.ops.load_library(sys.argv[1])
class Custom(torch.nn.Module):
    def forward(self, x):
        return torch.ops.torchship_test.scale(x, 2.5) + 1
torch.jit.script(Custom()).save(sys.argv[2])
"""

LOAD = """
import sys, torch, torchship
model = torchship.load(sys.argv[2], operator_libraries=[sys.argv[1]])
assert torch.equal(model(torch.ones(3)), torch.full((3,), 3.5))
print([f.code for f in torchship.lint(sys.argv[2])])
"""


@pytest.fixture(scope="module")
def custom(tmp_path_factory):
    """An archive that needs the operators of tests/cpp/operators; made in a process of its own."""
    path = tmp_path_factory.mktemp("custom") / "m.pt"
    subprocess.run([sys.executable, "-c", CUSTOM, OPERATORS, path], check=True)
    return path


def test_operator_libraries(custom):
    with pytest.raises(torchship.ArchiveError) as caught:
        torchship.load(custom)
    check_message(caught.value, "torchship_test::scale")
    (finding,) = found(custom, "missing-operator")
    assert "torchship_test::scale" in finding.message
    done = subprocess.run(
        [sys.executable, "-c", LOAD, OPERATORS, custom], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_operator_libraries_of_the_executable(custom):
    assert "3.5" in cli_ok("run", custom, "-i", "x=1,1,1", "--op-library", OPERATORS)
    check_failure(cli("run", custom, "-i", "x=1,1,1"), 1, "torchship_test::scale")
    assert "nothing found" in cli_ok("lint", custom, "--op-library", OPERATORS)
    assert "missing-operator" in cli_ok("lint", custom)


def test_a_library_that_is_none(custom, tmp_path):
    (tmp_path / "bad.so").write_text("no library")
    check_failure(cli("lint", custom, "--op-library", tmp_path / "bad.so"), 1, "bad.so")
    check_failure(cli("lint", custom, "--op-library", tmp_path / "none.so"), 1, "none.so")
    with pytest.raises(torchship.ArchiveError):
        torchship.load(custom, operator_libraries=[tmp_path / "bad.so"])


def test_colour_is_for_terminals(tmp_path):
    path = save(CASES[3].faulty(), tmp_path / "m.pt")
    assert "\x1b" not in cli_ok("lint", path)
    shown = subprocess.run(
        ["script", "-qec", f"{EXECUTABLE} lint {path}", "/dev/null"], capture_output=True, text=True
    )
    assert "\x1b[1;31merror" in shown.stdout


def test_scripted_modules_have_findings_too(tmp_path):
    path = save(scripted(nn.Sequential(linear(), nn.Dropout(0.5)).eval()), tmp_path / "m.pt")
    assert [each.code for each in torchship.lint(path) if each.severity != "note"] == []
