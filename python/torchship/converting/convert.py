"""Converting an archive to the other format."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torchship import _core
from torchship._listed import listed
from torchship._replace import check_target, replacing_path
from torchship.archives.subject import Subject
from torchship.converting.checking import Source, check
from torchship.converting.making import PROGRAM, TORCHSCRIPT, Made, make_program, make_torchscript
from torchship.converting.probes import probes

Format = Literal["torchscript", "program"]

_FORMATS = {"torchscript": TORCHSCRIPT, "program": PROGRAM}
_NAMES = {TORCHSCRIPT: "a TorchScript archive", PROGRAM: "an exported program"}
# What such a name says of the file; others say nothing.
_ENDINGS = {".pt2": PROGRAM, ".pt": TORCHSCRIPT, ".pth": TORCHSCRIPT, ".ts": TORCHSCRIPT}


@dataclass
class Converted:
    """What `convert` did."""

    path: Path
    source_format: str  # as ModelInfo.format has it
    target_format: str
    method: str  # of the source
    checked: list[str] = field(default_factory=list)
    """The calls on which both files agree: "sample 0", "signs flipped", "batch=1"."""
    notes: list[str] = field(default_factory=list)
    """What the new file takes less of than the source."""
    source_size: int = 0  # bytes
    target_size: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "path": str(self.path),
            "from": self.source_format,
            "to": self.target_format,
            "method": self.method,
            "checked": self.checked,
            "notes": self.notes,
            "source_size": self.source_size,
            "target_size": self.target_size,
        }


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    to: Format | None = None,
    method: str | None = None,
    dynamic: Mapping[str, Any] | None = None,
    examples: Sequence[Any] | None = None,
    keep_examples: bool = False,
    operator_libraries: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    progress: Callable[[str], None] = lambda text: None,
) -> Converted:
    """Make a TorchScript archive of an exported program, or an exported program of a method of a
    TorchScript archive, and prove that it gives the same.

    What is made opens with stock ``torch.jit.load`` or ``torch.export.load``, and keeps branches
    and loops on data. The manifest goes along, with its samples and compiled engines. Before
    anything appears at `target`, the new file is run beside the source: on the samples, on other
    values and on other sizes, in torchship and in stock PyTorch.

    Args:
        source: a TorchScript archive or an exported program, ours or not.
        target: the file to write, in a folder that exists. It is replaced in one step, or left as
            it is.
        to: "torchscript" or "program"; by default the format that `source` does not have. A
            `target` that is named for the source's own format is refused without it.
        method: the method of a TorchScript archive that becomes the program; by default the one
            that plain calls go to.
        dynamic: the sizes of a TorchScript archive that vary, as in ``trace``; by default those of
            the manifest. ``{}`` fixes all of them at the example's.
        examples: inputs of the method, for archives without samples.
        keep_examples: put the examples into the new file: those given, or those that the source
            was exported with. Otherwise samples have other values of their kind.
        operator_libraries: shared libraries with operators that the model needs.
        progress: called with one line for each step.

    Raises:
        EngineError: the other format cannot say what the model does, or what was made gives other
            results; the message says where.
        ArchiveError, SignatureError, ValueError, OSError: a file or an option makes no sense.
    """
    path = Path(os.path.realpath(target))
    check_target(path)
    for library in listed(operator_libraries):
        _core.load_operator_library(library)
    subject = Subject(source)
    wanted = _target_format(subject, Path(target), to)
    _require_sense(subject, method, dynamic)
    name = method or subject.info.default_method
    if not name:
        known = ", ".join(each.name for each in subject.info.methods)
        raise ValueError(f"{source}: say which method is to be converted: {known}")
    chosen = subject.method(name, examples, dynamic)
    original = Source(subject, name)
    with replacing_path(path) as temporary:
        progress(f"making {_NAMES[wanted]}")
        made: Made
        if wanted == TORCHSCRIPT:
            made = make_torchscript(subject, chosen, original, temporary, keep_examples)
        else:
            made = make_program(subject, chosen, original, temporary, keep_examples, dynamic)
        progress("comparing it with the source")
        calls = probes(subject, made.method, made.samples, original.takes)
        is_program = wanted == PROGRAM
        checked = check(subject, original, temporary, is_program, calls, made.output)
        size = temporary.stat().st_size
    return Converted(
        Path(target),
        subject.info.format,
        wanted,
        name,
        checked,
        made.notes,
        subject.info.file_size,
        size,
    )


def _target_format(subject: Subject, target: Path, to: str | None) -> str:
    """Raises ValueError where the source has that format already."""
    if to is not None and to not in _FORMATS:
        raise ValueError(f"to is 'torchscript' or 'program', not {to!r}")
    own = subject.info.format
    other = TORCHSCRIPT if own == PROGRAM else PROGRAM
    named = _ENDINGS.get(target.suffix)
    if to is not None and _FORMATS[to] == own:
        raise ValueError(f"{subject.path} is {_NAMES[own]} already")
    if to is None and named == own:
        raise ValueError(
            f"{subject.path} is {_NAMES[own]} already, which {target.suffix} stands for: name the "
            f"target otherwise, or say that it is to be {_NAMES[other]}"
        )
    return other


def _require_sense(subject: Subject, method: str | None, dynamic: Mapping[str, Any] | None) -> None:
    if not subject.is_program:
        return
    if dynamic is not None:
        raise ValueError(
            f"{subject.path} is an exported program, which says by itself what sizes vary"
        )
    if method not in (None, "forward"):
        raise ValueError(f"{subject.path} is an exported program: its only method is forward")
