"""The two lists of small models, and the decorators that fill them.

A hazard is a function or module with one line that ends in ``# hazard: <code>``: what
torchship.trace must find there. A clean model has none, and nothing may be said about it.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

MARKER = re.compile(r"# hazard: ([a-z-]+)$")

# Findings that change results are errors; `strict=True` refuses them.
SEVERITY = {
    "lost-branch": "error",
    "baked-value": "error",
    "baked-size": "error",
    "random": "error",
    "train-mode": "error",
    "lost-state": "error",
    "global-state": "error",
    "baked-device": "warning",
    "state-change": "warning",
    "unused-input": "warning",
    "baked-argument": "note",
    "lost-check": "note",
}


@dataclass(frozen=True)
class Case:
    """One model, how to call it, and what the tracer must say about it (code "": nothing)."""

    name: str
    build: Callable[[], Callable]
    examples: Callable[[int], Any]
    source_file: Path
    about: str
    methods: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    expected_line: int = 0
    code: str = ""

    def model(self) -> Callable:
        """Return the function or a new module, always with the same weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            made = self.build()
        return made.eval() if isinstance(made, torch.nn.Module) else made

    def inputs(self, n: int) -> dict[str, Any]:
        """Return the examples of each method (of "forward" if none is named) at size `n`."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(n)
            examples = self.examples(n)
        return examples if self.methods else {"forward": examples}

    def arguments(self) -> dict[str, Any]:
        """Return what torchship.trace is called with, after the model."""
        inputs = self.inputs(3)
        named = {"methods": inputs} if self.methods else {"examples": inputs["forward"]}
        return {**named, **self.options}


CASES: list[Case] = []
CLEAN: list[Case] = []


def _case(
    made: Callable, examples: Callable[[int], Any], factory: bool = False, **fields: Any
) -> Case:
    # A class builds its module; a function is what is traced, unless it is a factory.
    build = made if factory or inspect.isclass(made) else lambda: made
    about = inspect.getdoc(made).splitlines()[0]
    values = {"build": build, "about": about, "source_file": Path(inspect.getsourcefile(made))}
    return Case(name=made.__name__, examples=examples, **{**values, **fields})


def hazard(examples: Callable[[int], Any], *, where: Any = None, **fields: Any) -> Callable:
    """Register a model as a hazard; its marked line is in `where`, by default in itself.

    `factory=True`: the decorated function returns the function to trace.
    """

    def register(made: Callable) -> Callable:
        lines, first = inspect.getsourcelines(where or made)
        marked = [(first + i, MARKER.search(line.rstrip())) for i, line in enumerate(lines)]
        [(line, marker)] = [(line, marker) for line, marker in marked if marker]
        found = {"expected_line": line, "code": marker[1]}
        CASES.append(_case(made, examples, **found, **fields))
        return made

    return register


def clean(examples: Callable[[int], Any], **fields: Any) -> Callable:
    """Register a model that a trace keeps whole."""

    def register(made: Callable) -> Callable:
        CLEAN.append(_case(made, examples, **fields))
        return made

    return register


def call(function: Callable, examples: Any) -> Any:
    """Call with examples as torchship.trace takes them: a tensor, a tuple, or a dict by name."""
    with torch.no_grad():
        if isinstance(examples, dict):
            return function(**examples)
        return function(*examples) if isinstance(examples, tuple) else function(examples)
