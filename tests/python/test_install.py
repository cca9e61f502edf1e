"""What is installed: linkage, the CMake package, the wheel's metadata, the root without Python."""

import ast
import os
import shutil
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import numpy
import pytest
import torch
import torchship
from torchship import _bare_root, _core, cli

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = cli.PACKAGE / "lib" / "libtorchship.so"
TOOLS_PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def run(*command, **options):
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=300, **options
    )


def configure(folder: Path, *options: str):
    cmake = shutil.which("cmake", path=TOOLS_PATH)
    return run(cmake, "-S", ROOT / "tests" / "cpp" / "consumer", "-B", folder, *options)


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    with pytest.warns(DeprecationWarning):
        traced = torch.jit.trace(model.eval(), torch.ones(1, 3))
    path = tmp_path_factory.mktemp("install") / "model.pt"
    torchship.save(traced, path)
    return path


@pytest.fixture(scope="module")
def consumer(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("consumer")
    done = configure(folder, f"-Dtorchship_DIR={cli.CMAKE_DIR}")
    assert done.returncode == 0, done.stderr
    done = run(shutil.which("cmake", path=TOOLS_PATH), "--build", folder)
    assert done.returncode == 0, done.stdout
    return folder / "consumer"


def needed(file: Path) -> str:
    return run("readelf", "-d", file).stdout


def test_no_python_is_linked(consumer):
    for file in (LIBRARY, cli.EXECUTABLE, consumer):
        assert "libtorchship" in needed(file) or file == LIBRARY
        assert "libpython" not in needed(file)
        assert "python" not in run("ldd", file).stdout.replace("/python3", "")


def test_installed_paths_are_relative():
    for file in (LIBRARY, cli.EXECUTABLE, Path(_core.__file__)):
        runpath = [line for line in needed(file).splitlines() if "RUNPATH" in line]
        assert runpath and all(
            part.startswith("$ORIGIN") for part in runpath[0].split("[")[1].rstrip("]").split(":")
        )


def test_consumer_gives_the_same_bits(consumer, archive, tmp_path):
    done = run(consumer, archive, tmp_path / "answer.npy")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("f(1, 1, 1) = ")
    answer = torch.from_numpy(numpy.load(tmp_path / "answer.npy"))
    assert torch.equal(answer, torchship.load(archive)(torch.ones(1, 3)))


def test_consumer_reports_errors(consumer, tmp_path):
    done = run(consumer, tmp_path / "absent.pt")
    assert done.returncode == 1
    assert "absent.pt: no such file" in done.stderr


def test_other_torch_is_refused_by_cmake(tmp_path):
    fake = tmp_path / "torch"
    header = fake / "include" / "torch" / "headeronly" / "version.h"
    header.parent.mkdir(parents=True)
    header.write_text(
        "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 3\n"
        "#define TORCH_VERSION_PATCH 1\n"
    )
    (fake / "lib").mkdir()
    (fake / "lib" / "libtorch.so").touch()
    done = configure(
        tmp_path / "build", f"-Dtorchship_DIR={cli.CMAKE_DIR}", f"-DLibTorch_ROOT={fake}"
    )
    assert done.returncode != 0
    flat = " ".join(done.stderr.split())
    assert f"built with LibTorch {torch.__version__.split('+')[0]}" in flat
    assert "LibTorch 2.3.1 was found" in flat


def test_other_torch_is_refused_by_python(tmp_path):
    fake = tmp_path / "torch-2.3.1.dist-info"
    fake.mkdir()
    (fake / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.3.1\n")
    done = run(
        sys.executable, "-c", "import torchship", env={**os.environ, "PYTHONPATH": str(tmp_path)}
    )
    assert done.returncode != 0
    assert "built with torch" in done.stderr and "has torch 2.3.1" in done.stderr


def test_wheel_requires_its_torch():
    minor = ".".join(torch.__version__.split(".")[:2])
    assert f"torch=={minor}.*" in requires("torchship")


SPECIAL = ("__bool__", "__call__", "__init__", "_intermediates")


def test_stub_matches_module():
    tree = ast.parse((cli.PACKAGE / "_core.pyi").read_text())
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            members = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
            actual = {
                name
                for name in vars(getattr(_core, node.name))
                if not name.startswith("_") or name in SPECIAL
            }
            assert members == actual - ({"__init__"} - members), node.name
    stubbed = {node.name for node in tree.body if hasattr(node, "name")}
    assert stubbed == {name for name in vars(_core) if not name.startswith("_")} - {
        "torch_version"
    }


def test_runs_in_a_root_without_python(archive, tmp_path):
    root = tmp_path / "root"
    _bare_root.make_bare_root(root, archive)
    inside = [path.relative_to(root) for path in root.rglob("*")]
    # Among the licences are some of LibTorch's third parties that have Python in their names.
    assert not [p for p in inside if "python" in p.name and p.parts[0] != "LICENSES"]
    done = _bare_root.run_in(
        root, "/bin/torchship", "run", "/model.pt", "-i", "input=[[1,1,1]]", "-o", "/answer.npy"
    )
    if "Operation not permitted" in done.stderr:
        pytest.skip(f"the root may not be entered here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    answer = torch.from_numpy(numpy.load(root / "answer.npy"))
    assert torch.equal(answer, torchship.load(archive)(torch.ones(1, 3)))


@pytest.mark.slow
@pytest.mark.parametrize("isolation", [True, False])
def test_pip_install_in_a_clean_venv(tmp_path, isolation):
    """The installed package works in a venv that held nothing else."""
    venv = tmp_path / "venv"
    assert run(sys.executable, "-m", "venv", venv).returncode == 0
    pip = [venv / "bin" / "python", "-m", "pip", "install", "--quiet"]
    options = []
    if not isolation:
        done = run(*pip, f"torch=={torch.__version__.split('+')[0]}", "scikit-build-core",
                   "pybind11", "cmake", "ninja")  # fmt: skip
        assert done.returncode == 0, done.stderr
        options = ["--no-build-isolation"]
    environment = {**os.environ, "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [*map(str, pip), str(ROOT), *options], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    done = run(venv / "bin" / "python", "-c", "import torchship; print(torchship.Model)")
    assert done.returncode == 0, done.stderr
    assert run(venv / "bin" / "torchship", "--version").stdout.startswith("torchship ")
