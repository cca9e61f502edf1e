"""A root file system that holds an executable, its shared libraries and nothing else."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

LOADER_LINES = ("linux-vdso",)


def shared_libraries(executable: Path) -> list[Path]:
    """Every library that the loader maps for an executable, by the names it is looked up with."""
    listing = subprocess.run(
        ["ldd", str(executable)], check=True, capture_output=True, text=True
    ).stdout
    libraries = []
    for line in listing.splitlines():
        name, _, rest = line.strip().partition(" => ")
        path = (rest or name).split(" (")[0].strip()
        if any(word in name for word in LOADER_LINES):
            continue
        if path == "not found":
            raise FileNotFoundError(f"{executable}: its library {name} was not found")
        libraries.append(Path(path))
    return libraries


def _place(source: Path, root: Path, target: Path) -> None:
    destination = root / target.relative_to("/")
    destination.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), destination)  # LibTorch is large; a link costs nothing.
    except OSError:
        shutil.copy2(source, destination)


def make_bare_root(root: Path, executable: Path, files: Iterable[Path]) -> None:
    """Fills `root`: the executable as /torchship, each of `files` at the top, libraries in /lib.

    Libraries are found through /lib alone, so nothing may look for them anywhere else: the dynamic
    loader keeps its own path, and the executable's relative paths lead nowhere.
    """
    root.mkdir(parents=True)
    _place(executable, root, Path("/torchship"))
    for library in shared_libraries(executable):
        is_loader = library.name.startswith("ld-")
        _place(library, root, library if is_loader else Path("/lib") / library.name)
    for file in files:
        shutil.copy2(file, root / file.name)


def _tool(name: str) -> str:
    """Where a system tool is; ordinary users often lack /usr/sbin on their PATH."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        raise FileNotFoundError(f"{name} was not found; it comes with coreutils or util-linux")
    return found


def run_in(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command inside `root`, entered with chroot. Needs root, or user namespaces."""
    enter = [_tool("chroot"), str(root)]
    if os.geteuid() != 0:
        enter = [_tool("unshare"), "--user", "--map-root-user", *enter]
    return subprocess.run(
        [*enter, *command],
        capture_output=True,
        text=True,
        env={"LD_LIBRARY_PATH": "/lib"},
        timeout=120,
    )
