"""What `trace` returns."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from torchship.tracing.examine import Examination
from torchship.tracing.findings import Report
from torchship.tracing.script import Method, Scripted, Trace


@dataclass(frozen=True)
class Options:
    """What the archive is to hold beside the trace."""

    samples: int
    keep_examples: bool
    record: str
    names: Mapping[str, Any]
    tolerance: Mapping[str, tuple[float, float]] | tuple[float, float] | None
    metadata: Mapping[str, str]


class Traced:
    """A trace that was put to the test; called like the original.

    `report` has the findings, every replay, and the sizes that were tried. `module` is the
    TorchScript module itself. `save(path)` writes the archive.
    """

    def __init__(
        self,
        trace: Trace,
        examinations: Mapping[str, Examination],
        report: Report,
        options: Options,
    ) -> None:
        self._trace = trace
        self._methods = {name: each.pair.method for name, each in examinations.items()}
        self.examinations = examinations
        self.options = options
        self.report = report

    @property
    def module(self) -> Scripted:
        return self._trace.module

    @property
    def methods(self) -> list[str]:
        """The names of the traced methods."""
        return list(self._methods)

    @property
    def default_method(self) -> str:
        """Where plain calls go; empty when there are several methods and none is `forward`."""
        names = self.methods
        only = names[0] if len(names) == 1 else ""
        return next((n for n in ("forward", "evalforward") if n in names), only)

    @property
    def graph(self) -> torch._C.Graph:
        """The default method's graph as it was recorded: constants folded, dead code gone."""
        return self._trace.recorded(self._method()).graph

    @property
    def code(self) -> str:
        """The default method as TorchScript source."""
        return self._trace.recorded(self._method()).code

    def graph_for(self, *args: Any, **kwargs: Any) -> torch._C.Graph:
        """The graph as LibTorch's executor optimised it for these inputs."""
        call = self._trace.callable(self._method().name)
        own = () if call is self.module else (self.module,)
        return call.graph_for(*own, *args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._trace.callable(self._method().name)(*args, **kwargs)

    def _method(self) -> Method:
        if not self.default_method:
            raise TypeError(f"there is no method for plain calls; call {', '.join(self.methods)}")
        return self._methods[self.default_method]

    def __getattr__(self, name: str) -> Any:
        methods = self.__dict__.get("_methods", {})
        if name in methods:
            return self._trace.callable(name)
        raise AttributeError(f"the trace has no method {name!r}; it has {', '.join(methods)}")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the archive to `path`, whole or not at all.

        It opens with ``torch.jit.load`` as well, and on the CPU wherever the module's tensors
        live. A manifest, golden samples and digests of every record travel inside it
        (docs/archive-format.md). The samples are synthetic unless the trace was taken with
        ``keep_examples=True``.

        Raises FileNotFoundError, ValueError or OSError as ``torchship.save`` does; what was at
        `path` is still there then.
        """
        from torchship._archive import INTERMEDIATES, SAMPLES, write_archive
        from torchship.tracing.manifest import contents, intermediates

        made = contents(self)
        records = {SAMPLES: made.samples}
        if self.options.record == "all":
            with tempfile.TemporaryDirectory() as folder:
                plain = Path(folder) / "model.pt"
                write_archive(self.module, plain, made.manifest, records)
                records[INTERMEDIATES] = intermediates(made, plain)
        write_archive(self.module, path, made.manifest, records)

    def __repr__(self) -> str:
        count = len(self.report.findings)
        found = "no findings" if count == 0 else "1 finding" if count == 1 else f"{count} findings"
        return f"<torchship.Traced {', '.join(self.methods)}: {found}>"
