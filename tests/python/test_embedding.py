"""torchship inside other builds: CMake, pkg-config, scikit-build-core, from a wheel or a prefix."""

import os
import shutil
import sys
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

import pytest
import torch
import torchship
from c_programs import C99, ROOT, SOURCES, TOOLS_PATH, cmake, cmake_ok, package_flags, run, run_ok
from support import legacy
from torchship import cli

BUILT = ROOT / "build" / "make"
CONSUMER = ROOT / "tests" / "cpp" / "consumer"
SUBPROJECT = ROOT / "tests" / "cpp" / "subproject"
TORCH = Path(torch.__file__).parent
# So that nothing is found by accident.
NO_LIBTORCH = "-DLibTorch_ROOT=/nonexistent"


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("embedding") / "model.pt"
    model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    legacy(torchship.trace, model.eval(), torch.ones(2, 3)).save(path)
    return path


@pytest.fixture(scope="module")
def prefix(tmp_path_factory) -> Path:
    """What `cmake --install` makes of the build that is there, beside the torch that it needs."""
    if not (BUILT / "CMakeCache.txt").exists():
        pytest.skip("the project is not built in build/make")
    folder = tmp_path_factory.mktemp("prefix")
    (folder / "torch").symlink_to(TORCH)
    cmake_ok("--install", BUILT, "--prefix", folder / "torchship", "--component", "torchship")
    return folder / "torchship"


def check_answer(program: Path, archive: Path) -> None:
    said = run_ok(program, archive)
    value = torchship.load(archive)(torch.ones(1, 3)).item()
    assert abs(float(said.split()[0 if program.stem == "run" else -1]) - value) < 1e-5


def check_c_project(folder: Path, archive: Path, *options: str) -> None:
    cmake_ok("-S", SOURCES, "-B", folder, NO_LIBTORCH, *options)
    compiler = "CMAKE_CXX_COMPILER:"
    assert compiler not in (folder / "CMakeCache.txt").read_text()
    cmake_ok("--build", folder)
    check_answer(folder / "run", archive)


def test_c_project_with_the_wheel(archive, tmp_path):
    check_c_project(tmp_path, archive, f"-Dtorchship_DIR={cli.CMAKE_DIR}")


def test_c_project_with_a_prefix(prefix, archive, tmp_path):
    check_c_project(tmp_path, archive, f"-DCMAKE_PREFIX_PATH={prefix}")


def test_cpp_project_with_a_prefix(prefix, archive, tmp_path):
    cmake_ok("-S", CONSUMER, "-B", tmp_path, f"-DCMAKE_PREFIX_PATH={prefix}")
    cmake_ok("--build", tmp_path)
    check_answer(tmp_path / "consumer", archive)


def test_prefix_has_the_executable(prefix, archive):
    said = run_ok(prefix / "bin" / "torchship", "run", archive, "-i", "input=[[1,1,1]]")
    assert said.startswith("output: float32[1, 1]\n")


def test_unknown_component_is_refused(tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(x LANGUAGES CXX)\n"
        "find_package(torchship REQUIRED COMPONENTS fortran)\n"
    )
    done = cmake("-S", tmp_path, "-B", tmp_path / "build", f"-Dtorchship_DIR={cli.CMAKE_DIR}")
    assert done.returncode != 0
    assert "torchship has no component fortran, only c_api and cpp" in " ".join(done.stderr.split())


@pytest.mark.parametrize("origin", ["wheel", "prefix"])
def test_pkg_config(origin, request, archive, tmp_path):
    folder = cli.PKG_CONFIG_DIR
    if origin == "prefix":
        folder = request.getfixturevalue("prefix") / "lib" / "pkgconfig"
    program = tmp_path / "run"
    run_ok(*C99, SOURCES / "run.c", *package_flags(folder, "torchship"), "-o", program)
    check_answer(program, archive)
    version = run_ok("pkg-config", "--modversion", folder / "torchship.pc").strip()
    assert version == torchship.__version__


def test_pkg_config_survives_a_move(prefix, archive, tmp_path):
    moved = tmp_path / "elsewhere" / "torchship"
    shutil.copytree(prefix, moved)
    (moved.parent / "torch").symlink_to(TORCH)
    flags = package_flags(moved / "lib" / "pkgconfig", "torchship")
    assert not any(str(prefix) in flag for flag in flags)
    run_ok(*C99, SOURCES / "run.c", *flags, "-o", tmp_path / "run")
    check_answer(tmp_path / "run", archive)


