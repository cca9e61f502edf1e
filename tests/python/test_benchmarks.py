"""The comparison of runtimes, on its smallest case."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
BUILD = ROOT / "build" / "make"
RUNNER = BUILD / "benchmarks" / "benchmark_runner"
CASE = "seed_mlp_1"
OURS = "torchship:interpreter"

# Where there is a build, the runner must be in it.
pytestmark = pytest.mark.skipif(not BUILD.exists(), reason="nothing is built in build/make")


def run(*command: object, stdin: str = "") -> subprocess.CompletedProcess:
    return subprocess.run(
        list(map(str, command)), input=stdin, capture_output=True, text=True, timeout=60
    )


def runner(suite: Path, *commands: str, way: str = "stock", **replaced: object):
    files = {"archive": suite / f"{CASE}.pt", "inputs": suite / f"{CASE}.inputs.safetensors"}
    files |= replaced
    options = [word for name, file in files.items() for word in (f"--{name}", file)]
    return run(RUNNER, "--way", way, *options, stdin="".join(f"{c}\n" for c in commands))


def compare(suite: Path, *options: object) -> subprocess.CompletedProcess:
    short = ("--seconds", 0.1, "--processes", 1, "--suite", suite, "--runner", RUNNER)
    return run(sys.executable, BENCHMARKS / "compare.py", *short, *options)


@pytest.fixture(scope="module")
def suite(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("suite")
    done = run(sys.executable, BENCHMARKS / "suite.py", folder, "--cases", CASE, "--formats", "pt")
    assert done.returncode == 0, done.stderr
    return folder


def test_compare(suite, tmp_path):
    ways = ("--peers", "--engines", "interpreter", "nonsense", "--processes", 2)
    done = compare(suite, *ways, "--json", tmp_path / "found.json", "--markdown")
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "found.json").read_text())
    assert document["machine"]["versions"]["torch"]
    (entry,) = document["results"]
    assert (entry["case"], entry["threads"]) == (CASE, 1)
    assert "has no engine 'nonsense'" in entry["refused"].pop("torchship:nonsense")
    assert entry["refused"] == {}
    assert list(entry["ways"]) == ["stock", OURS]
    for found in entry["ways"].values():
        assert found["rounds"] >= 4
        for key in ("steady_seconds", "ratio", "load_seconds", "first_call_seconds"):
            assert 0 < found[key]["q1"] <= found[key]["median"] <= found[key]["q3"]
        assert 0 < found["private_bytes"]["median"] <= found["resident_bytes"]["median"]
    assert entry["ways"]["stock"]["ratio"]["median"] == 1
    assert 1e-7 < entry["ways"][OURS]["steady_seconds"]["median"] < 0.1
    check_markdown(done.stdout.splitlines())


def check_markdown(lines: list[str]) -> None:
    table = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert table[2].startswith(f"| {CASE} | stock | ") and table[3].startswith(f"|  | {OURS} | ")
    (refused,) = [line for line in lines if line.startswith("- ")]
    assert refused.startswith(f"- torchship:nonsense not timed on {CASE}: ")


def test_ways_that_disagree_are_reported_and_not_timed(suite, tmp_path):
    (tmp_path / f"{CASE}.pt").symlink_to(suite / f"{CASE}.pt")
    name = f"{CASE}.inputs.safetensors"
    tensors = load_file(suite / name)
    save_file(tensors | {"output.0": tensors["output.0"] * 1.01}, tmp_path / name)
    done = compare(tmp_path, "--peers", "--json", tmp_path / "found.json")
    assert done.returncode == 1
    (entry,) = json.loads((tmp_path / "found.json").read_text())["results"]
    assert entry["ways"] == {}
    assert set(entry["refused"]) == {"stock", OURS}
    for reason in entry["refused"].values():
        assert reason.startswith("disagrees with the eager model: output.0 is off by 0.0")


def test_figures_are_not_lost_to_a_file_that_cannot_be_written(suite, tmp_path):
    done = compare(suite, "--peers", "--markdown", "--json", tmp_path / "no" / "found.json")
    assert done.returncode == 1
    assert f"| {CASE} | stock | " in done.stdout
    assert done.stderr.splitlines()[-1].endswith("found.json: No such file or directory")
    assert "Traceback" not in done.stderr


def test_a_way_that_ends_while_it_is_measured(suite, tmp_path):
    # Answers the questions of the agreement, then ends when it is asked for the steady state.
    script = tmp_path / "runner"
    script.write_text(
        f'#!/bin/sh\nif [ -e {tmp_path}/seen ]; then echo "gone" >&2; exit 3; fi\n'
        f'case "$*" in *torchship*) : > {tmp_path}/seen;; esac\nexec {RUNNER} "$@"\n'
    )
    script.chmod(0o755)
    done = compare(suite, "--peers", "--runner", script, "--json", tmp_path / "found.json")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    (entry,) = json.loads((tmp_path / "found.json").read_text())["results"]
    assert entry["ways"] == {} and entry["refused"] == {"the case": "gone"}


def test_compare_without_a_suite(tmp_path):
    done = compare(tmp_path)
    assert done.returncode == 2
    assert "suite.py" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("way", ["stock", "torchship"])
def test_runner(suite, tmp_path, way):
    file = tmp_path / "outputs.safetensors"
    commands = ("first", "call 10", "call 1000", f"outputs {file}", "memory", "quit")
    done = runner(suite, *commands, way=way)
    assert (done.returncode, done.stderr) == (0, "")
    first, _, called, _, memory = map(json.loads, done.stdout.splitlines())
    assert first["load_seconds"] > 0 and first["first_call_seconds"] > 0
    assert len(called["seconds"]) * called["calls_per_block"] >= 1000
    assert called["calls_per_block"] > 1
    assert 0 < memory["private_bytes"] <= memory["resident_bytes"]
    expected = load_file(suite / f"{CASE}.inputs.safetensors")["output.0"]
    assert load_file(file)["output.0"].allclose(expected, atol=1e-6)


@pytest.mark.parametrize(("way", "what"), [("stock", "archive"), ("torchship", "inputs")])
def test_runner_without_a_file(suite, tmp_path, way, what):
    done = runner(suite, "first", way=way, **{what: tmp_path / "nothing.pt"})
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("benchmark_runner: error: ") and "nothing.pt" in line


@pytest.mark.parametrize("command", ["call 1", "call 0", "nonsense"])
def test_runner_with_a_wrong_command(suite, command):
    loaded = [] if command == "call 1" else ["first"]
    done = runner(suite, *loaded, command)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == len(loaded)
    assert len(done.stderr.splitlines()) == 1


def test_runner_stops_when_nobody_asks(suite):
    assert runner(suite).returncode == 0
