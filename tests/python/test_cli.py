"""The executable, and the `torchship` script that hands over to it."""

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import torch
import torchship
from safetensors.numpy import load_file, save_file
from support import EXAMPLE, check_failure, cli, cli_json, cli_ok
from torchship.cli import CMAKE_DIR, EXECUTABLE, PKG_CONFIG_DIR

ROWS = np.array([[1.2, 3.0, 0.1], [1, 1, 1]], dtype=np.float32)


def linear(rows: np.ndarray) -> np.ndarray:
    """What the archive "linear" computes."""
    return np.repeat(0.5 * rows.sum(axis=1, keepdims=True) + 1, 2, axis=1)


def data_of(output: dict, dtype: str = "float32") -> np.ndarray:
    """Return the tensor that --json printed."""
    assert output["kind"] == "tensor"
    assert output["dtype"] == dtype
    array = np.array(output["data"], dtype=dtype)
    assert list(array.shape) == output["shape"]
    return array


# Inputs.


@pytest.mark.parametrize("given", ["[[1.2,3,0.1],[1,1,1]]", " [[1.2, 3.0, 1e-1], [1, 1, 1]] "])
def test_nested_numbers(archives, given):
    result = data_of(cli_json("run", archives["linear"], "-i", f"input={given}"))
    np.testing.assert_allclose(result, linear(ROWS), rtol=1e-6)


def test_bare_numbers(archives):
    result = cli_json("run", archives["options"], "-i", "x=1,2,3")
    assert [key["value"] for key, _ in result["entries"]] == ["scaled", "total"]
    assert data_of(result["entries"][0][1]).tolist() == [2, 4, 6]
    assert data_of(result["entries"][1][1]).tolist() == 12


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "float64", "float32"])
def test_dtype_in_the_name(archives, dtype):
    arguments = ("--method", "tensor", "-i", f"value:{dtype}=[1,2,3]")
    assert data_of(cli_json("run", archives["kinds"], *arguments), dtype).tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("method", "given", "expected"),
    [
        ("text", "hello=, world", {"kind": "str", "value": "hello=, world"}),
        ("text", "7", {"kind": "str", "value": "7"}),
        ("integer", "-7", {"kind": "int", "value": -7}),
        ("integer", str(2**53 + 1), {"kind": "int", "value": 2**53 + 1}),
        ("floating", "3", {"kind": "float", "value": 3.0}),
        ("boolean", "true", {"kind": "bool", "value": True}),
        ("boolean", "False", {"kind": "bool", "value": False}),
        ("optional", "none", {"kind": "None"}),
    ],
)
def test_plain_values(archives, method, given, expected):
    result = cli_json("run", archives["kinds"], "--method", method, "-i", f"value={given}")
    assert result["kind"] == expected["kind"]
    assert method == "optional" or result == expected


def test_list(archives):
    result = cli_json("run", archives["kinds"], "--method", "integers", "-i", "value=1,2")
    assert result["items"] == [{"kind": "int", "value": 1}, {"kind": "int", "value": 2}]


def test_large_integers_in_a_tensor_are_exact(archives):
    number = 2**53 + 1
    arguments = ("--method", "tensor", "-i", f"value:int64=[{number}]")
    assert data_of(cli_json("run", archives["kinds"], *arguments), "int64").tolist() == [number]


def test_nested_values(archives):
    given = 'value=[{"a":[[1,2],null]},{"b":[[3],4]}]'
    result = cli_json("run", archives["kinds"], "--method", "nested", "-i", given)
    (_, first), (_, second) = (item["entries"][0] for item in result["items"])
    assert data_of(first["items"][0]).tolist() == [1, 2]
    assert first["items"][1]["kind"] == "None"
    assert second["items"][1] == {"kind": "int", "value": 4}


def write(path: Path, **arrays: np.ndarray) -> Path:
    if path.suffix == ".npy":
        np.save(path, next(iter(arrays.values())))
    elif path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        save_file(arrays, path)
    return path


def read(path: Path) -> dict[str, np.ndarray]:
    if path.suffix == ".safetensors":
        return load_file(path)
    loaded = np.load(path)
    return {"output": loaded} if path.suffix == ".npy" else dict(loaded.items())


