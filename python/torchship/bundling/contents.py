"""What goes into a bundle, and where."""

import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from torchship import cli
from torchship._archive import PLACES
from torchship.bundling.closure import Closure
from torchship.bundling.elf import Elf, read_elf_bytes
from torchship.bundling.licenses import CLI11, GLIBC, JSON, MKL, TORCHSHIP, Component, component_of
from torchship.bundling.listing import LICENSES, LISTING, README
from torchship.errors import Error

LAUNCHER = cli.PACKAGE / "libexec" / "torchship-launcher"
HEADERS = cli.PACKAGE / "include"
OPERATORS = "lib/operators"
C_LIBRARY_FOLDER = "lib/libc"
TEMPORARY = "tmp"
TAKEN = ("bin", "include", "lib", "libexec", TEMPORARY, LICENSES, LISTING, README)

PURPOSES = {
    "libtorchship.so": "loads and runs archives",
    "libtorch_cpu.so": "LibTorch: operators and their kernels, TorchScript",
    "libtorch.so": "LibTorch: the name that programs link",
    "libc10.so": "LibTorch: tensors, allocators, dispatch",
    "libgomp.so.1": "threads of LibTorch's operators (OpenMP)",
    "libstdc++.so.6": "the C++ standard library",
    "libgcc_s.so.1": "exceptions of C++",
}


@dataclass(frozen=True)
class Item:
    """A file to be copied, and what is done to it on the way."""

    path: str
    source: Path
    purpose: str
    component: Component
    strip: bool = False
    rpath: str = ""  # Empty: as it is.
    drop: frozenset[str] = field(default_factory=frozenset)  # Libraries it shall not need.
    executable: bool = False


def program_items(with_libc: bool) -> Iterator[Item]:
    program = Item(
        "bin/torchship",
        cli.EXECUTABLE,
        "the executable",
        TORCHSHIP,
        strip=True,
        rpath="$ORIGIN/../lib",
        executable=True,
    )
    if not with_libc:
        yield program
        return
    if not LAUNCHER.exists():
        raise Error(
            "this torchship has no launcher, which a bundle with a C library needs",
            "leave --libc out; the launcher is built on x86-64 and AArch64",
        )
    yield Item(
        "bin/torchship", LAUNCHER, "starts the executable", TORCHSHIP, strip=True, executable=True
    )
    inside = {
        **vars(program),
        "path": "libexec/torchship",
        "rpath": f"$ORIGIN/../{C_LIBRARY_FOLDER}:$ORIGIN/../lib",
    }
    yield Item(**inside)


def library_items(closure: Closure, operators: Iterable[Path], libtorch: Path) -> Iterator[Item]:
    """`libtorch` is the folder of LibTorch's own libraries."""
    for name, path in sorted(closure.libraries.items()):
        is_libtorch = path.is_relative_to(libtorch)
        yield Item(
            f"lib/{name}",
            path,
            PURPOSES.get(name) or ("LibTorch" if is_libtorch else "needed by the others"),
            component_of(path, name, is_libtorch),
            strip=True,
            rpath="$ORIGIN",
            drop=frozenset(closure.dropped.get(path, ())),
            executable=True,
        )
    for path in operators:
        yield Item(
            f"{OPERATORS}/{path.name}",
            path,
            "custom operators: --op-library",
            component_of(path, path.name, False),
            strip=True,
            rpath="$ORIGIN/..",
            executable=True,
        )


def c_library_items(closure: Closure) -> Iterator[Item]:
    for name, path in sorted(closure.c_library.items()):
        purpose = "the loader" if name.startswith("ld-linux") else "the C library"
        yield Item(f"{C_LIBRARY_FOLDER}/{name}", path, purpose, GLIBC, executable=True)


def header_items() -> Iterator[Item]:
    for path in sorted(HEADERS.rglob("*.h")):
        yield Item(f"include/{path.relative_to(HEADERS)}", path, "headers", TORCHSHIP)


def components_of(items: Iterable[Item], with_mkl: bool) -> dict[Component, list[str]]:
    """Each component with the files that it is in."""
    found: dict[Component, list[str]] = {}
    for item in items:
        if not item.path.startswith("include/"):
            found.setdefault(item.component, []).append(item.path)
    program = [p for p in found.get(TORCHSHIP, ()) if p.endswith("/torchship")][-1:]
    found[JSON] = [*program, "lib/libtorchship.so"]
    found[CLI11] = program
    if with_mkl:
        found[MKL] = ["lib/libtorch_cpu.so"]
    return found


def engines_of(archive: Path) -> Iterator[tuple[str, Elf]]:
    """The shared libraries of the archive's compiled engines, which need libraries as well."""
    if not zipfile.is_zipfile(archive):
        return
    with zipfile.ZipFile(archive) as outer:
        for name in outer.namelist():
            if name.endswith(".so"):
                yield f"{archive}: {name}", read_elf_bytes(outer.read(name), name)
            elif name.endswith(".pt2"):
                with outer.open(name) as record, zipfile.ZipFile(record) as inner:
                    for part in inner.namelist():
                        if part.endswith(".so"):
                            elf = read_elf_bytes(inner.read(part), part)
                            yield f"{archive}: {name}: {part}", elf


def parts_of(archive: Path) -> Iterator[tuple[str, int]]:
    """What of an archive its model could do without: words and sizes."""
    if not zipfile.is_zipfile(archive):
        return
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            inside = info.filename.partition("/")[2]
            if inside.startswith(tuple(places.engines for places in PLACES.values())):
                yield f"the archive's engine {Path(inside).stem}", info.compress_size
            elif inside in {places.samples for places in PLACES.values()}:
                yield "the archive's samples, with which it can be checked", info.compress_size
