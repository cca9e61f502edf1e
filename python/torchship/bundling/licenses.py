"""The licences of what is in a bundle."""

import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path

from torchship.errors import Error

HERE = Path(__file__).resolve().parent / "licenses"
OWN_TEXTS = "torchship"
LIBTORCH_TEXTS = "torch"


@dataclass(frozen=True)
class Component:
    """Something with a licence: its name, the licence as SPDX writes it, and the texts."""

    name: str
    license: str
    texts: tuple[str, ...]  # Files of HERE, which are .txt; other names are packages, with theirs.
    remark: str = ""


TORCHSHIP = Component(
    "torchship", "MIT", (OWN_TEXTS,), "the page of `graph --html` contains dagre, MIT"
)
JSON = Component("nlohmann-json", "MIT", ("nlohmann-json.txt",), "compiled into torchship")
CLI11 = Component("CLI11", "BSD-3-Clause", ("CLI11.txt",), "compiled into bin/torchship")
LIBTORCH = Component(
    "LibTorch",
    "BSD-3-Clause, and those of its third parties",
    (LIBTORCH_TEXTS,),
    "the folder has PyTorch's own and each third party's",
)
MKL = Component(
    "Intel oneMKL",
    "Intel Simplified Software License",
    ("intel-mkl.txt",),
    "linked into libtorch_cpu.so by PyTorch's builds for x86-64",
)
GCC_RUNTIME = Component(
    "GCC runtime libraries",
    "GPL-3.0-or-later WITH GCC-exception-3.1",
    ("GPL-3.0.txt", "GCC-exception-3.1.txt"),
    "the exception lets programs under any licence use them",
)
GLIBC = Component("glibc", "LGPL-2.1-or-later", ("LGPL-2.1.txt",), "as shared libraries")

GCC_LIBRARIES = ("libgomp", "libstdc++", "libgcc_s", "libquadmath", "libgfortran", "libatomic")


def component_of(path: Path, library: str, is_libtorch: bool) -> Component:
    """What a library of a bundle belongs to; those unknown are components of their own."""
    if library.startswith(GCC_LIBRARIES):
        return GCC_RUNTIME
    if is_libtorch:
        return LIBTORCH
    if library == "libtorchship.so":
        return TORCHSHIP
    if (wheel := _nvidia_wheel(path)) is not None:
        name = wheel.metadata["Name"]
        return Component(name, "NVIDIA's, proprietary", (name,), f"version {wheel.version}")
    return Component(library, "its maker's", (), "see its maker, or its package")


def _nvidia_wheel(path: Path) -> Distribution | None:
    """The package that brought a library of CUDA's into site-packages/nvidia."""
    if "nvidia" not in path.parts:
        return None
    for found in distributions():
        if not (found.metadata["Name"] or "").lower().startswith("nvidia"):
            continue
        if any(Path(str(found.locate_file(f))).resolve() == path for f in found.files or ()):
            return found
    return None


def package_of(path: Path) -> str:
    """The system's package that a file came from, with its version; empty where none tells."""
    for command, query in (
        ("dpkg-query", ["dpkg-query", "--search"]),
        ("rpm", ["rpm", "--query", "--file"]),
    ):
        if shutil.which(command) is None:
            continue
        for candidate in _names_of(path):
            done = subprocess.run([*query, str(candidate)], capture_output=True, text=True)
            if done.returncode == 0:
                found = done.stdout.splitlines()[0]
                return _with_version(found.partition(":")[0]) if command != "rpm" else found
    return ""


def _names_of(path: Path) -> Iterator[Path]:
    """Where /lib is a link to /usr/lib, the package may know a file by either name."""
    yield path
    if path.is_relative_to("/usr"):
        yield Path("/") / path.relative_to("/usr")


def _with_version(package: str) -> str:
    done = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package} ${Version}\\n", package],
        capture_output=True,
        text=True,
    )
    return done.stdout.splitlines()[0] if done.returncode == 0 and done.stdout else package


def license_files(component: Component) -> Iterator[tuple[str, Path]]:
    """Names inside LICENSES, and the files they are copied from."""
    folder = component.name.replace(" ", "-")
    for text in component.texts:
        if not text.endswith(".txt"):
            for name, path in _texts_of(text):
                yield f"{folder}/{name}", path
        else:
            yield f"{folder}/{text}", HERE / text


def _texts_of(package: str) -> Iterator[tuple[str, Path]]:
    """The licences that a wheel carries, wherever its version of the metadata puts them."""
    try:
        found = distribution(package)
    except PackageNotFoundError as error:
        raise Error(
            f"the licences of {package} are not where pip puts them, and must go into the bundle",
            f"install {package} with pip",
        ) from error
    texts = sorted(_licenses_in(found))
    if not texts:
        raise Error(
            f"the package {package} carries no licences, and they must go into the bundle",
            f"install {package} again",
        )
    return iter(texts)


def _licenses_in(found: Distribution) -> Iterator[tuple[str, Path]]:
    for file in found.files or ():
        parts = file.parts
        if len(parts) < 2 or not parts[0].endswith(".dist-info"):
            continue
        inside = parts[2:] if parts[1] == "licenses" else parts[1:]
        name = inside[-1].upper() if inside else ""
        if parts[1] == "licenses" or name.startswith(("LICENSE", "NOTICE", "COPYING")):
            path = Path(str(found.locate_file(file)))
            if path.is_file():
                yield "/".join(inside), path


def license_index(components: Iterable[tuple[Component, list[str]]]) -> str:
    """LICENSES/README.txt: which licence is whose, and of which files."""
    lines = ["The licences of what is in this bundle.", ""]
    for component, files in components:
        lines.append(f"{component.name}: {component.license}")
        if component.remark:
            lines.append(f"  {component.remark}")
        if component.texts:
            lines.append(f"  texts: LICENSES/{component.name.replace(' ', '-')}/")
        lines += [f"  {file}" for file in files]
        lines.append("")
    return "\n".join(lines)
