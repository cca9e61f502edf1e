"""Writes the files of a bundle into a folder that takes its name when it is whole."""

import contextlib
import errno
import gzip
import hashlib
import os
import secrets
import shutil
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

from torchship._replace import _sync_folder, replacing
from torchship.bundling import tools
from torchship.bundling.contents import Item
from torchship.bundling.listing import LISTING, read_listing
from torchship.errors import Error

TAR_ENDINGS = {".tar": False, ".tar.gz": True, ".tgz": True}  # Whether it is compressed.


def tar_ending(output: Path) -> str:
    """How a name of a tar file ends; empty for a folder's."""
    return next((ending for ending in TAR_ENDINGS if output.name.endswith(ending)), "")


def check_output(output: Path, force: bool) -> None:
    """Refuses an output that holds something which is no earlier bundle."""
    if not output.parent.is_dir():
        raise Error(f"cannot make {output}: there is no folder {output.parent}", "make it first")
    if tar_ending(output):
        _check_file(output, force)
    elif output.is_symlink() or (output.exists() and not output.is_dir()):
        raise Error(f"cannot make {output}: there is a file of that name", "choose another name")
    elif output.is_dir() and any(output.iterdir()):
        _check_folder(output, force)


def _check_file(output: Path, force: bool) -> None:
    if output.exists() and not output.is_file():
        raise Error(f"cannot make {output}: it is not a regular file", "choose another name")
    if output.exists() and not force:
        raise Error(f"cannot make {output}: it is there already", "--force replaces it")


def _check_folder(output: Path, force: bool) -> None:
    earlier = read_listing(output)
    if earlier is None:
        raise Error(
            f"cannot make {output}: it is there already, and no bundle (it has no {LISTING})",
            "choose another name, or empty it",
        )
    if not force:
        raise Error(f"cannot make {output}: there is a bundle already", "--force replaces it")
    known = [LISTING, *(file["path"] for file in earlier.get("files", []))]
    for path in sorted(output.rglob("*")):
        name = path.relative_to(output).as_posix()
        listed = name in known or any(k.endswith("/") and name.startswith(k) for k in known)
        if not listed and not path.is_dir():
            raise Error(
                f"cannot replace the bundle {output}: it holds {name}, which is not its own",
                "move that file elsewhere, or choose another name",
            )


def require_space(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        raise Error(
            f"{folder}: the bundle needs {size // 10**6 + 1} MB, and {free // 10**6} MB are free",
            "make room, or choose an output elsewhere",
        )


@contextlib.contextmanager
def building(output: Path) -> Iterator[Path]:
    """A folder beside the output, which is gone afterwards unless it has been published."""
    temporary = output.with_name(f".torchship-{secrets.token_hex(8)}.tmp")
    try:
        temporary.mkdir()
        yield temporary
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Error(
                f"cannot make {output}: no space left in {output.parent}",
                "make room, or choose an output elsewhere",
            ) from error
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def publish(folder: Path, output: Path) -> None:
    """Gives a finished folder its name. An earlier bundle comes back if that fails."""
    _sync_tree(folder)
    if not output.exists() or not any(output.iterdir()):
        os.rename(folder, output)
    else:
        aside = folder.with_name(f"{folder.name}-old")
        os.rename(output, aside)
        try:
            os.rename(folder, output)
        except OSError:
            os.rename(aside, output)
            raise
        shutil.rmtree(aside)
    _sync_folder(output.parent)


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def pack(folder: Path, output: Path, name: str) -> None:
    """Writes a tar file of a folder: the same bytes for the same files, whoever writes it when."""
    with replacing(output) as file:
        if TAR_ENDINGS[tar_ending(output)]:
            with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
                _pack(folder, packed, name)
        else:
            _pack(folder, file, name)


def _pack(folder: Path, file, name: str) -> None:
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in (folder, *sorted(folder.rglob("*"))):
            tar.add(
                path, (Path(name) / path.relative_to(folder)).as_posix(), False, filter=_anonymous
            )


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    is_for_all = info.isdir() and info.mode & stat.S_ISVTX
    info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
    info.mode = 0o1777 if is_for_all else info.mode
    return info


def place(item: Item, folder: Path, strip: bool) -> int:
    """Copies a file into the folder, with its changes; returns how much stripping saved."""
    target = folder / item.path
    target.parent.mkdir(parents=True, exist_ok=True)
    saved = 0
    if item.strip and strip:
        tools.strip(item.source, target)
        saved = item.source.stat().st_size - target.stat().st_size
    else:
        shutil.copyfile(item.source, target)
    os.chmod(target, 0o755)
    if item.drop:
        tools.remove_needs(target, item.drop)
    if item.rpath:
        tools.set_rpath(target, item.rpath)
    os.chmod(target, (0o777 if item.executable else 0o666) & ~current_umask())
    return max(saved, 0)


def make_temporary_folder(path: Path) -> None:
    """Where everybody may write, and nobody removes what is another's."""
    path.mkdir()
    os.chmod(path, 0o1777)


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def current_umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
