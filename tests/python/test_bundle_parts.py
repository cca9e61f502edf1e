"""What bundles are made of: closures of libraries, symbols, folders that take a name, tar files."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
import torch
import torchship
from support import MAKE_SCALED, check_message
from torchship.bundling import contents, write
from torchship.bundling.closure import find_closure
from torchship.bundling.elf import read_elf
from torchship.bundling.listing import align, size_text
from torchship.bundling.symbols import oldest_glibc, require_offered

ROOT = Path(__file__).resolve().parents[2]
OPERATORS = ROOT / "build/make/tests/cpp/libtorchship_test_operators.so"


def library(path: Path, needs: list[Path] = (), code: str = "", *options: str) -> Path:
    """Builds a shared library that needs others and looks for them beside itself."""
    path.parent.mkdir(parents=True, exist_ok=True)
    source = path.with_name(path.name + ".c")
    source.write_text(code or f"int {path.name.partition('.')[0].replace('-', '_')};")
    compiled = subprocess.run(
        ["gcc", "-shared", "-fPIC", "-o", path, source, f"-Wl,-soname,{path.name}",
         "-Wl,--no-as-needed", "-Wl,--allow-shlib-undefined", "-Wl,--enable-new-dtags",
         "-Wl,-rpath,$ORIGIN", *options, *needs],
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert compiled.returncode == 0, compiled.stderr
    source.unlink()
    return path


@pytest.fixture(scope="module")
def cuda_wheel(tmp_path_factory) -> Path:
    """The libraries of a torch with CUDA as its wheels lay them out, empty but for their needs."""
    site = tmp_path_factory.mktemp("site-packages")
    lib, nvidia = site / "torch" / "lib", site / "nvidia"
    runtime = library(nvidia / "cuda_runtime/lib/libcudart.so.12")
    library(nvidia / "cudnn/lib/libcudnn_ops.so.9")
    cudnn = library(nvidia / "cudnn/lib/libcudnn.so.9")
    driver = library(site / "driver/libcuda.so.1")
    beside = ("-Wl,-rpath,$ORIGIN/../../nvidia/cudnn/lib:$ORIGIN/../../nvidia/cuda_runtime/lib",)
    c10 = library(lib / "libc10.so")
    c10_cuda = library(lib / "libc10_cuda.so", [c10, runtime, driver], "", *beside)
    cpu = library(lib / "libtorch_cpu.so", [c10, runtime], "", *beside)
    library(lib / "libtorch_cuda_linalg.so", [cpu])
    cuda = library(lib / "libtorch_cuda.so", [c10_cuda, cpu, cudnn], "", *beside)
    library(lib / "libtorch.so", [cpu, cuda])
    library(site / "torchship/lib/libtorchship.so", [lib / "libtorch.so"], "",
            "-Wl,-rpath,$ORIGIN/../../torch/lib", f"-Wl,-rpath-link,{site}/driver")  # fmt: skip
    return site


def test_cpu_bundle_of_a_cuda_wheel(cuda_wheel):
    closure = find_closure([cuda_wheel / "torchship/lib/libtorchship.so"], with_cuda=False)
    assert set(closure.libraries) == {
        "libtorch.so", "libtorch_cpu.so", "libc10.so", "libcudart.so.12",
    }  # fmt: skip
    assert closure.dropped == {cuda_wheel / "torch/lib/libtorch.so": {"libtorch_cuda.so"}}
    assert not closure.driver


def test_needs_that_are_dropped_are_gone(cuda_wheel, tmp_path):
    closure = find_closure([cuda_wheel / "torchship/lib/libtorchship.so"], with_cuda=False)
    items = contents.library_items(closure, [], cuda_wheel / "torch/lib")
    for item in items:
        write.place(item, tmp_path, strip=True)
    there = {path.name for path in (tmp_path / "lib").iterdir()}
    for path in (tmp_path / "lib").iterdir():
        elf = read_elf(path)
        assert (elf.rpath, elf.runpath) == (("$ORIGIN",), ())
        assert {name for name in elf.needed if not name.startswith("libc.")} <= there


def test_cuda_bundle_has_what_is_opened_by_name(cuda_wheel):
    closure = find_closure([cuda_wheel / "torchship/lib/libtorchship.so"], with_cuda=True)
    assert set(closure.libraries) == {
        "libtorch.so", "libtorch_cpu.so", "libc10.so", "libcudart.so.12", "libtorch_cuda.so",
        "libc10_cuda.so", "libcudnn.so.9", "libcudnn_ops.so.9", "libtorch_cuda_linalg.so",
    }  # fmt: skip
    assert closure.driver == {"libcuda.so.1"}
    assert not closure.dropped


def test_closure_names_what_is_missing(tmp_path):
    absent = library(tmp_path / "libabsent.so")
    user = library(tmp_path / "libuser.so", [absent])
    absent.unlink()
    with pytest.raises(torchship.Error) as caught:
        find_closure([user], with_cuda=False)
    check_message(caught.value, user, "it needs libabsent.so")


def test_closure_reads_library_path(tmp_path, monkeypatch):
    hidden = library(tmp_path / "hidden" / "libhidden.so")
    user = library(tmp_path / "libuser.so", [hidden])
    monkeypatch.setenv("LD_LIBRARY_PATH", str(hidden.parent))
    assert find_closure([user], with_cuda=False).libraries == {"libhidden.so": hidden}


def test_first_of_a_name_serves_all(tmp_path):
    """As the loader does it: what the program loaded first is what the others get."""
    first = library(tmp_path / "a" / "libcommon.so")
    library(tmp_path / "b" / "libcommon.so")
    user = library(tmp_path / "a" / "libuser.so", [first])
    later = library(tmp_path / "b" / "liblater.so", [tmp_path / "b" / "libcommon.so"])
    closure = find_closure([user, later], with_cuda=False)
    assert closure.libraries["libcommon.so"] == first


def test_text_is_no_library(tmp_path):
    path = tmp_path / "libtext.so"
    for content in (b"GROUP ( libm.so.6 )", b"\x7fELF", b"\x7fELF" + bytes(100), b""):
        path.write_bytes(content)
        with pytest.raises(torchship.Error) as caught:
            read_elf(path)
        check_message(caught.value, path, "no executable or shared library")


def versioned(path: Path, versions: list[str]) -> Path:
    script = path.with_suffix(".map")
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(
        "".join(f"{name} {{ global: f_{i}; local: *; }};\n" for i, name in enumerate(versions))
    )
    code = "".join(f"void f_{i}(void) {{}}\n" for i in range(len(versions)))
    return library(path, [], code, f"-Wl,--version-script={script}")


def test_libraries_must_be_new_enough(tmp_path):
    new = versioned(tmp_path / "new" / "libv.so", ["V_1", "V_2"])
    versioned(tmp_path / "old" / "libv.so", ["V_1"])
    user = library(tmp_path / "libuser.so", [new], "void f_1(void);\nvoid g(void) { f_1(); }")
    old = find_closure([user], with_cuda=False, extra_folders=[tmp_path / "old"])
    with pytest.raises(torchship.Error) as caught:
        require_offered([(str(user), read_elf(user))], old, with_libc=False)
    check_message(caught.value, user, "it needs libv.so with V_2", tmp_path / "old" / "libv.so")
    enough = find_closure([user], with_cuda=False, extra_folders=[tmp_path / "new"])
    require_offered([(str(user), read_elf(user))], enough, with_libc=False)


def test_oldest_glibc_is_the_newest_that_is_asked_for(tmp_path):
    user = library(
        tmp_path / "libuser.so", [], "#include <stdlib.h>\nvoid *f() { return malloc(1); }"
    )
    assert oldest_glibc([("user", read_elf(user))]) == ("2.2.5", "user")
    assert oldest_glibc([]) == ("", "")
    program = Path(torch.__file__).parent / "lib/libtorch_cpu.so"
    major, minor = oldest_glibc([("user", read_elf(user)), ("x", read_elf(program))])[0].split(".")
    assert (int(major), int(minor)) >= (2, 17)


def test_engines_of_an_archive_count(tmp_path):
    engine = library(tmp_path / "engine.so", ["-lm"])
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as file:
        file.writestr("e/data/aotinductor/model/engine.so", engine.read_bytes())
        file.writestr("e/data/aotinductor/model/engine.cpp", "// no library")
    archive = tmp_path / "model.pt"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("model/extra/torchship/engines/v3.pt2", package.getvalue())
        file.writestr("model/extra/torchship/samples.safetensors", bytes(50))
        file.writestr("model/data.pkl", b"")
    ((name, elf),) = contents.engines_of(archive)
    assert "v3.pt2" in name and "libm.so.6" in elf.needed
    closure = find_closure([], [(name, elf)], with_cuda=False)
    assert "libm.so.6" in closure.c_library
    words = dict(contents.parts_of(archive))
    assert words["the archive's engine v3"] == len(package.getvalue())
    assert len(words) == 2


def test_operator_libraries_find_libtorch(tmp_path):
    torch_folder = tmp_path / "torch" / "lib"
    cpu = library(torch_folder / "libtorch_cpu.so")
    own = library(tmp_path / "own" / "libown.so")
    operators = library(tmp_path / "own" / "liboperators.so", [cpu, own])
    closure = find_closure([operators], with_cuda=False, extra_folders=[torch_folder])
    items = list(contents.library_items(closure, [operators], torch_folder))
    for item in items:
        write.place(item, tmp_path / "b", strip=True)
    assert {item.path for item in items} == {
        "lib/libtorch_cpu.so", "lib/libown.so", "lib/operators/liboperators.so",
    }  # fmt: skip
    assert read_elf(tmp_path / "b/lib/operators/liboperators.so").rpath == ("$ORIGIN/..",)
    components = contents.components_of([*contents.program_items(False), *items], with_mkl=False)
    assert {component.name for component in components} >= {"LibTorch", "libown.so"}


# Folders and tar files.


def filled(folder: Path, text: str) -> Path:
    (folder / "lib").mkdir(parents=True)
    (folder / "bundle.json").write_text('{"torchship_bundle": 1}')
    (folder / "lib" / "a.so").write_text(text)
    (folder / "lib" / "a.so").chmod(0o700)
    return folder


def test_publishing_replaces_at_once(tmp_path):
    old, new = filled(tmp_path / "b", "old"), filled(tmp_path / "new", "new")
    write.publish(new, old)
    assert (old / "lib/a.so").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_failed_publishing_keeps_the_old_bundle(tmp_path, monkeypatch):
    old, new = filled(tmp_path / "b", "old"), filled(tmp_path / "new", "new")
    rename = os.rename

    def fails(source, target):
        if Path(source) == new:
            raise OSError("no")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fails)
    with pytest.raises(OSError):
        write.publish(new, old)
    assert (old / "lib/a.so").read_text() == "old"


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tgz"])
def test_tar_files_are_reproducible(tmp_path, ending):
    outputs = [tmp_path / f"one{ending}", tmp_path / f"two{ending}"]
    for number, output in enumerate(outputs):
        folder = filled(tmp_path / f"work{number}", "same")
        os.utime(folder / "lib", (number, number))
        time.sleep(0.01)
        write.pack(folder, output, "b")
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    with tarfile.open(outputs[0]) as tar:
        entries = {entry.name: entry for entry in tar}
    assert list(entries) == ["b", "b/bundle.json", "b/lib", "b/lib/a.so"]
    assert all(entry.mtime == entry.uid == entry.gid == 0 for entry in entries.values())
    assert entries["b/lib/a.so"].mode == 0o755
    assert entries["b/bundle.json"].mode == 0o644


def test_tar_files_keep_the_mode_of_a_temporary_folder(tmp_path):
    folder = filled(tmp_path / "work", "same")
    write.make_temporary_folder(folder / "tmp")
    write.pack(folder, tmp_path / "b.tar", "b")
    with tarfile.open(tmp_path / "b.tar") as tar:
        assert [tar.getmember(name).mode for name in ("b/lib", "b/tmp")] == [0o755, 0o1777]


def test_sizes_are_aligned():
    assert [size_text(n) for n in (0, 999, 1000, 12_345, 345_017_504, 2_000_000_000)] == [
        "0 bytes", "999 bytes", "1.0 kB", "12.3 kB", "345.0 MB", "2.0 GB",
    ]  # fmt: skip
    assert align([("file", "size", "for"), ("a", "1.0 kB", "")]) == (
        "file    size  for\na     1.0 kB".replace("file    size", "file    size")
    )


# Whole bundles that take longer.


@pytest.mark.slow
@pytest.mark.skipif(not OPERATORS.exists(), reason="the C++ tests are not built in build/make")
def test_operator_libraries_go_along(tmp_path):
    script, archive = tmp_path / "make.py", tmp_path / "scaled.pt"
    script.write_text(MAKE_SCALED)
    subprocess.run([sys.executable, script, OPERATORS, archive], check=True, timeout=120)
    with pytest.raises(torchship.Error) as caught:
        torchship.bundle(archive, tmp_path / "b", strip=False)
    check_message(caught.value, "the bundle does not work", "--no-check")
    assert not (tmp_path / "b").exists()
    made = torchship.bundle(archive, tmp_path / "b", strip=False, operator_libraries=[OPERATORS])
    assert made.operator_libraries == (f"lib/operators/{OPERATORS.name}",)
    inside = made.path / made.operator_libraries[0]
    assert read_elf(inside).rpath == ("$ORIGIN/..",)
    done = subprocess.run(
        [made.path / "bin/torchship", "run", made.path / "scaled.pt", "-i", "x=1,2",
         "--op-library", inside],
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert "[4, 7]" in done.stdout, done.stderr
    assert f"--op-library {made.operator_libraries[0]}" in (made.path / "README.txt").read_text()


@pytest.mark.slow
def test_tar_of_a_bundle_runs_and_is_reproducible(tmp_path, archives):
    options = dict(check=False, libc=True)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    first = torchship.bundle(archives["linear"], tmp_path / "one" / "b", tar=True, **options)
    second = torchship.bundle(archives["linear"], tmp_path / "two" / "b", tar=True, **options)
    assert first.path.name == "b.tar.gz"
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.packed == first.path.stat().st_size
    subprocess.run(["tar", "-xzf", first.path, "-C", tmp_path], check=True)
    done = subprocess.run(
        [tmp_path / "b/bin/torchship", "info", tmp_path / "b/linear.pt", "--json"],
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout)["methods"], done.stderr


@pytest.mark.slow
def test_force_replaces_a_bundle(tmp_path, archives):
    output = tmp_path / "b"
    torchship.bundle(archives["linear"], output, strip=False, check=False)
    made = torchship.bundle(archives["options"], output, strip=False, force=True)
    assert (output / "options.pt").exists() and not (output / "linear.pt").exists()
    assert made.checked.startswith("starts")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert shutil.disk_usage(tmp_path).free > 0
