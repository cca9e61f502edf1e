"""Binary files as the compiled module takes them."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from typing import TypeAlias

    from typing_extensions import Buffer

    Archive: TypeAlias = str | os.PathLike[str] | Buffer | BinaryIO


def opened(file: Any) -> tuple[int | bytes, str]:
    """The descriptor of a file on disk, else the bytes of the file; and its name.

    A file on disk that stands at its start is read by its descriptor; anything else, as
    decompressing files and pipes are, by its own read().
    """
    name = getattr(file, "name", None)
    if not isinstance(name, str):
        name = f"<{type(file).__name__}>"
    raw = getattr(file, "raw", file)
    if isinstance(raw, io.FileIO) and raw.seekable() and file.tell() == 0:
        if file.writable():
            file.flush()
        return raw.fileno(), name
    data = file.read()
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"{name}: read() gave {type(data).__name__}, not bytes: open it with 'rb'")
    return bytes(data), name
