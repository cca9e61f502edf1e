"""Adding compiled engines to an archive."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from torchship import _core
from torchship._archive import ENGINES, SAMPLES, extract, write_with_engines
from torchship.compiling.bridge import Exported, Range, exported
from torchship.compiling.eager import EagerExport, export_eager
from torchship.compiling.inductor import compile_program
from torchship.compiling.settings import Settings, trials_for
from torchship.compiling.signature import constant_results, method_spec, refs
from torchship.compiling.subject import Call, Dynamic, Json, Method, Subject
from torchship.compiling.target import CHOICES, Target, require_x86_64, this_level
from torchship.compiling.trial import Engine, Trial, make_sample
from torchship.errors import EngineError

Progress = Callable[[str], None]
_SECONDS = 1.0  # of steady calls, for each engine in a trial


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
                variant: [{"target": each.target.describe(), **each.trial_json()} for each in tried]
                for variant, tried in self.trials.items()
            },
        }


@dataclass(frozen=True)
class Options:
    levels: tuple[str, ...]
    threads: int
    budget: float
    trials: tuple[str, ...]
    keep_slower: bool
    operator_libraries: tuple[str, ...]
    progress: Progress


@dataclass(frozen=True)
class Variant:
    """A method for some of its sizes."""

    method: Method
    sizes: Mapping[str, int]  # those that are fixed

    @property
    def name(self) -> str:
        return "-".join([self.method.name, *(f"{k}{v}" for k, v in self.sizes.items())])

    @property
    def dynamic(self) -> Dynamic:
        """The sizes that vary."""
        return [
            {d: each for d, each in entry.items() if each.name not in self.sizes}
            for entry in self.method.dynamic
        ]

    def call(self) -> Call:
        return self.method.sized(self.sizes)


def compile(
    archive: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    isa: Sequence[str] = (),
    threads: int | None = None,
    device: str = "cpu",
    methods: Sequence[str] = (),
    module: torch.nn.Module | None = None,
    dynamic: Mapping[str, Any] | None = None,
    sizes: Sequence[Mapping[str, int]] = (),
    examples: Sequence[Any] | None = None,
    budget: float = 300.0,
    trials: Sequence[str] = (),
    keep_slower: bool = False,
    replace: bool = False,
    operator_libraries: Sequence[str | os.PathLike[str]] = (),
    progress: Progress = lambda text: None,
) -> Compiled:
    """Compile methods of an archive to machine code, and put it into the archive.

    Each method is turned into an exported program and compiled by AOTInductor with several
    settings. What gives other results than the archive's own code and samples is dropped; of the
    rest the fastest is kept, if it is faster than the interpreter, with the record of all trials in
    the manifest. The archive stays one that ``torch.jit.load`` opens, and it runs on machines that
    fit none of its engines. A compiler (g++) is needed here, and never where the archive is loaded.

    Args:
        archive: a TorchScript archive, ours or not.
        output: where to write; by default the archive itself is replaced. Whole or not at all.
        isa: what to compile for: "x86-64-v2", "x86-64-v3", "x86-64-v4", or "native" for this CPU
            alone; by default the highest level that this CPU has. Levels that cannot run here get
            the best settings of those that can, and prove themselves where they are loaded.
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
        keep_slower: keep the best engine even where the interpreter is faster.
        replace: drop the engines that the archive has; else those that are not compiled anew stay.
        operator_libraries: shared libraries with operators that the model needs.
        progress: called with one line for each step.

    Raises:
        EngineError: nothing could be compiled, or nothing that gives the right results.
        Error: the method keeps state, or does what no exported program can.
        ArchiveError, SignatureError, ValueError: the archive or an option makes no sense.
    """
    if device != "cpu":
        raise EngineError(f"engines are compiled for the CPU only so far, not for {device}")
    require_x86_64()
    levels = tuple(isa) or (this_level(),)
    for level in levels:
        if level not in CHOICES:
            raise ValueError(f"isa is one of {', '.join(CHOICES)}, not {level!r}")
    for library in operator_libraries:
        torch.ops.load_library(str(library))
    options = Options(
        levels=levels,
        threads=threads or torch.get_num_threads(),
        budget=budget,
        trials=tuple(trials),
        keep_slower=keep_slower,
        operator_libraries=tuple(map(str, operator_libraries)),
        progress=progress,
    )
    subject = Subject(archive)
    names = _method_names(subject, methods, examples)
    chosen = [subject.method(name, examples, dynamic) for name in names]
    with tempfile.TemporaryDirectory(prefix="torchship-compile-") as folder:
        work = _Work(subject, Path(folder), options, module)
        done = Compiled(Path(output or archive))
        kept: list[Json] = []
        for variant in list(_variants(chosen, sizes)):
            tried, added = work.compile(variant)
            done.trials[variant.name] = tried
            kept += added
        done.engines = [each["id"] for each in kept]
        if kept or output is not None:
            progress("writing the archive")
            _write(subject, done.path, kept, work, chosen, replace)
        return done


def _method_names(
    subject: Subject, methods: Sequence[str], examples: Sequence[Any] | None
) -> list[str]:
    known = [each.name for each in subject.info.methods]
    for name in methods:
        if name not in known:
            raise ValueError(f"{subject.path}: has no method {name!r}; there are {known}")
    if methods:
        return list(methods)
    sampled = [name for name in known if any(subject.samples_of(name))]
    if examples is not None or not sampled:
        sampled = [subject.info.default_method] if subject.info.default_method else known
    return sampled


def _variants(
    methods: Sequence[Method], sizes: Sequence[Mapping[str, int]]
) -> Iterator[Variant]:
    for method in methods:
        yield Variant(method, {})
        for fixed in sizes:
            ranges = method.ranges()
            for name, size in fixed.items():
                if name not in ranges:
                    raise ValueError(
                        f"sizes: {method.name} has no size {name!r} that varies; "
                        f"there are {sorted(ranges)}"
                    )
                if size < ranges[name].min or size > (ranges[name].max or size):
                    raise ValueError(f"sizes: {name}={size} is none that {method.name} takes")
            yield Variant(method, dict(fixed))


@dataclass(frozen=True)
class Source:
    """A variant as an exported program."""

    variant: Variant
    call: Call
    program: Path
    convolves: bool
    spec: Json  # as signature.method_spec has it
    results: int  # how many tensors it gives
    copied: list[int]


class _Work:
    """Compiles variants; packages are files in `folder`."""

    def __init__(
        self, subject: Subject, folder: Path, options: Options, module: torch.nn.Module | None
    ) -> None:
        self.subject = subject
        self.folder = folder
        self.options = options
        self.module = module
        self.packages: dict[str, Path] = {}
        self.samples: dict[str, tuple[Json, dict[str, torch.Tensor]]] = {}

    def compile(self, variant: Variant) -> tuple[list[Engine], list[Json]]:
        """All engines that were tried, and what the manifest says of those to keep."""
        source = self._export(variant)
        first = self._first_level()
        tried = self._try(source, first)
        right = [each for each in tried if not each.problem]
        if not right:
            raise EngineError(
                f"{self.subject.path}: {variant.name}: no engine could be made: "
                + "; ".join(f"{each.settings.name}: {each.problem}" for each in tried)
            )
        best = min(right, key=lambda each: each.ratio or 0)
        if (best.ratio or 0) >= 1 and not self.options.keep_slower:
            self._say(source, "the interpreter is faster; nothing is added")
            return tried, []
        others = [
            self._other_level(source, best.settings, level)
            for level in self.options.levels
            if level != first
        ]
        kept = [best, *(each for each in others if not each.problem)]
        self._keep(source, kept)
        return [*tried, *others], [
            each.to_json(tried if each is best else [each]) for each in kept
        ]

    def _keep(self, source: Source, engines: Sequence[Engine]) -> None:
        variant = source.variant
        for engine in engines:
            engine.id = self._id(variant, engine.target.isa)
            self.packages[f"{ENGINES}{engine.id}.pt2"] = engine.package
        if not variant.method.samples:
            self.samples[variant.name] = make_sample(
                self.subject, variant.method, source.call, prefix=variant.name
            )

    def _say(self, source: Source, text: str) -> None:
        self.options.progress(f"{source.variant.name}: {text}")

    def _first_level(self) -> str:
        """The best of the levels asked for that runs here, else the lowest."""
        levels = sorted(self.options.levels, key=CHOICES.index)
        runnable = [each for each in levels if Target(each, 1).runs_here()]
        return runnable[-1] if runnable else levels[0]

    def _id(self, variant: Variant, level: str) -> str:
        return f"{variant.name}-{level}-{self.options.threads}t"

    def _export(self, variant: Variant) -> Source:
        self.options.progress(f"{variant.name}: exporting")
        call = variant.call()
        made = self._exported(variant, call)
        program = self.folder / f"{variant.name}.ep.pt2"
        torch.export.save(made.program, program)
        with torch.no_grad():
            results = made.program.module()(*call.tensors)
        if refs(made.output) != list(range(len(results))):
            raise EngineError(f"{variant.name}: its results are not in the order of its output")
        spec = method_spec(
            variant.method.name,
            variant.method.argument_names,
            call,
            _true_sizes(variant.dynamic, made.ranges),
            made.output,
            results,
            _defaults(self.subject.module, variant.method),
        )
        convolves = any("conv" in str(node.target) for node in made.program.graph.nodes)
        copied = constant_results(made.program)
        return Source(variant, call, program, convolves, spec, len(results), copied)

    def _exported(self, variant: Variant, call: Call) -> Exported | EagerExport:
        name = variant.method.name
        if self.module is not None:
            try:
                return export_eager(self.module, name, call, variant.dynamic)
            except Exception as error:  # torch.export has no class of its own
                first = str(error).strip().splitlines()[:1]
                self.options.progress(
                    f"{variant.name}: the module cannot be exported ({' '.join(first)}); "
                    "the archive's code is taken"
                )
        made = exported(self.subject.module, name, call.inputs, variant.dynamic)
        for each in made.restrictions:
            self.options.progress(f"{variant.name}: {each}")
        if made.changes:
            raise EngineError(
                f"{self.subject.path}: {name} changes its inputs in place, which compiled code "
                "would not show"
            )
        return made

    def _try(self, source: Source, level: str) -> list[Engine]:
        """The settings that the budget allows, checked and measured."""
        tried: list[Engine] = []
        started = time.monotonic()
        trials = trials_for(source.convolves, self.options.trials)
        for settings in trials:
            spent = time.monotonic() - started
            if tried and spent > self.options.budget:
                break
            turn = f"{len(tried) + 1} of {len(trials)}, {spent:.0f} s"
            self._say(source, f"compiling for {level}: {settings.name} ({turn})")
            tried.append(self._compile(source, settings, level))
        self._say(source, "checking and measuring")
        self._trial(source).run(tried, self.options.threads, _SECONDS)
        return tried

    def _other_level(self, source: Source, settings: Settings, level: str) -> Engine:
        self._say(source, f"compiling for {level}: {settings.name}")
        engine = self._compile(source, settings, level)
        self._trial(source).run([engine], self.options.threads, _SECONDS)
        return engine

    def _trial(self, source: Source) -> Trial:
        method = source.variant.method
        return Trial(
            self.subject, method, source.call, self.folder, self.options.operator_libraries
        )

    def _compile(self, source: Source, settings: Settings, level: str) -> Engine:
        name = f"{self._id(source.variant, level)}-{settings.name}"
        engine = Engine(
            id=name,
            target=Target(level, self.options.threads),
            settings=settings,
            method=source.spec,
            copied=source.copied,
            package=self.folder / f"{name}.pt2",
        )
        try:
            keeps_results = compile_program(
                source.program,
                settings,
                engine.target,
                engine.package,
                operator_libraries=self.options.operator_libraries,
                seconds=self.options.budget + 600,
            )
            if keeps_results:
                engine.copied = list(range(source.results))
        except EngineError as error:
            engine.problem = error.message
        return engine


def _true_sizes(dynamic: Dynamic, ranges: Mapping[str, Range | int]) -> Dynamic:
    """The sizes that the program takes: fewer than were asked for, at times."""
    return [
        {d: each for d, name in entry.items() if isinstance(each := ranges[name.name], Range)}
        for entry in dynamic
    ]


def _defaults(module: torch.jit.ScriptModule, method: Method) -> dict[str, Any]:
    schema = module._c._get_method(method.name).schema
    arguments = zip(method.argument_names, schema.arguments[1:], strict=True)
    return {name: each.default_value for name, each in arguments if each.has_default_value()}


def _write(
    subject: Subject,
    path: Path,
    engines: Sequence[Json],
    work: _Work,
    methods: Sequence[Method],
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
            manifest["samples"].append(sample)
            tensors |= own
        added[SAMPLES] = work.folder / "samples.safetensors"
        save_file(tensors, added[SAMPLES])
    write_with_engines(subject.path, path, manifest, added)
    _core.info(path)  # What was written must be readable.