def test_pkg_config_of_cpp(archive, tmp_path):
    flags = package_flags(cli.PKG_CONFIG_DIR, "torchship-cpp")
    program = tmp_path / "consumer"
    run_ok("g++", "-std=c++20", CONSUMER / "main.cpp", *flags, "-o", program)
    check_answer(program, archive)


def test_scikit_build_core_finds_the_wheel(archive, tmp_path):
    """By the entry point `cmake.root`, without a path anywhere."""
    (entry,) = entry_points(group="cmake.root", name="torchship")
    assert files(entry.value) == cli.PACKAGE
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["scikit-build-core"]\n'
        'build-backend = "scikit_build_core.build"\n'
        '[project]\nname = "embedding"\nversion = "1"\n'
    )
    shutil.copy(SOURCES / "run.c", tmp_path)
    recipe = (SOURCES / "CMakeLists.txt").read_text()
    (tmp_path / "CMakeLists.txt").write_text(
        recipe + "install(TARGETS run DESTINATION embedding)\n"
    )
    pip = [sys.executable, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "--quiet"]
    environment = {**os.environ, "PATH": TOOLS_PATH}
    run_ok(*pip, "--target", tmp_path / "installed", tmp_path, env=environment)
    # Installing drops the path of the library, as CMake does unless it is told.
    program = tmp_path / "installed" / "embedding" / "run"
    done = run(program, archive, env={**os.environ, "LD_LIBRARY_PATH": str(cli.PACKAGE / "lib")})
    assert done.returncode == 0, done.stderr


def configured(folder: Path) -> None:
    cmake_ok("-S", SUBPROJECT, "-B", folder, "-GNinja", f"-DLibTorch_ROOT={TORCH}")


def test_subproject_is_configured(tmp_path):
    configured(tmp_path)
    targets = run_ok(
        "ninja", "-C", tmp_path, "-t", "targets", "all", env={**os.environ, "PATH": TOOLS_PATH}
    )
    assert "libtorchship.so" in targets
    assert "cpp/cli" not in targets, "another project's build makes the library only"
    commands = run_ok(
        "ninja", "-C", tmp_path, "-t", "commands", "run", env={**os.environ, "PATH": TOOLS_PATH}
    )
    (of_c,) = [line for line in commands.splitlines() if line.endswith("run.c")]
    assert str(TORCH) not in of_c, "C programs see no header of LibTorch"


@pytest.mark.slow
def test_subproject_is_built(archive, tmp_path):
    configured(tmp_path)
    run_ok("cmake", "--build", tmp_path, timeout=3600, env={**os.environ, "PATH": TOOLS_PATH})
    check_answer(tmp_path / "consumer", archive)
    check_answer(tmp_path / "run", archive)


@pytest.mark.slow
def test_installed_without_pip_it_finds_its_libtorch(archive, tmp_path):
    """`cmake --install` to a folder that has no torch beside it."""
    build, prefix = tmp_path / "build", tmp_path / "prefix"
    cmake_ok(
        "-S", ROOT, "-B", build, "-GNinja", f"-DLibTorch_ROOT={TORCH}", "-DTORCHSHIP_BUILD_CLI=OFF"
    )
    run_ok("cmake", "--build", build, timeout=3600, env={**os.environ, "PATH": TOOLS_PATH})
    cmake_ok("--install", build, "--prefix", prefix)
    assert not (prefix / "bin").exists()
    check_c_project(tmp_path / "c", archive, f"-DCMAKE_PREFIX_PATH={prefix}")
    cmake_ok("-S", CONSUMER, "-B", tmp_path / "cpp", f"-DCMAKE_PREFIX_PATH={prefix}")
    cmake_ok("--build", tmp_path / "cpp")
    check_answer(tmp_path / "cpp" / "consumer", archive)
    flags = package_flags(prefix / "lib" / "pkgconfig", "torchship-cpp")
    run_ok("g++", "-std=c++20", CONSUMER / "main.cpp", *flags, "-o", tmp_path / "consumer")
    check_answer(tmp_path / "consumer", archive)
