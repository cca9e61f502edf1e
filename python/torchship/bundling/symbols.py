"""Whether the libraries of a bundle are new enough for each other, and what glibc they ask for."""

from collections.abc import Iterable

from torchship.bundling.closure import C_LIBRARY, Closure
from torchship.bundling.elf import Elf, read_elf
from torchship.errors import Error


def oldest_glibc(elves: Iterable[tuple[str, Elf]]) -> tuple[str, str]:
    """The glibc that has every symbol which the files ask it for, and the file that asks for most.

    ("2.28", "libc10.so"); two empty ones where none is asked for any.
    """
    versions = [
        (tuple(map(int, version.removeprefix("GLIBC_").split("."))), name)
        for name, elf in elves
        for library, asked in elf.asks.items()
        if C_LIBRARY.fullmatch(library)
        for version in asked
        if version.startswith("GLIBC_") and version[len("GLIBC_") :][:1].isdigit()
    ]
    version, name = max(versions, default=((), ""))
    return ".".join(map(str, version)), name


def require_offered(elves: Iterable[tuple[str, Elf]], closure: Closure, with_libc: bool) -> None:
    """Refuses files that ask a library of the bundle for symbols newer than it has.

    Here they may have run with another copy of it: a compiled engine, for one, is made by a
    compiler whose libstdc++ can be newer than the one that is found first.
    """
    available = {**closure.libraries, **(closure.c_library if with_libc else {})}
    for name, elf in elves:
        for library, asked in elf.asks.items():
            if library not in available:
                continue
            offers = read_elf(available[library]).offers
            lacking = sorted(asked - offers) if offers else []
            if lacking:
                raise Error(
                    f"{name}: it needs {library} with {lacking[-1]}, and {available[library]} is "
                    "older",
                    f"name the folder of a newer {library} in LD_LIBRARY_PATH",
                )
