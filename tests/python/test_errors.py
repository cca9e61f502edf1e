"""What is refused, in which words, through the binding and through the executable."""

import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torchship
from support import EXAMPLE, check_failure, check_message, cli
from torchship import ArchiveError, EngineError, SignatureError

# Values that do not fit.

ONES = torch.ones(3)
META = torch.ones(3, device="meta")


@pytest.mark.parametrize(
    ("name", "method", "positional", "named", "parts"),
    [
        ("options", "forward", (), {}, ["'x' (Tensor) is missing"]),
        ("options", "forward", (ONES, 1, None, 4), {}, ["takes 3 inputs, got 4"]),
        ("options", "forward", (ONES,), {"y": 1}, ["no input named 'y'", "forward(x: Tensor"]),
        ("options", "forward", (ONES,), {"x": ONES}, ["'x' was given twice"]),
        ("options", "forward", (1.5,), {}, ["'x'", "Tensor", "float 1.5"]),
        ("options", "forward", (None,), {}, ["'x'", "Tensor", "None"]),
        ("options", "forward", (ONES, "big"), {}, ["'scale'", "float", "str"]),
        ("options", "forward", (ONES, ONES), {}, ["'scale'", "float32[3]", "not a tensor"]),
        ("options", "forward", (ONES, 1.0, 2), {}, ["'bias'", "int 2"]),
        ("options", "forward", (META,), {}, ["'x'", "meta device"]),
        ("options", "nothing", (ONES,), {}, ["no method 'nothing'", "forward, lookup"]),
        ("linear", "forward", (EXAMPLE, EXAMPLE), {}, ["takes 1 input, got 2"]),
        ("kinds", "boolean", (1,), {}, ["bool", "int 1"]),
        ("kinds", "integer", (True,), {}, ["int", "bool"]),
        ("kinds", "integer", (1.0,), {}, ["int", "float 1"]),
        ("kinds", "text", (b"x",), {}, []),
        ("kinds", "tensors", ([ONES, META],), {}, ["'value'[1]", "meta device"]),
        ("kinds", "tensors", ([ONES, 3],), {}, ["'value'[1]", "expected Tensor, got int 3"]),
        ("kinds", "tensors", (ONES,), {}, ["'value'", "float32[3]"]),
        ("kinds", "pair", ((ONES,),), {}, ["'value'", "tuple of 2"]),
        ("kinds", "named", ({1: ONES},), {}, ["'value'", "key", "int 1"]),
        ("kinds", "named", ({"a": None},), {}, ["'value'['a']", "None"]),
        ("kinds", "nested", ([{"a": (ONES, "x")}],), {}, ["'value'[0]['a'][1]", "str"]),
        ("boxes", "unpack", (ONES,), {}, ["'box'", "float32[3]"]),
    ],
)
def test_values_that_do_not_fit(archives, model, name, method, positional, named, parts):
    with pytest.raises(SignatureError) as caught:
        model(name).call(method, *positional, **named)
    assert isinstance(caught.value, ValueError)
    check_message(caught.value, *parts)
    if parts:  # bytes are refused before the model is asked
        assert caught.value.message.startswith(f"{archives[name]}: ")


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", 2**63, -(2**63) - 1])
def test_values_that_no_model_takes(model, value):
    with pytest.raises(SignatureError) as caught:
        model("options")(value)
    check_message(caught.value)


def test_no_default_method(archives, model):
    with pytest.raises(SignatureError) as caught:
        model("kinds")(EXAMPLE)
    check_message(caught.value, archives["kinds"], "boolean, complex_number")


def test_object_of_another_model(model):
    box = model("boxes").call("pack", EXAMPLE)
    with pytest.raises(torchship.Error) as caught:
        model("boxes").call("unpack", box)
    check_message(caught.value)


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (torch.ones(1, 4), ["float32[1, 4]", "float32[1, 3]"]),
        (torch.ones(1, 3, dtype=torch.float64), ["float64[1, 3]", "float32[1, 3]"]),
        (torch.ones(1, 3, dtype=torch.int64), ["int64[1, 3]", "float32[1, 3]"]),
    ],
)
def test_dtype_or_shape_that_the_model_cannot_take(archives, model, value, parts):
    with pytest.raises(torchship.Error) as caught:
        model("linear")(value)
    assert isinstance(caught.value, EngineError | SignatureError)
    assert caught.value.message.startswith(f"{archives['linear']}: ")
    check_message(caught.value, *parts)


def test_model_works_after_an_error(model):
    linear = model("linear")
    with pytest.raises(EngineError):
        linear(torch.ones(1, 4))
    assert linear(torch.ones(1, 3)).tolist() == [[2.5, 2.5]]


@pytest.mark.parametrize(
    ("name", "arguments", "status", "part"),
    [
        ("linear", [], 1, "'input' (Tensor) is missing"),
        ("linear", ["-i", "other=[1]"], 1, "other"),
        ("linear", ["-i", "input=[[1,2,3,4]]"], 1, "float32[1, 4]"),
        ("linear", ["-i", "input:float64=[[1,2,3]]"], 1, "float64[1, 3]"),
        ("linear", ["-i", "input=@OUT/none.npy"], 1, "none.npy"),
        ("linear", ["-i", "input=[[1,2,3]]", "--method", "nothing"], 1, "nothing"),
        ("kinds", ["-i", "value=1"], 1, "--method"),
        ("linear", ["-i", "input=[[1,2,3]]", "--device", "banana"], 1, "banana"),
        ("kinds", ["--method", "integer", "-i", "value=1.5"], 1, "float 1.5"),
    ],
)
def test_executable_refuses_in_the_same_form(archives, tmp_path, name, arguments, status, part):
    given = [argument.replace("OUT", str(tmp_path)) for argument in arguments]
    done = cli("run", archives[name], *given, "-o", tmp_path / "out.npz")
    check_failure(done, status, part)
    assert os.listdir(tmp_path) == []


