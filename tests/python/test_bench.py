"""`torchship bench`: engines in turn, for people and for programs."""

import json
import os
import subprocess

import pytest
import torch
import torchship
from support import EXECUTABLE, check_failure, cli, cli_json
from torch import nn


@pytest.fixture(scope="module")
def mlp(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "mlp.pt"
    module = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1)).eval()
    torchship.trace(module, torch.rand(2, 3), dynamic={"input": {0: "batch"}}).save(path)
    return path


def bench(path, *arguments):
    return subprocess.run(
        [EXECUTABLE, "bench", path, "--seconds", "0.05", "--threads", "1", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_json(mlp):
    result = bench(mlp, "--stock", "--callers", "2", "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["threads"] == 1 and found["callers"] == 2
    ways = found["engines"]
    assert [way["engine"] for way in ways] == ["planned", "stock"]
    assert ways[-1]["ratio"] == 1
    for way in ways:
        assert 0 < way["p50"] <= way["p95"] <= way["p99"]
        assert way["load"] > 0 and way["first_call"] > 0 and way["calls_per_second"] > 0
        assert len(way["first_calls"]) == 24 and way["measured"] >= 5


def test_text(mlp):
    result = bench(mlp)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"{mlp}: forward(float32[")
    assert lines[1] == "1 thread, 1 caller"
    assert lines[3].split() == ["load", "first", "call", "p50", "p95", "p99", "calls/s", "memory"]
    assert lines[4].startswith("planned")
    assert "the first 24 calls" in result.stdout


def test_inputs_and_failures(mlp):
    result = bench(mlp, "-i", "input=[[1,1,1],[2,2,2],[3,3,3]]", "--json")
    assert json.loads(result.stdout)["inputs"] == ["float32[3, 3]"]
    result = bench(mlp, "-i", "input=[[1,1]]")
    assert result.returncode == 1 and result.stderr.startswith("torchship: error: ")
    result = bench(mlp, "--engine", "none")
    assert result.returncode == 1 and "has no engine 'none'" in result.stderr


def test_batch(mlp):
    found = json.loads(bench(mlp, "--batch", "64", "--json").stdout)
    assert found["inputs"] == ["float32[64, 3]"]


def test_cores_are_those_of_the_process(mlp):
    core = min(os.sched_getaffinity(0))
    found = cli_json("bench", mlp, "--cores", core, "--seconds", "0.05", "--stock")
    assert found["threads"] == 1


@pytest.mark.parametrize("seconds", ["nan", "0", "x"])
def test_seconds_that_are_no_number(mlp, seconds):
    check_failure(cli("bench", mlp, "--seconds", seconds), 2, "--seconds")