# A .npy file has no names.
@pytest.mark.parametrize(
    ("suffix", "key"),
    [
        (".npy", ""),
        (".npz", ""),
        (".npz", ":other"),
        (".safetensors", ""),
        (".safetensors", ":other"),
    ],
)
def test_tensor_from_a_file(archives, tmp_path, suffix, key):
    arrays = {"other": ROWS} if key else {"input": ROWS}
    more = {} if suffix == ".npy" or not key else {"third": ROWS + 1}
    file = write(tmp_path / f"in{suffix}", **arrays, **more)
    result = data_of(cli_json("run", archives["linear"], "-i", f"input=@{file}{key}"))
    np.testing.assert_allclose(result, linear(ROWS), rtol=1e-6)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_all_inputs_from_one_file(archives, tmp_path, suffix):
    file = write(tmp_path / f"in{suffix}", bias=np.ones(3, np.float32), x=ROWS)
    result = cli_json("run", archives["options"], "-i", f"@{file}", "-i", "scale=3")
    np.testing.assert_allclose(data_of(result["entries"][0][1]), 3 * ROWS + 1, rtol=1e-6)


# Outputs.


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_output_file(archives, tmp_path, suffix):
    file, out = write(tmp_path / "in.npy", x=ROWS), tmp_path / f"out{suffix}"
    assert cli_ok("run", archives["linear"], "-i", f"input=@{file}", "-o", out) == ""
    np.testing.assert_allclose(read(out)["output"], linear(ROWS), rtol=1e-6)
    assert sorted(os.listdir(tmp_path)) == sorted(["in.npy", out.name])


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_all_outputs_in_one_file(archives, tmp_path, suffix):
    out = tmp_path / f"out{suffix}"
    cli_ok("run", archives["options"], "-i", "x=1,2", "-o", out)
    assert {name: array.tolist() for name, array in read(out).items()} == {
        "scaled": [2, 4],
        "total": 6,
    }


def test_outputs_by_name(archives, tmp_path):
    a, b = tmp_path / "a.npy", tmp_path / "b.npy"
    cli_ok("run", archives["options"], "-i", "x=1,2", "-o", f"scaled={a}", "-o", f"total={b}")
    assert np.load(a).tolist() == [2, 4]
    assert np.load(b) == 6


def test_outputs_as_text(archives):
    lines = cli_ok("run", archives["options"], "-i", "x=1,2.5").splitlines()
    assert lines == ["scaled: float32[2]", "[2, 5]", "total: float32[]", "7"]


def test_method_and_text_output(archives):
    given = ("--method", "lookup", "-i", "ids:int64=5", "-i", "text=ab", "-i", "repeat=2")
    lines = cli_ok("run", archives["options"], *given).splitlines()
    assert lines == ["0: int64[]", "7", "1: ab2"]


@pytest.mark.parametrize("threads", [1, 2])
def test_threads(archives, threads):
    result = cli_json("run", archives["linear"], "-i", "input=[[1,1,1]]", "--threads", threads)
    assert data_of(result).tolist() == [[2.5, 2.5]]


# Info.


def test_info_text(archives):
    text = cli_ok("info", archives["options"])
    assert text.startswith(f"{archives['options']}\n")
    for part in ("torchscript, version", "forward *", "scale", "float = ...", "lookup", "-> "):
        assert part in text


def test_info_json_is_what_python_tells(archives):
    for path in archives.values():
        told, info = cli_json("info", path), torchship.info(path)
        assert told["path"] == str(path)
        assert told["file_size"] == path.stat().st_size
        assert told["default_method"] == info.default_method
        assert told["parameters"]["elements"] == info.parameters.elements
        for method, other in zip(told["methods"], info.methods, strict=True):
            assert method["name"] == other.name
            assert method["output"]["type"] == other.output.type
            assert [i["type"] for i in method["inputs"]] == [i.type for i in other.inputs]


def test_info_of_a_trace_tells_dtype_and_shape(archives):
    (method,) = cli_json("info", archives["linear"])["methods"]
    assert method["inputs"][0]["traced_dtype"] == "float32"
    assert method["inputs"][0]["traced_shape"] == [1, 3]


# Usage.


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "subcommand"),
        (["fly"], "fly"),
        (["run"], "archive"),
        (["info"], "archive"),
        (["run", "LINEAR", "--threads", "0"], "--threads"),
        (["run", "LINEAR", "--threads", "many"], "--threads"),
        (["run", "LINEAR", "--fast"], "--fast"),
        (["run", "LINEAR", "-i", "1,2,3"], "NAME=VALUE"),
        (["run", "LINEAR", "-i", "=1,2,3"], "NAME=VALUE"),
        (["run", "LINEAR", "-i", "input=1,two"], "1,two"),
        (["run", "LINEAR", "-i", "input=[[1,2],[3]]"], "same length"),
        (["run", "LINEAR", "-i", 'input=["a"]'], "numbers"),
        (["run", "LINEAR", "-i", "input:int65=1"], "int65"),
        (["run", "LINEAR", "-i", "input:int64=1.5"], "1.5"),
        (["run", "KINDS", "--method", "tensor", "-i", "value:uint8=300"], "300"),
        (["run", "LINEAR", "-i", "input:int64=1e300"], "1e"),
        (["run", "LINEAR", "-i", "input=[[1,1,1]]", "-o", "nothing=OUT/o.npy"], "nothing"),
        (["run", "LINEAR", "-i", "input=[[1,1,1]]", "-o", "output="], "no file"),
    ],
    ids=str,
)
def test_bad_usage(archives, tmp_path, arguments, word):
    given = [part.replace("OUT", str(tmp_path)) for part in arguments]
    names = {"LINEAR": archives["linear"], "KINDS": archives["kinds"]}
    given = [str(names.get(part, part)) for part in given]
    check_failure(cli(*given), 2, word)
    assert os.listdir(tmp_path) == []


