"""What `trace` returns."""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from torchship._archive import INTERMEDIATES, SAMPLES, write_archive
from torchship._torchscript import writer
from torchship.tracing.findings import Report
from torchship.tracing.manifest import Contents, intermediates
from torchship.tracing.script import Method, Scripted, Trace


def default_method(names: Sequence[str]) -> str:
    """Where plain calls go among methods; empty when it could be any of them."""
    only = names[0] if len(names) == 1 else ""
    return next((name for name in ("forward", "evalforward") if name in names), only)


class TracedBase:
    """What is the same whichever way the trace was taken."""

    def __init__(self, methods: Sequence[Method], report: Report, made: Contents) -> None:
        self._methods = {method.name: method for method in methods}
        self._contents = made
        self.report = report

    @property
    def methods(self) -> list[str]:
        """The names of the traced methods."""
        return list(self._methods)

    @property
    def default_method(self) -> str:
        """Where plain calls go; empty when there are several methods and none is `forward`."""
        return default_method(self.methods)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._callable(self._method().name)(*args, **kwargs)

    def _callable(self, name: str) -> Callable[..., Any]:
        """The method with the original's signature."""
        raise NotImplementedError

    def _method(self) -> Method:
        if not self.default_method:
            raise TypeError(f"there is no method for plain calls; call {', '.join(self.methods)}")
        return self._methods[self.default_method]

    def __getattr__(self, name: str) -> Any:
        methods = self.__dict__.get("_methods", {})
        if name in methods:
            return self._callable(name)
        raise AttributeError(f"the trace has no method {name!r}; it has {', '.join(methods)}")

    def __repr__(self) -> str:
        count = len(self.report.findings)
        found = "no findings" if count == 0 else "1 finding" if count == 1 else f"{count} findings"
        return f"<torchship.{type(self).__name__} {', '.join(self.methods)}: {found}>"


class Traced(TracedBase):
    """A trace that was put to the test; called like the original.

    `report` has the findings, every replay, and the sizes that were tried. `module` is the
    TorchScript module itself. `save(path)` writes the archive.
    """

    def __init__(
        self, trace: Trace, methods: Sequence[Method], report: Report, made: Contents, record: str
    ) -> None:
        super().__init__(methods, report, made)
        self._trace = trace
        self._record = record

    @property
    def module(self) -> Scripted:
        return self._trace.module

    def _callable(self, name: str) -> Callable[..., Any]:
        return self._trace.callable(name)

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

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the archive to `path`, whole or not at all.

        It opens with ``torch.jit.load`` as well, and on the CPU wherever the module's tensors
        live. A manifest, golden samples and digests of every record travel inside it
        (docs/archive-format.md). The samples are synthetic unless the trace was taken with
        ``keep_examples=True``.

        Raises FileNotFoundError, ValueError or OSError as ``torchship.save`` does; what was at
        `path` is still there then.
        """
        made = self._contents
        records = {SAMPLES: made.samples}
        if self._record == "all":
            with tempfile.TemporaryDirectory() as folder:
                plain = Path(folder) / "model.pt"
                write_archive(writer(self.module), plain, made.manifest, records)
                records[INTERMEDIATES] = intermediates(made, plain)
        write_archive(writer(self.module), path, made.manifest, records)
