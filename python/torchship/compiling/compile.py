"""Adding compiled engines to an archive."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from torchship import _core
from torchship._archive import extract, write_with_engines
from torchship._listed import listed
from torchship._replace import check_target
from torchship.archives.calls import Json
from torchship.archives.subject import Subject
from torchship.compiling.settings import trials_for
from torchship.compiling.target import CHOICES, architecture_of, require_x86_64, this_level
from torchship.compiling.trial import Engine
from torchship.compiling.variant import variants_of
from torchship.compiling.work import Options, Progress, Work, require_numbers


@dataclass
class Compiled:
    """What `compile` did: the engines it added, and all that it tried, by the variant it is of."""

    path: Path
    engines: list[str] = field(default_factory=list)
    trials: dict[str, list[Engine]] = field(default_factory=dict)

    def to_json(self) -> Json:
        return {
            "path": str(self.path),
            "engines": self.engines,
            "trials": {
                variant: [
                    {
                        "target": each.target.describe(),
                        **each.trial_json(),
                        "beside": each.target.beside,
                    }
                    for each in tried
                ]
                for variant, tried in self.trials.items()
            },
        }


def compile(
    archive: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    isa: str | Sequence[str] = (),
    threads: int | None = None,
    device: str = "cpu",
    methods: str | Sequence[str] = (),
    module: torch.nn.Module | None = None,
    dynamic: Mapping[str, Any] | None = None,
    sizes: Mapping[str, int] | Sequence[Mapping[str, int]] = (),
    examples: Sequence[Any] | None = None,
    budget: float = 300.0,
    trials: str | Sequence[str] = (),
    keep_slower: bool = False,
    replace: bool = False,
    operator_libraries: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    progress: Progress = lambda text: None,
) -> Compiled:
    """Compile methods of an archive to machine code, and put it into the archive.

    Each method is turned into an exported program and compiled by AOTInductor with several
    settings. What gives other results than the archive's own code and samples is dropped; of the
    rest the fastest is kept, if it is faster than the engine that runs without (`planned`, on a GPU
    `interpreter`), with the record of all trials in the manifest. The archive stays one that
    ``torch.jit.load`` or ``torch.export.load`` opens, and it runs on machines that fit none of its
    engines. A compiler (g++) is needed here, and never where the archive is loaded.

    Args:
        archive: a TorchScript archive or an exported program, ours or not.
        output: where to write; by default the archive itself is replaced. Whole or not at all.
        isa: what to compile for: "x86-64-v2", "x86-64-v3", "x86-64-v4", or "native" for this CPU
            alone; by default the highest level that this CPU has. Levels that cannot run here get
            the best settings of those that can, and prove themselves where they are loaded.
        device: "cpu", or "cuda" and "cuda:1" for engines that run on a GPU like the one that is
            here; one archive may have engines for both, one call of ``compile`` for each.
        threads: how many threads a call will have; by default as many as LibTorch has here. Code
            for one thread is faster on one; code for more takes as many as it is given.
        methods: which; by default all that the archive describes or has samples of.
        module: the module that was traced, to be exported instead of the archive's own code.
        dynamic: the sizes that vary, as in ``trace``; by default those of the manifest. ``{}``
            fixes all of them at the example's.
        sizes: engines for fixed sizes besides, faster than those for all: ``[{"batch": 1}]``.
        examples: inputs of the method, for archives without samples.
        budget: seconds after which no more settings are tried; one always is.
        trials: names of the settings to try; by default all that may be of use.
        keep_slower: keep the best engine even where it is slower than what runs without.
        replace: drop the engines that the archive has; else those that are not compiled anew stay.
        operator_libraries: shared libraries with operators that the model needs.
        progress: called with one line for each step.

    Raises:
        EngineError: nothing could be compiled, or nothing that gives the right results.
        Error: the method keeps state, or does what no exported program can.
        ArchiveError, SignatureError, ValueError, OSError: a file or an option makes no sense.
    """
    # All that can be refused is refused now, and not when everything is compiled.
    require_numbers(threads, budget)
    chosen_trials = tuple(listed(trials))
    trials_for((), chosen_trials, device == "cpu")
    if output is not None:
        check_target(Path(os.path.realpath(output)))
    levels = _levels(listed(isa), device)
    libraries = tuple(map(os.fsdecode, listed(operator_libraries)))
    for library in libraries:
        torch.ops.load_library(library)
    options = Options(
        levels=levels,
        device=device,
        threads=torch.get_num_threads() if threads is None else threads,
        budget=budget,
        trials=chosen_trials,
        keep_slower=keep_slower,
        operator_libraries=libraries,
        progress=progress,
    )
    subject = Subject(archive)
    names = _method_names(subject, listed(methods), examples)
    chosen = [subject.method(name, examples, dynamic) for name in names]
    with tempfile.TemporaryDirectory(prefix="torchship-compile-") as folder:
        work = Work(subject, Path(folder), options, module)
        done = Compiled(Path(archive if output is None else output))
        kept: list[Json] = []
        for variant in list(variants_of(chosen, listed(sizes))):
            tried, added = work.compile(variant)
            done.trials[variant.name] = tried
            kept += added
        done.engines = [each["id"] for each in kept]
        if kept or output is not None:
            progress("writing the archive")
            _write(subject, done.path, kept, work, replace)
        return done


def _levels(isa: Sequence[str], device: str) -> tuple[str, ...]:
    if device != "cpu":
        if isa:
            raise ValueError("isa is of CPUs: code for a GPU is for the one that is here")
        return (architecture_of(device),)
    require_x86_64()
    for level in isa:
        if level not in CHOICES:
            raise ValueError(f"isa is one of {', '.join(CHOICES)}, not {level!r}")
    return tuple(isa) or (this_level(),)


def _method_names(
    subject: Subject, methods: Sequence[str], examples: Sequence[Any] | None
) -> list[str]:
    for name in methods:
        subject.method_info(name)
    if methods:
        return list(methods)
    known = [each.name for each in subject.info.methods]
    sampled = [name for name in known if any(subject.samples_of(name))]
    if examples is not None or not sampled:
        sampled = [subject.info.default_method] if subject.info.default_method else known
    return sampled


def _write(
    subject: Subject,
    path: Path,
    engines: Sequence[Json],
    work: Work,
    replace: bool,
) -> None:
    """The archive with its new engines, and with samples where it had none."""
    manifest = dict(subject.manifest) or {"metadata": {}}
    new = {each["id"] for each in engines}
    old = [] if replace else [e for e in manifest.get("engines", []) if e["id"] not in new]
    manifest["engines"] = [*old, *engines]
    added = {
        each["record"]: extract(subject.path, each["record"], work.folder) for each in old
    } | work.packages
    if work.samples:
        tensors = dict(subject.sample_tensors)
        manifest["samples"] = list(manifest.get("samples", []))
        for sample, own in work.samples.values():
            if sample not in manifest["samples"]:  # of an earlier call, which made the same
                manifest["samples"].append(sample)
            tensors |= own
        record = subject.places.samples
        added[record] = work.folder / "samples.safetensors"
        save_file(tensors, added[record])
    write_with_engines(subject.path, path, manifest, added)
    _core.info(path)  # What was written must be readable.