def test_help_and_version():
    assert "run" in cli_ok("--help")
    assert cli_ok("--version") == f"torchship {torchship.__version__}\n"


def test_full_standard_output_is_an_error(archives):
    with open("/dev/full", "w") as full:
        done = subprocess.run([EXECUTABLE, "info", archives["linear"]], stdout=full, stderr=-1)
    assert done.returncode == 1
    assert done.stderr.startswith(b"torchship: error: ")


# The script on PATH, and python -m torchship.

SCRIPT = Path(sysconfig.get_path("scripts")) / "torchship"
starts = pytest.mark.parametrize(
    "start", [[SCRIPT], [sys.executable, "-m", "torchship"]], ids=["script", "module"]
)


@starts
@pytest.mark.parametrize(
    ("option", "path"),
    [
        ("--cmake-dir", CMAKE_DIR),
        ("--pkg-config-dir", PKG_CONFIG_DIR),
        ("--cli-path", EXECUTABLE),
    ],
)
def test_paths(start, option, path):
    done = subprocess.run([*start, option], capture_output=True, text=True, check=True)
    assert done.stdout == f"{path}\n"
    assert path.exists()


@starts
def test_hands_over_without_importing_torch(archives, start):
    environment = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    command = [*start, "run", archives["linear"], "-i", "input=[[1,1,1]]"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "output: float32[1, 2]\n[[2.5, 2.5]]\n"
    imported = re.findall(r"\|\s+(\S+)$", done.stderr, re.MULTILINE)
    assert "torchship.cli" in imported
    assert not [name for name in imported if name.split(".")[0] in ("torch", "numpy")]


def test_exit_status_is_handed_over(tmp_path):
    done = subprocess.run([SCRIPT, "info", tmp_path / "no.pt"], capture_output=True, text=True)
    check_failure(done, 1, tmp_path / "no.pt")


def test_closed_standard_output_is_an_error_in_one_line(archives):
    command = f"'{sys.executable}' -m torchship info '{archives['linear']}' >&-"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    check_failure(done, 1, "standard output cannot be written")


def test_importing_the_package_imports_no_torch():
    code = "import sys, torchship; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_executable_agrees_with_the_binding(archives):
    result = data_of(cli_json("run", archives["linear"], "-i", "input=[[1.2,3.0,0.1]]"))
    expected = torchship.load(archives["linear"])(EXAMPLE)
    assert torch.equal(torch.from_numpy(result), expected)


# The archive on standard input, and how it is mapped.


@pytest.mark.parametrize("command", ["info", "lint", "run", "graph", "bench"])
def test_archive_on_standard_input(archives, command):
    more = {"run": ["-i", "input=[[1,2,3]]"], "bench": ["--seconds", "0.05"]}.get(command, [])
    with archives["linear"].open("rb") as file:
        done = cli(command, "-", *more, stdin=file)
    assert (done.returncode, done.stderr) == (0, "")
    assert str(archives["linear"]) not in done.stdout
    piped = subprocess.run(
        f"cat '{archives['linear']}' | '{EXECUTABLE}' {command} - {' '.join(more)}",
        shell=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (piped.returncode, piped.stderr) == (0, "")
    if command != "bench":
        assert piped.stdout == done.stdout


def test_check_of_standard_input(tmp_path):
    path = tmp_path / "m.pt"
    torchship.trace(torch.nn.Linear(3, 2).eval(), (EXAMPLE,)).save(path)
    with path.open("rb") as file:
        done = cli("check", "-", stdin=file)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("stdin on cpu")


def test_standard_input_without_an_archive(archives):
    check_failure(cli("info", "-", stdin=subprocess.DEVNULL), 1, "stdin: gave no bytes")
    check_failure(cli("info", "-", input="no archive"), 1, "stdin: is not a TorchScript archive")
    with archives["linear"].open("rb") as file:
        done = cli("bench", "-", "--stock", stdin=file)
    check_failure(done, 2, "cannot load standard input again", "give bench --stock a file")


def test_no_map(archives):
    call = ("run", archives["linear"], "-i", "input=[[1,2,3]]")
    assert cli_ok(*call, "--no-map") == cli_ok(*call)
