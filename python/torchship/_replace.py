"""Files that appear whole under their name, or not at all."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def check_target(target: Path) -> None:
    if not target.parent.is_dir():
        raise FileNotFoundError(f"cannot save {target.name}: there is no folder {target.parent}")
    if target.exists() and not target.is_file():
        raise ValueError(f"cannot save to {target}: it is not a regular file")


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that takes the place of `target` when the block succeeds."""
    # open() and not tempfile, whose files are private to their owner.
    with replacing_path(target) as temporary, open(temporary, "xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def replacing_path(target: Path) -> Iterator[Path]:
    """The path of a temporary file, to be written and synced inside of the block, that takes the
    place of `target` when the block succeeds."""
    temporary = target.with_name(f".torchship-{secrets.token_hex(8)}.tmp")
    try:
        yield temporary
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
        _sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut, where the system can (not Windows)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
