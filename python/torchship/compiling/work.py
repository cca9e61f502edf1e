"""From a variant of a method to the engines that are worth keeping."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from torchship.archives.calls import Call, Dynamic, Json, Method
from torchship.archives.signature import computed_kinds, constant_results, method_spec, refs
from torchship.archives.subject import Subject
from torchship.compiling.bridge import Exported, Range, exported
from torchship.compiling.eager import EagerExport, export_eager
from torchship.compiling.inductor import compile_program
from torchship.compiling.settings import Settings, trials_for
from torchship.compiling.target import CHOICES, Target
from torchship.compiling.trial import Engine, Trial, make_sample
from torchship.compiling.variant import Variant
from torchship.errors import EngineError

Progress = Callable[[str], None]
_SECONDS = 1.0  # of steady calls, for each engine in a trial
_LONGEST = 86400.0  # seconds that one compilation may take, with a budget without end


@dataclass(frozen=True)
class Options:
    levels: tuple[str, ...]
    device: str
    threads: int
    budget: float
    trials: tuple[str, ...]
    keep_slower: bool
    operator_libraries: tuple[str, ...]
    progress: Progress


def require_numbers(threads: int | None, budget: float) -> None:
    """Raises ValueError where these make no sense."""
    if threads is not None and threads < 1:
        raise ValueError(f"threads is 1 or more, not {threads}")
    if not budget >= 0:
        raise ValueError(f"budget is seconds, 0 or more, not {budget}")


@dataclass(frozen=True)
class Source:
    """A variant as an exported program."""

    variant: Variant
    call: Call
    program: Path
    operators: frozenset[str]
    spec: Json  # as signature.method_spec has it
    results: int  # how many tensors it gives
    copied: list[int]


class Work:
    """Compiles variants; packages are files in `folder`."""

    def __init__(
        self, subject: Subject, folder: Path, options: Options, module: torch.nn.Module | None
    ) -> None:
        self.subject = subject
        self.folder = folder
        self.options = options
        self.module = module
        self.packages: dict[str, Path] = {}
        self.samples: dict[str, tuple[Json, dict[str, Tensor]]] = {}

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
            self._say(source, f"the engine `{best.target.beside}` is faster; nothing is added")
            return tried, []
        others = [
            self._other_level(source, best.settings, level)
            for level in self.options.levels
            if level != first
        ]
        kept = [best, *(each for each in others if not each.problem)]
        self._keep(source, kept)
        return [*tried, *others], [each.to_json(tried if each is best else [each]) for each in kept]

    def _keep(self, source: Source, engines: Sequence[Engine]) -> None:
        variant = source.variant
        for engine in engines:
            engine.id = f"{variant.name}-{engine.target.name}"
            self.packages[engine.record] = engine.package
        # An engine that could not run here proves itself where it is loaded, on its own sizes.
        if not variant.method.samples or not all(each.checked for each in engines):
            self.samples[variant.name] = make_sample(
                self.subject, variant.method, source.call, prefix=variant.name
            )

    def _say(self, source: Source, text: str) -> None:
        self.options.progress(f"{source.variant.name}: {text}")

    def _first_level(self) -> str:
        """The best of the levels asked for that runs here, else the lowest."""
        if self.options.device != "cpu":
            return self.options.levels[0]
        levels = sorted(self.options.levels, key=CHOICES.index)
        runnable = [each for each in levels if Target(each, 1).runs_here()]
        return runnable[-1] if runnable else levels[0]

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
        for kind in computed_kinds(made.output):
            raise EngineError(
                f"{variant.method.name}: its result holds a {kind} that is computed: compiled code "
                "gives tensors only"
            )
        spec = method_spec(
            variant.method.name,
            variant.method.argument_names,
            call,
            _true_sizes(variant.dynamic, made.ranges),
            made.output,
            results,
            _defaults(self.subject.module, variant.method),
        )
        operators = frozenset(str(node.target) for node in made.program.graph.nodes)
        copied = constant_results(made.program)
        return Source(variant, call, program, operators, spec, len(results), copied)

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
        on_cpu = self.options.device == "cpu"
        trials = trials_for(source.operators, self.options.trials, on_cpu)
        can_run = Target(level, self.options.threads, self.options.device).runs_here()
        for settings in trials:
            spent = time.monotonic() - started
            if tried and spent > self.options.budget:
                break
            turn = f" ({len(tried) + 1} of {len(trials)}, {spent:.0f} s)" if can_run else ""
            self._say(source, f"compiling for {level}: {settings.name}{turn}")
            tried.append(self._compile(source, settings, level))
            if not can_run and not tried[-1].problem:
                return tried  # Nothing could be measured, to choose among several.
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
        target = Target(level, self.options.threads, self.options.device)
        name = f"{source.variant.name}-{target.name}-{settings.name}"
        engine = Engine(
            id=name,
            target=target,
            settings=settings,
            method=source.spec,
            copied=source.copied,
            package=self.folder / f"{name}.pt2",
            records=self.subject.places.engines,
        )
        try:
            keeps_results = compile_program(
                source.program,
                settings,
                engine.target,
                engine.package,
                operator_libraries=self.options.operator_libraries,
                seconds=min(self.options.budget, _LONGEST) + 600,
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
