"""What public.py runs: archives, and calls of them with what they should return."""

import copy
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import architectures
import torch
import torchship
from architectures import Network
from architectures.zoo import CASES, FAMILIES
from suite import quiet

sys.path.append(str(Path(__file__).parents[1] / "tests/python"))

from corpus_support import call as call_method  # noqa: E402
from corpus_support import decode  # noqa: E402

Makers = dict[str, Callable[[], "Subject"]]


@dataclass(frozen=True)
class Recorded:
    """One call: how it is made of a model and the results before, and what it should return."""

    make: Callable[[torchship.Model, list], Any]
    expected: Callable[[], Any]


@dataclass(frozen=True)
class Subject:
    """An archive; each sequence of calls is made of a model of its own."""

    name: str
    path: Path
    sequences: list[list[Recorded]]


def changed() -> float:
    folder = Path(architectures.__file__).parent
    sources = (*folder.glob("*.py"), Path(__file__).with_name("networks.py"))
    return max(source.stat().st_mtime for source in sources)


def traced(name: str, module: torch.nn.Module, args: tuple, kwargs: dict, folder: Path) -> Subject:
    """The subject of a module; its archive is written where it is missing or old."""
    path = folder / f"{name}.pt"
    if not path.exists() or path.stat().st_mtime < changed():
        folder.mkdir(parents=True, exist_ok=True)
        partial_path = path.with_name(f"partial.{path.name}")
        with quiet(), torch.inference_mode(False):
            made = torchship.trace(module, args, kwargs=kwargs, dynamic={}, strict=False)
            made.save(partial_path)
        partial_path.replace(path)
    expected = module(*args, **kwargs)
    recorded = Recorded(lambda model, _: model(*args, **kwargs), lambda: expected)
    return Subject(name, path, [[recorded]])


def from_network(network: Network, folder: Path) -> Subject:
    with torch.inference_mode(False):
        module, arguments = network.made()
    return traced(network.name, module, arguments, {}, folder)


def networks(folder: Path) -> Makers:
    known = architectures.NETWORKS.values()
    return {network.name: partial(from_network, network, folder) for network in known}


def from_case(case: Any, folder: Path) -> Subject:
    with torch.inference_mode(False):
        module, first = case.module(), case.calls()[0]
    return traced(f"zoo.{case.name}", module, first.args, dict(first.kwargs), folder)


def zoo(folder: Path) -> Makers:
    cases = [case for case in CASES if case.family in FAMILIES]
    return {f"zoo.{case.name}": partial(from_case, case, folder) for case in cases}


def recorded_call(wanted: dict, seed: int, folder: Path) -> Recorded:
    """A call of the corpus. The seed is set before each, since some draw random numbers."""
    inputs = wanted["inputs"]
    # A call may write into its arguments, so each has copies; reading files would be timed too.
    kept = None if '"ref"' in json.dumps(inputs) else [decode(each, folder, []) for each in inputs]

    def make(model: torchship.Model, results: list) -> Any:
        arguments = copy.deepcopy(kept) or [decode(each, folder, results) for each in inputs]
        torch.manual_seed(seed)
        try:
            return call_method(model, wanted["method"], arguments)
        except torchship.Error:
            if "expect_error" in wanted:
                return None
            raise

    def expected() -> Any:
        if "expect_error" in wanted:
            return None
        return ... if wanted["output"]["kind"] == "object" else decode(wanted["output"], folder, [])

    return Recorded(make, expected)


def from_record(record: dict, folder: Path) -> Subject:
    recorded = folder / f"{record['file']}.io"
    sequences = [
        [recorded_call(wanted, case["seed"], recorded) for wanted in case["calls"]]
        for case in record["cases"]
    ]
    return Subject(record["file"], folder / record["file"], sequences)


def corpus(folder: Path) -> Makers:
    records = json.loads((folder / "manifest.json").read_text())
    positive = [record for record in records if record["status"] == "positive"]
    return {record["file"]: partial(from_record, record, folder) for record in positive}
