"""The libraries that programs need, found as the dynamic loader finds them."""

import os
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from torchship.bundling.elf import Elf, expand, read_elf
from torchship.errors import Error

# The C library and its parts: they belong together, to a kernel, and to the system they came from.
C_LIBRARY = re.compile(
    r"(ld-linux.*|libc|libm|libdl|libpthread|librt|libutil|libmvec|libresolv|libanl)\.so\.\d+"
)
# Of the driver of the machine where the model runs, and no other.
DRIVER = re.compile(r"lib(cuda|nvidia-ml|nvidia-ptxjitcompiler)\.so(\.\d+)?")
# What a LibTorch for CUDA has beside the part for the CPU.
CUDA_PART = re.compile(r"lib(torch_cuda|c10_cuda|torch_hip|c10_hip)\w*\.so")

SYSTEM_FOLDERS = ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")

# Libraries that LibTorch and CUDA's libraries open by name while they run: beside which library
# they lie, and their names. No DT_NEEDED tells of them.
OPENED_BY_NAME = {
    "libtorch_cuda.so": ("libtorch_cuda_linalg.so", "libcaffe2_nvrtc.so"),
    "libcudnn.so": ("libcudnn_*.so.*",),
    "libnvrtc.so": ("libnvrtc-builtins.so.*",),
}


@dataclass
class Closure:
    """Programs with every library they need, by the names they ask for."""

    libraries: dict[str, Path] = field(default_factory=dict)
    c_library: dict[str, Path] = field(default_factory=dict)
    driver: set[str] = field(default_factory=set)
    # Needs that were left out on purpose: the file and the names.
    dropped: dict[Path, set[str]] = field(default_factory=dict)


def find_closure(
    files: Iterable[Path],
    more: Iterable[tuple[str, Elf]] = (),
    *,
    with_cuda: bool,
    extra_folders: Iterable[Path] = (),
) -> Closure:
    """Every library that `files` need, and those that need them.

    `more` are ELF files inside an archive, with what to call them. `extra_folders` are looked into
    last but the system's: where LibTorch is, for libraries that name no folder of their own.
    """
    closure = Closure()
    folders = list(extra_folders)
    # In the loader's order: what the program has loaded under a name serves all that come later.
    waiting: deque[tuple[str, Path | None, Elf]] = deque((str(f), f, read_elf(f)) for f in files)
    waiting.extend((name, None, elf) for name, elf in more)

    def take(name: str, path: Path) -> None:
        closure.libraries[name] = path
        waiting.append((str(path), path, read_elf(path)))

    while waiting:
        called, path, elf = waiting.popleft()
        for name in elf.needed:
            if DRIVER.fullmatch(name):
                closure.driver.add(name)
            elif path is not None and not with_cuda and CUDA_PART.fullmatch(name):
                closure.dropped.setdefault(path, set()).add(name)
            elif name not in closure.libraries and name not in closure.c_library:
                found = _find(name, called, path, elf, folders)
                if C_LIBRARY.fullmatch(name):
                    closure.c_library[name] = found
                else:
                    take(name, found)
        if path is not None and with_cuda:
            _add_opened(path, closure, take)
    return closure


def _add_opened(path: Path, closure: Closure, take: Callable[[str, Path], None]) -> None:
    stem = path.name.partition(".so")[0] + ".so"
    for pattern in OPENED_BY_NAME.get(stem, ()):
        for found in sorted(path.parent.glob(pattern)):
            if found.name not in closure.libraries:
                take(found.name, found)


def _environment_folders() -> list[Path]:
    return [Path(part) for part in os.environ.get("LD_LIBRARY_PATH", "").split(":") if part]


def _find(name: str, called: str, path: Path | None, elf: Elf, folders: list[Path]) -> Path:
    origin = path.resolve().parent if path is not None else Path("/")
    own = () if elf.runpath else elf.rpath
    for folder in [
        *expand(own, origin),
        *_environment_folders(),
        *expand(elf.runpath, origin),
        *folders,
    ]:
        candidate = folder / name
        if candidate.is_file() and _is_for(candidate, elf.machine):
            return candidate.resolve()
    for candidate in _system_libraries().get(name, ()):
        if candidate.is_file() and _is_for(candidate, elf.machine):
            return candidate.resolve()
    raise Error(
        f"{called}: it needs {name}, which is not on this machine",
        "install it, or name its folder in LD_LIBRARY_PATH",
    )


def _is_for(path: Path, machine: str) -> bool:
    try:
        return read_elf(path).machine == machine
    except Error:
        return False  # A linker script.


@lru_cache(maxsize=1)
def _system_libraries() -> dict[str, list[Path]]:
    """What the loader's cache lists, and then what lies in the usual folders."""
    ldconfig = shutil.which("ldconfig", path=os.environ.get("PATH", "") + ":/sbin:/usr/sbin")
    listing = ""
    if ldconfig:
        listing = subprocess.run([ldconfig, "-p"], capture_output=True, text=True).stdout
    paths = [Path(line.rpartition(" => ")[2]) for line in listing.splitlines() if " => " in line]
    for folder in SYSTEM_FOLDERS:
        paths += sorted(Path(folder).glob("*.so*"))
    libraries: dict[str, list[Path]] = {}
    for path in paths:
        libraries.setdefault(path.name, []).append(path)
    return libraries
