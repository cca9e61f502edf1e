"""Refuses a torch that this build of torchship was not made for, before anything is loaded."""

from importlib.metadata import PackageNotFoundError, version

from torchship.errors import ArchiveError


def installed_torch() -> str:
    """The version of the torch package, without importing it where its metadata tells."""
    try:
        return version("torch")
    except PackageNotFoundError:
        import torch

        return str(torch.__version__)


def minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def require_matching_torch(running: str, built: str) -> None:
    """LibTorch keeps its C++ interface within one minor version only."""
    if minor(running) != minor(built):
        raise ArchiveError(
            f"torchship was built with torch {built}, but this process has torch {running}",
            f"install torch=={minor(built)}.*, or build torchship again with torch {running}",
        )
