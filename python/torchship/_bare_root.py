"""A root file system that holds a bundle and nothing else."""

import os
import shutil
import subprocess
from pathlib import Path

from torchship.bundling import bundle


def make_bare_root(root: Path, archive: Path) -> None:
    """Makes `root` a bundle with its own C library: /bin/torchship runs /ARCHIVE in it.

    Nothing is stripped, nor run, for haste: whoever enters the root does run it.
    """
    bundle(archive, root, libc=True, strip=False, check=False)


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
    return subprocess.run([*enter, *command], capture_output=True, text=True, env={}, timeout=120)
