"""Compiled engines beside the others: whether they give the same, and how long they take."""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from torchship._archive import write_with_engines
from torchship.archives.calls import Call, Json, Method
from torchship.archives.subject import Subject
from torchship.cli import EXECUTABLE
from torchship.compiling.settings import Settings
from torchship.compiling.target import Target
from torchship.errors import EngineError
from torchship.tracing.manifest import sample_json


@dataclass
class Engine:
    """A compiled engine, perhaps one of several of which the best is kept."""

    id: str
    target: Target
    settings: Settings
    method: Json  # as signature.method_spec has it
    copied: list[int]
    package: Path
    records: str  # where the archive has engines
    checked: bool = False
    problem: str = ""  # why it cannot be kept
    seconds: float | None = None  # of a steady call, at the median
    ratio: float | None = None  # to that of `target.beside`, taken in turn

    @property
    def record(self) -> str:
        return f"{self.records}{self.id}.pt2"

    def to_json(self, trials: Sequence["Engine"] = ()) -> Json:
        """As the manifest has it, with the trials it was chosen from."""
        return {
            "id": self.id,
            "record": self.record,
            "method": self.method,
            "target": self.target.describe(),
            "checked": self.checked,
            "ratio": self.ratio,
            **({} if self.ratio is None else {"beside": self.target.beside}),
            "settings": self.settings.to_json(),
            "copied": self.copied,
            "trials": [each.trial_json() for each in trials],
        }

    def trial_json(self) -> Json:
        return {
            "settings": self.settings.name,
            "seconds": self.seconds,
            "ratio": self.ratio,
            "problem": self.problem,
        }


@dataclass
class Trial:
    """Writes archives with engines that are to be tried to `folder`, and runs them."""

    subject: Subject
    method: Method
    call: Call
    folder: Path
    operator_libraries: tuple[str, ...] = ()

    def run(self, engines: Sequence[Engine], threads: int, seconds: float) -> None:
        """Check every engine, and measure those that are right beside what they must beat."""
        runnable = [each for each in engines if each.target.runs_here() and not each.problem]
        archive = self.folder / f"trial{self.subject.path.suffix}"
        if not runnable:
            return
        self._write(archive, runnable)
        for engine in runnable:
            self._check(archive, engine, threads)
        right = [each for each in runnable if each.checked]
        if right:
            self._write(archive, right)
            self._measure(archive, right, threads, seconds)

    def _write(self, archive: Path, engines: Sequence[Engine]) -> None:
        """The archive's own samples of the method too, but first the call that is measured."""
        sample, tensors = make_sample(self.subject, self.method, self.call, prefix="trial")
        own = self.folder / "trial.safetensors"
        save_file(self.subject.sample_tensors | tensors, own)
        manifest = {
            **self.subject.manifest,
            "samples": [sample, *self.method.samples],
            "engines": [each.to_json() for each in engines],
        }
        manifest.pop("intermediates", None)  # they are of another sample's number
        packages = {each.record: each.package for each in engines}
        files = {**packages, self.subject.places.samples: own}
        write_with_engines(self.subject.path, archive, manifest, files)

    def _check(self, archive: Path, engine: Engine, threads: int) -> None:
        try:
            found = self._torchship(
                "check", archive, "--engine", engine.id, "--threads", threads,
                "--device", engine.target.device,
            )  # fmt: skip
        except EngineError as error:
            # The trial's own file is nothing to the author.
            engine.problem = error.message.rpartition("cannot be used: ")[2]
            return
        report = found["engines"][0]
        engine.checked = report["passed"]
        if not engine.checked:
            engine.problem = f"its results are wrong: {_first_problem(report)}"

    def _measure(
        self, archive: Path, engines: Sequence[Engine], threads: int, seconds: float
    ) -> None:
        found = self._torchship(
            "bench", archive, "--engine", "all", "--method", self.method.name,
            "--threads", threads, "--seconds", seconds, "--device", engines[0].target.device,
        )  # fmt: skip
        times = {each["engine"]: each for each in found["engines"]}
        for engine in engines:
            engine.seconds = times[engine.id]["p50"]
            engine.ratio = times[engine.id]["ratio"] / times[engine.target.beside]["ratio"]

    def _torchship(self, command: str, *arguments: Any) -> Json:
        libraries = [part for path in self.operator_libraries for part in ("--op-library", path)]
        done = subprocess.run(
            [str(EXECUTABLE), command, *map(str, arguments), *libraries, "--json"],
            # Most of what is tried is dropped: nothing of it stays in the user's cache.
            env={**os.environ, "TORCHSHIP_CACHE": str(self.folder / "cache")},
            capture_output=True,
            text=True,
        )
        if not done.stdout:
            lines = done.stderr.strip().splitlines()
            message = lines[0].removeprefix("torchship: error: ") if lines else ""
            # A process that crashed says nothing.
            raise EngineError(message or f"it ended with status {done.returncode}")
        return json.loads(done.stdout)


def _first_problem(report: Json) -> str:
    for sample in report["samples"]:
        if sample["error"]:
            return sample["error"]
        for output in sample["outputs"]:
            if not output["passed"]:
                what = output["problem"] or f"absolute error {output['absolute']:.2g}"
                return f"sample {sample['sample']}: {output['name']}: {what}"
    return "unknown"


def make_sample(
    subject: Subject, method: Method, call: Call, prefix: str
) -> tuple[Json, dict[str, Tensor]]:
    """A call and what the archive's own code makes of it, as a sample."""
    with torch.no_grad():
        result = getattr(subject.module, method.name)(*call.inputs)
    return sample_json(method.name, call.inputs, result, prefix, method.origin)
