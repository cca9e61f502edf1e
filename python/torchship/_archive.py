"""Writing archives: a file of torch's with torchship's own records (docs/archive-format.md)."""

import hashlib
import io
import json
import os
import platform
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors.torch import save as to_safetensors
from torch import Tensor

from torchship._build import __version__
from torchship._replace import check_target, replacing

FORMAT = 1
PREFIX = "extra/torchship/"
ENGINES = PREFIX + "engines/"
MANIFEST = PREFIX + "manifest.json"
SAMPLES = PREFIX + "samples.safetensors"
INTERMEDIATES = PREFIX + "intermediates.safetensors"
# torch.export.load reads everything under extra/ as text, and fails where it is none.
PROGRAM_SAMPLES = "data/torchship/samples.safetensors"
PROGRAM_ENGINES = "data/torchship/engines/"

_ALIGNMENT = 64
_CHUNK = 1 << 20
# The tracer's example tensors are the author's data.
_LEFT_OUT = ("traced_inputs.pkl", "traced_inputs/")


@dataclass(frozen=True)
class Places:
    """Where a format has torchship's binary records."""

    samples: str
    engines: str  # the beginning of their names


PLACES = {
    "torchscript": Places(SAMPLES, ENGINES),
    "exported program": Places(PROGRAM_SAMPLES, PROGRAM_ENGINES),
}
"""By ModelInfo.format."""


def write_archive(
    write: Callable[[BinaryIO], None],
    path: str | os.PathLike[str],
    manifest: Mapping[str, Any],
    tensors: Mapping[str, Mapping[str, Tensor]],
    files: Mapping[str, Path] | None = None,
) -> None:
    """Write what `write` writes as torch does to `path`, with a manifest, and with `tensors` and
    `files` by the record they go to.

    The manifest's format, producer and digests are filled in here. Whole or not at all.
    """
    target = Path(os.path.realpath(path))
    check_target(target)
    # Beside the target: there is room for the archive, or the writing could not succeed anyway.
    with tempfile.TemporaryFile(dir=target.parent) as plain, replacing(target) as file:
        write(plain)
        plain.seek(0)
        with zipfile.ZipFile(plain) as source:
            _copy(source, file, manifest, tensors, files or {})


def read_manifest(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The manifest of an archive, as it stands there; empty where there is none."""
    with zipfile.ZipFile(path) as source:
        name = folder_of(source) + MANIFEST
        return json.loads(source.read(name)) if name in source.namelist() else {}


def write_with_engines(
    archive: str | os.PathLike[str],
    path: str | os.PathLike[str],
    manifest: Mapping[str, Any],
    files: Mapping[str, Path],
) -> None:
    """Write `archive` to `path` with other compiled engines: `files` by the record they go to.

    Other records that `files` names are replaced. `manifest` is the whole one; its digests are
    filled in here. The two paths may be the same. Whole or not at all.
    """
    target = Path(os.path.realpath(path))
    check_target(target)
    with zipfile.ZipFile(archive) as source, replacing(target) as out:
        folder = folder_of(source)
        writer = _Writer(out, folder)
        for info in source.infolist():
            name = info.filename.removeprefix(folder)
            if name != MANIFEST and name not in files and not _is_engine(name):
                with source.open(info) as record:
                    writer.add(name, record, info.file_size)
        writer.add_files(files)
        writer.add_bytes(MANIFEST, _text(manifest, writer.digests))
        writer.finish()


def extract(archive: str | os.PathLike[str], name: str, folder: Path) -> Path:
    """A record of an archive as a file in `folder`."""
    with zipfile.ZipFile(archive) as source:
        target = folder / name.replace("/", "-")
        with source.open(folder_of(source) + name) as record, open(target, "wb") as file:
            for chunk in _chunks(record):
                file.write(chunk)
    return target


def _is_engine(record: str) -> bool:
    return record.startswith(tuple(places.engines for places in PLACES.values()))


def folder_of(source: zipfile.ZipFile) -> str:
    """The one folder that all records are in, with a slash; PyTorch 2.6 and 2.7 wrote programs
    without one."""
    names = source.namelist()
    folder = names[0].partition("/")[0] + "/"
    return folder if all(name.startswith(folder) for name in names) else ""


def _copy(
    source: zipfile.ZipFile,
    file: BinaryIO,
    manifest: Mapping[str, Any],
    tensors: Mapping[str, Mapping[str, Tensor]],
    files: Mapping[str, Path],
) -> None:
    folder = folder_of(source)
    archive = _Writer(file, folder)
    for info in source.infolist():
        name = info.filename.removeprefix(folder)
        if not name.startswith(_LEFT_OUT):
            with source.open(info) as record:
                archive.add(name, record, info.file_size)
    for name, content in tensors.items():
        if content:
            archive.add_bytes(name, to_safetensors(dict(content)))
    archive.add_files(files)
    archive.add_bytes(MANIFEST, _text(manifest, archive.digests))
    archive.finish()


def _text(manifest: Mapping[str, Any], digests: Mapping[str, str]) -> bytes:
    producer = {
        "torchship": __version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }
    # The producer of an archive that gets engines stays whoever traced it.
    parts = {"methods": [], "findings": [], "samples": [], "engines": [], "metadata": {}}
    whole = {
        "format": FORMAT,
        "producer": producer,
        **parts,
        **manifest,
        "records": dict(digests),
    }
    return json.dumps(whole, indent=1, allow_nan=False).encode()


class _Writer:
    """A zip file whose records are stored and aligned, so that they can be mapped."""

    def __init__(self, file: BinaryIO, folder: str) -> None:
        self._file = file
        self._folder = folder
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)
        self.digests: dict[str, str] = {}

    def add_bytes(self, name: str, content: bytes) -> None:
        self.add(name, io.BytesIO(content), len(content))

    def add_files(self, files: Mapping[str, Path]) -> None:
        for name, file in files.items():
            with open(file, "rb") as record:
                self.add(name, record, file.stat().st_size)

    def add(self, name: str, content: Any, size: int) -> None:
        # No clock is read: the same model gives the same bytes.
        info = zipfile.ZipInfo(self._folder + name)
        is_wide = size > zipfile.ZIP64_LIMIT
        info.file_size = size
        info.extra = self._padding(info.filename, is_wide)
        digest = hashlib.sha256()
        with self._zip.open(info, "w", force_zip64=is_wide) as record:
            for chunk in _chunks(content):
                digest.update(chunk)
                record.write(chunk)
        self.digests[name] = digest.hexdigest()

    def _padding(self, name: str, is_wide: bool) -> bytes:
        """An extra field, as PyTorch's own writer has it, after which the data is aligned."""
        zip64_field = 20 if is_wide else 0
        start = self._file.tell() + 30 + len(name.encode()) + zip64_field + 4
        length = -start % _ALIGNMENT
        return struct.pack("<2sH", b"FB", length) + b"Z" * length

    def finish(self) -> None:
        self._zip.close()


def _chunks(content: Any) -> Iterator[bytes]:
    while chunk := content.read(_CHUNK):
        yield chunk
