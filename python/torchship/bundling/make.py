"""Makes bundles: `torchship.bundle`."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torchship._build import TORCH_VERSION, __version__
from torchship._listed import listed
from torchship.bundling import contents, program, tools, write
from torchship.bundling.closure import Closure, find_closure
from torchship.bundling.contents import OPERATORS, TAKEN, Item
from torchship.bundling.elf import Elf, is_elf, read_elf, require_elftools
from torchship.bundling.licenses import Component, license_files, license_index, package_of
from torchship.bundling.listing import (
    LICENSES,
    LISTING,
    README,
    Bundle,
    BundledFile,
    Draft,
    Needs,
)
from torchship.bundling.readme import listing_text, readme_text
from torchship.bundling.symbols import oldest_glibc, require_offered
from torchship.cli import EXECUTABLE
from torchship.errors import ArchiveError, Error

Progress = Callable[[str], None]
DEVICES = ("cpu", "cuda")


@dataclass(frozen=True)
class Options:
    """What bundle() was asked for, checked."""

    archive: Path
    output: Path
    device: str
    libc: bool
    operators: tuple[Path, ...]
    sdk: bool
    strip: bool
    check: bool


def bundle(
    archive: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    tar: bool = False,
    device: str = "cpu",
    libc: bool = False,
    operator_libraries: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    sdk: bool = False,
    strip: bool = True,
    force: bool = False,
    check: bool = True,
    progress: Progress | None = None,
) -> Bundle:
    """Makes a folder that runs an archive where neither Python nor torch is installed.

    It holds the executable, its libraries, the LibTorch libraries they need and no others, the
    archive, the licences of all of them, and a listing. The folder may be moved, be read-only, and
    belong to another user. `bin/torchship` in it is the executable.

    Args:
        archive: a model that `torchship.load` opens.
        output: the folder, which must not exist, be empty, or, with `force`, be an earlier bundle.
            A name that ends in .tar, .tar.gz or .tgz is that of a tar file, as is any with `tar`,
            which adds .tar.gz.
        device: "cpu" or "cuda"; with the latter CUDA's libraries go in, of a torch with CUDA.
        libc: the C library and its loader go in as well, and are used: the bundle then runs on any
            Linux of this architecture, whatever its C library, and in an empty root. Not with CUDA,
            whose driver needs the C library of its system.
        operator_libraries: shared libraries with operators that the model needs.
        sdk: the headers go in as well.
        strip: leaves symbols and debug sections out.
        check: runs the bundle before it gets its name: its samples must give their results.
        progress: is called with what is being done.

    Raises ArchiveError when the archive is no model, and Error for all else, the hint saying what
    to do; nothing is left behind then.
    """
    options = _check_options(
        Options(
            archive=Path(os.path.abspath(archive)),
            output=_output_path(output, tar),
            device=device,
            libc=libc,
            operators=tuple(Path(os.path.abspath(path)) for path in listed(operator_libraries)),
            sdk=sdk,
            strip=strip,
            check=check,
        ),
        force,
    )
    return _make(options, progress or (lambda text: None))


def _output_path(output: str | os.PathLike[str], tar: bool) -> Path:
    path = Path(os.path.abspath(output))
    if tar and not write.tar_ending(path):
        return path.with_name(path.name + ".tar.gz")
    return path


def _check_options(options: Options, force: bool) -> Options:
    require_elftools()
    tools.find_tool("patchelf")
    if options.strip:
        tools.find_tool("strip")
    if options.device not in DEVICES:
        raise ValueError(f"unknown device '{options.device}': a bundle is for cpu or cuda")
    if options.libc and options.device == "cuda":
        raise ValueError(
            "a bundle for CUDA cannot have a C library of its own: the driver of the machine where "
            "it runs needs that machine's"
        )
    if options.archive.name in TAKEN:
        raise Error(
            f"{options.archive}: the bundle has a {options.archive.name} of its own",
            "give the archive another name",
        )
    if not options.archive.is_file():
        raise ArchiveError(f"{options.archive}: no such file")
    for path in options.operators:
        if not path.exists():
            raise Error(f"{path}: no such file", "--op-library takes the path of a shared library")
        if not path.is_file() or not is_elf(path):
            raise Error(f"{path}: this is no shared library", "build it with g++ -shared")
    write.check_output(options.output, force)
    return options


def _make(options: Options, progress: Progress) -> Bundle:
    progress("looking at the archive and the libraries")
    description = program.describe_archive(options.archive)
    machine = program.describe_machine()
    libtorch = Path(machine["libtorch"]["path"]).resolve().parent
    engines = list(contents.engines_of(options.archive))
    closure = _closure(options, engines, libtorch)
    items = _items(options, closure, libtorch)
    components = contents.components_of(items, machine["libtorch"]["mkl"])
    draft = Draft(
        archive=options.archive.name,
        device=options.device,
        needs=_needs(options, closure, engines),
        versions={"torchship": __version__, "torch": TORCH_VERSION},
        operator_libraries=tuple(f"{OPERATORS}/{path.name}" for path in options.operators),
        engines=tuple(engine["id"] for engine in description["engines"]),
        without=tuple(contents.parts_of(options.archive)),
    )
    _require_space(options, items)
    with write.building(options.output) as folder:
        _fill(folder, draft, items, components, options, progress)
        if options.check:
            progress("checking that it runs")
            draft.checked = program.check_bundle(
                folder,
                draft.archive,
                [path.name for path in options.operators],
                bool(description["samples"]),
                options.device,
            )
        _write_listing(folder, draft)
        return _publish(folder, draft, options.output, progress)


def _closure(options: Options, engines: list[tuple[str, Elf]], libtorch: Path) -> Closure:
    with_cuda = options.device == "cuda"
    closure = find_closure(
        [EXECUTABLE, *options.operators], engines, with_cuda=with_cuda, extra_folders=[libtorch]
    )
    if with_cuda and "libtorch_cuda.so" not in closure.libraries:
        raise Error(
            "a bundle for CUDA needs a torch with CUDA, and this one has none",
            "install a CUDA build of the same torch version",
        )
    if options.libc:
        # The loader itself is in nobody's list of needs when it is a program's interpreter.
        loader = Path(read_elf(EXECUTABLE).interpreter)
        closure.c_library[loader.name] = loader.resolve()
    require_offered([*_elves(closure, options), *engines], closure, options.libc)
    return closure


def _elves(closure: Closure, options: Options) -> list[tuple[str, Elf]]:
    own = [(str(path), read_elf(path)) for path in (EXECUTABLE, *options.operators)]
    return own + [(name, read_elf(path)) for name, path in closure.libraries.items()]


def _items(options: Options, closure: Closure, libtorch: Path) -> list[Item]:
    items = [
        *contents.program_items(options.libc),
        *contents.library_items(closure, options.operators, libtorch),
    ]
    if options.libc:
        items += contents.c_library_items(closure)
    if options.sdk:
        items += contents.header_items()
    paths = [item.path for item in items]
    for path in sorted(set(paths)):
        if paths.count(path) > 1:
            raise Error(f"two files would be {path} in the bundle", "give one another name")
    return items


def _needs(options: Options, closure: Closure, engines: list[tuple[str, Elf]]) -> Needs:
    glibc, by = oldest_glibc([*_elves(closure, options), *engines])
    return Needs(
        machine=read_elf(EXECUTABLE).machine,
        glibc="" if options.libc else glibc,
        glibc_by="" if options.libc else by,
        driver=tuple(sorted(closure.driver)),
    )


def _require_space(options: Options, items: list[Item]) -> None:
    size = sum(item.source.stat().st_size for item in items) + options.archive.stat().st_size
    factor = 2 if write.tar_ending(options.output) else 1
    write.require_space(options.output.parent, factor * size)


def _fill(
    folder: Path,
    draft: Draft,
    items: list[Item],
    components: dict[Component, list[str]],
    options: Options,
    progress: Progress,
) -> None:
    """Copies everything but the listing, and notes it in the draft."""
    for item in items:
        progress(f"copying {item.path}")
        draft.stripped += write.place(item, folder, options.strip)
        if not item.path.startswith("include/"):
            draft.files.append(_note(folder, item))
    if options.sdk:
        draft.files.append(_note_folder(folder, "include", "the headers", "torchship"))
        draft.without += (("the headers, --sdk", draft.files[-1].size),)
    if options.libc:
        inside = [file for file in draft.files if file.path.startswith(contents.C_LIBRARY_FOLDER)]
        draft.without += (("the C library, --libc", sum(file.size for file in inside)),)
        write.make_temporary_folder(folder / contents.TEMPORARY)
        purpose = "empty: where a root of its own has temporary files"
        draft.files.append(_note_folder(folder, contents.TEMPORARY, purpose, ""))
    progress(f"copying {draft.archive}")
    shutil.copyfile(options.archive, folder / draft.archive)
    draft.files.append(
        BundledFile(
            draft.archive,
            (folder / draft.archive).stat().st_size,
            "the archive",
            "",
            write.sha256_of(folder / draft.archive),
        )
    )
    for component in components:
        for name, source in license_files(component):
            target = folder / LICENSES / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    write.write_text(folder / LICENSES / "README.txt", license_index(components.items()))
    draft.files.append(_note_folder(folder, LICENSES, "whose is what, and its licence", ""))


def _note(folder: Path, item: Item) -> BundledFile:
    path = folder / item.path
    from_system = str(item.source).startswith(("/lib", "/usr/lib"))
    return BundledFile(
        path=item.path,
        size=path.stat().st_size,
        purpose=item.purpose,
        component=item.component.name,
        sha256=write.sha256_of(path),
        package=package_of(item.source) if from_system else "",
    )


def _note_folder(folder: Path, name: str, purpose: str, component: str) -> BundledFile:
    size = sum(path.stat().st_size for path in (folder / name).rglob("*") if path.is_file())
    return BundledFile(f"{name}/", size, purpose, component)


def _write_listing(folder: Path, draft: Draft) -> None:
    write.write_text(folder / README, readme_text(draft.finish(folder)))
    size = (folder / README).stat().st_size
    draft.files.append(BundledFile(README, size, "how to run it", "torchship"))
    write.write_text(folder / LISTING, listing_text(draft.finish(folder)))


def _publish(folder: Path, draft: Draft, output: Path, progress: Progress) -> Bundle:
    ending = write.tar_ending(output)
    if not ending:
        progress(f"writing {output}")
        os.chmod(folder, 0o777 & ~write.current_umask())
        write.publish(folder, output)
        return draft.finish(output)
    progress(f"packing {output}")
    write.pack(folder, output, output.name.removesuffix(ending))
    return draft.finish(output, packed=output.stat().st_size)
