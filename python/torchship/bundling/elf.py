"""What ELF files say of the libraries they need."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from torchship.errors import Error

MAGIC = b"\x7fELF"


@dataclass(frozen=True)
class Elf:
    """The part of an ELF file that its loader looks at."""

    machine: str
    interpreter: str = ""
    soname: str = ""
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()  # Folders of DT_RPATH, which come before LD_LIBRARY_PATH.
    runpath: tuple[str, ...] = ()  # Folders of DT_RUNPATH, which come after it.
    asks: dict[str, frozenset[str]] = field(default_factory=dict)  # Library to symbol versions.
    offers: frozenset[str] = frozenset()  # Symbol versions that it defines itself.


def is_elf(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def read_elf(path: Path) -> Elf:
    status = path.stat()
    return _read_once(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=256)
def _read_once(path: Path, changed: int, size: int) -> Elf:
    """The time and the size tell a file from what was built in its place."""
    with open(path, "rb") as file:
        return _read(file, str(path))


def read_elf_bytes(content: bytes, name: str) -> Elf:
    return _read(BytesIO(content), name)


def _read(file: BinaryIO, name: str) -> Elf:
    reader = require_elftools()
    try:
        return _facts(reader.ELFFile(file))
    except (reader.ELFError, reader.ELFParseError, AssertionError) as error:
        raise Error(f"{name}: this is no executable or shared library: {error}") from error


def require_elftools():
    """elftools.elf.elffile and its errors, or how to get them."""
    try:
        from elftools.common import exceptions
        from elftools.elf import elffile
    except ImportError as error:
        raise Error(
            "torchship bundle needs the package pyelftools, which is not installed",
            "python -m pip install 'torchship[bundle]'",
        ) from error
    elffile.ELFError = exceptions.ELFError
    elffile.ELFParseError = exceptions.ELFParseError
    return elffile


def _facts(elf) -> Elf:
    from elftools.elf.gnuversions import GNUVerDefSection, GNUVerNeedSection

    asks: dict[str, frozenset[str]] = {}
    offers: set[str] = set()
    for section in elf.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            for library, versions in section.iter_versions():
                asks[library.name] = frozenset(version.name for version in versions)
        elif isinstance(section, GNUVerDefSection):
            for _, names in section.iter_versions():
                offers.add(next(names).name)
    return Elf(
        machine=elf.get_machine_arch(),
        interpreter=_interpreter(elf),
        asks=asks,
        offers=frozenset(offers),
        **_dynamic(elf),
    )


def _interpreter(elf) -> str:
    for segment in elf.iter_segments("PT_INTERP"):
        return segment.get_interp_name()
    return ""


def _dynamic(elf) -> dict:
    found: dict[str, list[str]] = {}
    for segment in elf.iter_segments("PT_DYNAMIC"):
        for tag in segment.iter_tags():
            for name in ("needed", "soname", "runpath", "rpath"):
                if tag.entry.d_tag == f"DT_{name.upper()}":
                    found.setdefault(name, []).append(getattr(tag, name))
    return {
        "soname": next(iter(found.get("soname", [])), ""),
        "needed": tuple(found.get("needed", [])),
        "rpath": _parts(found.get("rpath", [])),
        "runpath": _parts(found.get("runpath", [])),
    }


def _parts(paths: list[str]) -> tuple[str, ...]:
    return tuple(part for path in paths for part in path.split(":") if part)


def expand(folders: tuple[str, ...], origin: Path) -> Iterator[Path]:
    """The folders of an RPATH, as the loader reads it in a file in the folder `origin`."""
    for part in folders:
        yield Path(part.replace("${ORIGIN}", str(origin)).replace("$ORIGIN", str(origin)))
