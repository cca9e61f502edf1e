"""torchship.lint on whole files: order, what is left out, the suite, the corpus, the executable."""

import json
import os
import pickle
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
import torchship
from handmade import read_records, write_records
from hazards import CASES, CLEAN, SEVERITY, Case
from hazards.findings import verdict
from lint_support import (
    HERE,
    Inner,
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
from support import check_failure, check_message, cli, cli_json
from test_corpus import CORPUS, NEGATIVE, POSITIVE
from torch import Tensor, nn

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def net(tmp_path):
    return tmp_path / "net.pt"


# What the manifest says, ignoring, order


def test_findings_of_the_tracer_come_with_their_text_and_once(net):
    torchship.trace(Noisy(), torch.ones(3), strict=False).save(net)
    finding = only(net, "random")
    assert finding.severity == "error"  # The tracer saw results differ.
    assert finding.source == "return x + torch.randn_like(x)  # noise"


def many(net: Path) -> Path:
    class Many(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(Inner())
            self.left = nn.Linear(3, 3)

        def forward(self, x: Tensor, mask: Tensor) -> Tensor:
            x = torch.rand_like(x)  # first
            return self.inner(x) + torch.rand_like(x)  # second

    return trace(Many(), torch.ones(2, 3), torch.ones(1), path=net)


def test_order_is_by_severity(net):
    severities = [each.severity for each in torchship.lint(many(net))]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)
    assert set(severities) == {"error", "warning", "note"}


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        (["random"], 0),
        (["random@somewhere"], 2),
        ([f"random@{Path(__file__).name}:{line_of('first')}"], 1),
        ([f"random@{__file__}:{line_of('second')}"], 1),
        (["rand"], 2),
        (["unused-input@mask"], 2),
    ],
)
def test_ignored_findings(net, wanted, left):
    assert len(found(many(net), "random", ignore=wanted)) == left


def test_ignored_place_is_a_module_or_an_input(net):
    assert found(many(net), "train-mode") and found(net, "unused-input")
    assert not found(net, "train-mode", ignore=["train-mode@inner.0.drop"])
    assert not found(net, "unused-input", ignore=["unused-input@mask"])
    assert not found(net, "unused-parameter", ignore=["unused-parameter@left"])


def test_finding_reads_well(net):
    [finding] = found(script(Noisy(), net), "random")
    place = f"{Path(__file__).with_name(HERE)}:{line_of('noise')}"
    assert str(finding).splitlines() == [
        f"warning: random: {place}: {finding.message}",
        "    return x + torch.randn_like(x)  # noise",
        f"    {finding.hint}",
    ]
    assert repr(finding) == f"<Finding warning random at {place}>"


# The suite of the tracer


