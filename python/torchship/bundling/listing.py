"""What a bundle holds: bundle.json for programs, README.txt and a table for people."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

FORMAT = 1
LISTING = "bundle.json"
README = "README.txt"
LICENSES = "LICENSES"


@dataclass(frozen=True)
class BundledFile:
    """A file of a bundle, or, where `path` ends with a slash, a folder of small ones."""

    path: str
    size: int
    purpose: str
    component: str  # "LibTorch"; LICENSES/README.txt has its licence.
    sha256: str = ""  # Of a file.
    package: str = ""  # The system's package that it came from, with its version.


@dataclass(frozen=True)
class Needs:
    """What the machine must have that runs the bundle."""

    machine: str  # "x64"
    glibc: str  # "2.28"; empty where the bundle brings its own.
    glibc_by: str = ""  # The library that asks for it: "libstdc++.so.6".
    driver: tuple[str, ...] = ()  # Libraries of a driver: "libcuda.so.1".


@dataclass(frozen=True)
class Bundle:
    """A bundle that was made. `path` is its folder, or its tar file."""

    path: Path
    archive: str
    files: tuple[BundledFile, ...]
    needs: Needs
    device: str
    versions: dict[str, str]
    operator_libraries: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    without: tuple[tuple[str, int], ...] = ()  # What could be left out, and its size.
    stripped: int = 0  # Bytes that stripping saved.
    packed: int = 0  # The size of the tar file.
    checked: str = ""  # What was done to see that it runs.

    @property
    def total(self) -> int:
        return sum(file.size for file in self.files)

    def to_json(self) -> dict:
        """The object of bundle.json; `bundle --json` has "path" and "packed" as well."""
        content = asdict(self)
        for key in ("path", "packed"):
            del content[key]
        content["without"] = [{"what": what, "size": size} for what, size in self.without]
        return {"torchship_bundle": FORMAT, "total": self.total, **content}

    def to_text(self) -> str:
        """The size table."""
        rows = [("file", "size", "what for")]
        rows += [(file.path, size_text(file.size), file.purpose) for file in self.files]
        rows.append(("total", size_text(self.total), ""))
        lines = [align(rows), "", *self._remarks()]
        return "\n".join(lines) + "\n"

    def _remarks(self) -> list[str]:
        remarks = [f"needs: {needs_text(self.needs)}"]
        if self.stripped:
            remarks.append(f"stripped: {size_text(self.stripped)} of symbols and debug sections")
        for what, size in self.without:
            remarks.append(f"could be left out: {what} ({size_text(size)})")
        if self.checked:
            remarks.append(f"checked: {self.checked}")
        return remarks


@dataclass
class Draft:
    """A bundle in the making: what its listing will say beside its files."""

    archive: str
    device: str
    needs: Needs
    versions: dict[str, str]
    operator_libraries: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    without: tuple[tuple[str, int], ...] = ()
    stripped: int = 0
    checked: str = ""
    files: list[BundledFile] = field(default_factory=list)

    def finish(self, path: Path, packed: int = 0) -> Bundle:
        content = {**vars(self), "files": tuple(self.files)}
        return Bundle(path=path, packed=packed, **content)


def needs_text(needs: Needs) -> str:
    machine = {"x64": "x86-64", "AArch64": "AArch64"}.get(needs.machine, needs.machine)
    text = f"Linux on {machine}, "
    if needs.glibc:
        text += f"glibc {needs.glibc} or newer (for {needs.glibc_by})"
    else:
        text += "no C library: it is inside"
    return text + "".join(f", {name} of the driver" for name in needs.driver)


def size_text(size: int) -> str:
    if size < 1000:
        return f"{size} bytes"
    units = ("kB", "MB", "GB", "TB")
    thousands = min((len(str(size)) - 1) // 3, len(units))
    return f"{size / 1000**thousands:.1f} {units[thousands - 1]}"


def align(rows: list[tuple[str, ...]]) -> str:
    """Columns side by side, the second one to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if i == 1 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def read_listing(folder: Path) -> dict | None:
    """The listing of an earlier bundle; None where the folder is none."""
    try:
        content = json.loads((folder / LISTING).read_text())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and "torchship_bundle" in content else None