# Files that are no model.


def checkpoint(path: Path) -> None:
    torch.save(torch.nn.Linear(3, 2).state_dict(), path)


def old_checkpoint(path: Path) -> None:
    torch.save({"w": ONES}, path, _use_new_zipfile_serialization=False)


def plain_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes/read.me", "hello")


def npz(path: Path) -> None:
    with open(path, "wb") as file:
        np.savez(file, x=np.ones(3))


BAD_FILES = {
    "missing": (lambda path: None, "no such file"),
    "empty": (Path.touch, "empty"),
    "text": (lambda path: path.write_text("hello\n" * 100), "no zip file"),
    "one byte": (lambda path: path.write_bytes(b"P"), "no zip file"),
    "zip": (plain_zip, "notes/read.me"),
    "empty zip": (lambda path: zipfile.ZipFile(path, "w").close(), "empty zip"),
    "state dict": (checkpoint, "checkpoint of torch.save"),
    "old state dict": (old_checkpoint, "checkpoint of torch.save"),
    "pickle": (lambda path: path.write_bytes(pickle.dumps([1, 2])), "pickle"),
    "npz": (npz, ".npz"),
    "folder": (Path.mkdir, "directory"),
    "fifo": (os.mkfifo, "not a regular file"),
    "loop": (lambda path: path.symlink_to(path), ""),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_file_that_is_no_model(tmp_path, kind):
    make, word = BAD_FILES[kind]
    path = tmp_path / "model.pt"
    make(path)
    before = os.listdir(tmp_path)
    for command in (["info", path], ["run", path, "-o", tmp_path / "out.npy"]):
        check_failure(cli(*command, timeout=20), 1, f"{path}: ", word)
    assert os.listdir(tmp_path) == before
    for function in (torchship.load, torchship.info):
        with pytest.raises(ArchiveError) as caught:
            function(path)
        assert caught.value.message.startswith(f"{path}: ")
        check_message(caught.value, word)


@pytest.mark.parametrize("path", ["", "a\0b", "/dev/null", "/dev/zero"])
def test_path_that_is_no_file(path):
    with pytest.raises(ArchiveError) as caught:
        torchship.load(path)
    check_message(caught.value)


def test_file_that_may_not_be_read(archives):
    """As another user where the tests run as root, whom no permission bits stop."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = Path(shutil.copy(archives["linear"], folder))
        path.chmod(0)
        options = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
        try:
            works = cli("--version", **options).returncode == 0
        except PermissionError:
            works = False
        if not works:
            pytest.skip("another user cannot run the executable here")
        check_failure(cli("info", path, **options), 1, f"{path}: permission denied")


# Damaged files.


def cut_points(size: int) -> list[int]:
    return sorted({1, 2, 4, 30, *range(0, size, max(1, size // 60)), size - 22, size - 1})


@pytest.mark.parametrize("name", ["linear", "options"])
def test_cut_file(archives, tmp_path, name):
    whole = archives[name].read_bytes()
    path = tmp_path / "cut.pt"
    for cut in cut_points(len(whole)):
        path.write_bytes(whole[:cut])
        for function in (torchship.load, torchship.info):
            with pytest.raises(ArchiveError) as caught:
                function(path)
            check_message(caught.value)
            assert caught.value.message.startswith(f"{path}: ")


def test_cut_file_and_the_executable(archives, tmp_path):
    whole = archives["linear"].read_bytes()
    path = tmp_path / "cut.pt"
    for cut in (1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        done = cli("run", path, "-i", "input=[[1,1,1]]", "-o", tmp_path / "o.npy")
        check_failure(done, 1, f"{path}: ")
        assert os.listdir(tmp_path) == ["cut.pt"]


# In a process of its own: the point is that it lives.
FLIP = """
import collections, json, random, sys
import torch, torchship
source, target, seed, flips, method = sys.argv[1:]
whole = open(source, "rb").read()
choose = random.Random(int(seed))
counts = collections.Counter()
for _ in range(int(flips)):
    damaged = bytearray(whole)
    place, bit = choose.randrange(len(whole)), choose.randrange(8)
    damaged[place] ^= 1 << bit
    with open(target, "wb") as file:
        file.write(damaged)
    print(place, bit, end=" ", file=sys.stderr, flush=True)
    for function in (torchship.info, torchship.load):
        try:
            loaded = function(target)
            if function is torchship.load:
                loaded.call(method, torch.ones(1, 3))
            counts["works"] += 1
        except torchship.ArchiveError as error:
            counts["refused"] += 1
            if "\\n" in error.message or not error.message.startswith(target + ": "):
                counts[f"bad message at {place}.{bit}: {error.message}"] += 1
        except Exception as error:
            counts[f"{function.__name__} at {place}.{bit}: {type(error).__name__}: {error}"] += 1
    print("ok", file=sys.stderr)
print(json.dumps(counts))
"""


@pytest.mark.parametrize(
    ("name", "method"), [("linear", "forward"), ("options", "forward"), ("rstyle", "evalforward")]
)
def test_flipped_bits_never_crash(archives, tmp_path, name, method):
    flips = 400
    target = tmp_path / "flipped.pt"
    command = [sys.executable, "-c", FLIP, archives[name], target, "1", str(flips), method]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (done.returncode, done.stderr[-300:])
    counts = json.loads(done.stdout)
    assert set(counts) <= {"works", "refused"}, counts
    # Of 2 * flips. The rest fell on the padding between records, about half of so small a file.
    assert counts["refused"] > flips // 2