def plain_trace(case: Case, path: Path) -> Path:
    """What torch's own tracer makes of a case."""
    inputs = case.inputs(3)
    options: dict = {"strict": False, "check_trace": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if case.methods:
            traced = torch.jit.trace_module(case.model(), inputs, **options)
        elif isinstance(inputs["forward"], dict):
            named = {"example_kwarg_inputs": inputs["forward"]}
            traced = torch.jit.trace(case.model(), **named, **options)
        else:
            traced = torch.jit.trace(case.model(), inputs["forward"], **options)
        torch.jit.save(traced, str(path))
    return path


@pytest.mark.parametrize("case", CLEAN, ids=lambda case: case.name)
def test_clean_model_is_not_accused(case, net):
    verdict(case).traced.save(net)
    accused = [each for each in torchship.lint(net) if each.severity != "note"]
    assert not accused, "\n".join(map(str, accused))


# A device that comes from an input is baked in all the same: a plain trace cannot tell.
@pytest.mark.parametrize("case", CLEAN, ids=lambda case: case.name)
def test_clean_model_of_a_plain_trace_is_accused_of_its_devices_only(case, net):
    accused = [each for each in torchship.lint(plain_trace(case, net)) if each.severity != "note"]
    assert {each.code for each in accused} <= {"baked-device"}, "\n".join(map(str, accused))


SEEN_IN_THE_GRAPH = {"baked-device", "train-mode", "random", "state-change"}
# Their examples happen not to draw.
QUIET = {"StochasticDepth", "jittered_brightness"}


@pytest.mark.parametrize(
    "case",
    [c for c in CASES if c.code in SEEN_IN_THE_GRAPH and c.name not in QUIET],
    ids=lambda case: case.name,
)
def test_hazard_that_a_graph_shows_is_found_at_its_line(case, net):
    lines = [each.line for each in found(plain_trace(case, net), case.code)]
    assert case.expected_line in lines
    assert set(SEVERITY) >= {case.code}


# Hostile and other files


@pytest.mark.parametrize("growth", ["a + a", "torch.add(a, a)", '"{}{}".format(a, a)'])
def test_texts_that_grow_while_they_are_compiled_are_refused(tmp_path, growth):
    whole = script(Outer().eval(), tmp_path / "whole.pt")
    doubling = "\n".join(["    a = \"0123456789\""] + [f"    a = {growth}"] * 40)
    path = edit(whole, tmp_path / "net.pt", "    layers = self.layers\n",
                f"{doubling}\n    layers = self.layers\n")
    with pytest.raises(torchship.ArchiveError, match="16 MiB") as caught:
        torchship.lint(path)
    check_message(caught.value)


@pytest.mark.parametrize("wide", ['"a".ljust(1000000000000)', 'torch.zfill("a", 1000000000000)'])
def test_text_of_any_width_is_refused(tmp_path, wide):
    whole = script(Outer().eval(), tmp_path / "whole.pt")
    path = edit(whole, tmp_path / "net.pt", "    layers = self.layers\n",
                f"    a = {wide}\n    layers = self.layers\n")
    with pytest.raises(torchship.ArchiveError, match="16 MiB"):
        torchship.lint(path)


def test_nothing_of_the_file_is_run(tmp_path):
    class Raises(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.ones(3)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.weight

        @torch.jit.export
        def __getstate__(self) -> tuple[Tensor, bool]:
            return self.weight, self.training

        @torch.jit.export
        def __setstate__(self, state: tuple[Tensor, bool]) -> None:
            assert state[0].sum() > 100, "it was run"
            self.weight = state[0]
            self.training = state[1]

    path = script(Raises(), tmp_path / "net.pt")
    with pytest.raises(torchship.ArchiveError, match="it was run"):
        torchship.load(path)
    assert [each for each in torchship.lint(path) if each.severity == "error"] == []


def test_pickle_of_another_kind_is_no_model(net):
    net.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(torchship.ArchiveError):
        torchship.lint(net)


@pytest.mark.corpus
@pytest.mark.parametrize("record", POSITIVE, ids=lambda record: record["file"])
def test_archive_of_the_corpus(record):
    findings = torchship.lint(CORPUS / record["file"])
    assert [str(each) for each in findings if each.severity == "error"] == []
    assert all(each.message and "\n" not in each.message for each in findings)


@pytest.mark.corpus
@pytest.mark.parametrize("record", NEGATIVE, ids=lambda record: record["file"])
def test_file_of_the_corpus_that_does_not_load(record):
    """What is no archive is an ArchiveError; an archive that LibTorch refuses has an error."""
    try:
        findings = torchship.lint(CORPUS / record["file"])
    except torchship.ArchiveError as error:
        check_message(error)
    else:
        assert findings[0].severity == "error"


# The executable


def test_report_of_the_executable(tmp_path):
    path = without_operator(tmp_path)
    done = cli("lint", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{path}\n")
    assert "    | return torch.relu(self.layers(x))  # relu\n" in done.stdout
    assert "error missing-operator  torchvision::nms, " in done.stdout
    assert done.stdout.endswith("\n2 errors, 0 warnings, 0 notes\n")
    assert "\x1b" not in done.stdout


def test_archive_without_findings(net):
    script(Outer().eval(), net)
    assert cli("lint", net, "--deny", "note").stdout == f"{net}\nnothing found\n"


@pytest.mark.parametrize(("level", "status"), [("error", 0), ("warning", 1), ("note", 1)])
def test_denied_level(net, level, status):
    script(Noisy(), net)
    assert cli("lint", net, "--deny", level).returncode == status
    assert cli("lint", net, "--deny", level, "--ignore", "random").returncode == 0


def test_unknown_level_is_bad_usage(net):
    check_failure(cli("lint", script(Noisy(), net), "--deny", "fatal"), 2, "--deny")


def test_json_of_the_executable(net):
    report = cli_json("lint", script(Noisy(), net))
    assert report["passed"] is True
    assert report["counts"] == {"error": 0, "warning": 1, "note": 0}
    [finding] = report["findings"]
    assert finding == {
        name: getattr(torchship.lint(net)[0], name)
        for name in ("code", "severity", "message", "hint", "method", "place", "file", "line",
                     "source")
    }
    denied = cli("lint", net, "--json", "--deny", "warning")
    assert denied.returncode == 1 and json.loads(denied.stdout)["passed"] is False


def test_names_out_of_the_file_do_not_control_the_terminal(tmp_path):
    path = script(Noisy(), tmp_path / "whole.pt")
    records = read_records(path)
    debug = next(name for name in records if name.endswith(".debug_pkl"))
    records[debug] = records[debug].replace(HERE.encode(), b"\x1b[31m" + HERE.encode()[5:])
    done = cli("lint", write_records(tmp_path / "net.pt", records))
    assert done.returncode == 0
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("no_colour", ["", "1"])
def test_colour_on_a_terminal_only(net, no_colour):
    script(Noisy(), net)
    code = "import pty, sys; pty.spawn(sys.argv[1:])"
    command = [sys.executable, "-c", code, str(torchship.cli.EXECUTABLE), "lint", str(net)]
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": no_colour}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert ("\x1b[1;33mwarning\x1b[0m" in done.stdout) == (no_colour == "")


# docs/lint.md


def test_every_code_is_documented():
    sources = (REPOSITORY / "cpp" / "src" / "lint").glob("*.cpp")
    codes = {
        code
        for source in sources
        for code in re.findall(r'(?:make_finding\(\s*|code = )"([a-z-]+)"', source.read_text())
    }
    assert len(codes) == 15
    documented = re.findall(r"^## ([a-z-]+)$", (REPOSITORY / "docs" / "lint.md").read_text(), re.M)
    assert set(documented) == codes
