"""What `trace(..., via="export")` returns."""

import os
from collections.abc import Sequence
from typing import Any

import torch
from torch.export import ExportedProgram

from torchship._archive import PROGRAM_SAMPLES, write_archive
from torchship._program import writer
from torchship.exporting.calls import ProgramCall, given, plain, signature, with_fields
from torchship.tracing.findings import Report
from torchship.tracing.manifest import Contents
from torchship.tracing.script import Method
from torchship.tracing.traced import TracedBase


class TracedProgram(TracedBase):
    """An exported program that was put to the test; called like the original.

    `report` has the findings, every replay, and the sizes that were tried. `program` is the
    ``torch.export.ExportedProgram``, `module` what its ``module()`` gives. `save(path)` writes the
    archive.
    """

    def __init__(
        self,
        call: ProgramCall,
        methods: Sequence[Method],
        report: Report,
        made: Contents,
        keep_examples: bool,
    ) -> None:
        super().__init__(methods, report, made)
        self._call = call
        self._keep_examples = keep_examples

    @property
    def program(self) -> ExportedProgram:
        return self._call.program

    @property
    def module(self) -> torch.fx.GraphModule:
        return self._call.module

    def _callable(self, name: str) -> Any:
        return self._forward

    def _forward(self, *args: Any, **kwargs: Any) -> Any:
        method = self._methods["forward"]
        bound = signature(method.arguments).bind(*args, **kwargs)
        first, named = given(method.arguments, plain(list(bound.arguments.values())))
        return with_fields(method.output, self.module(*first, **named))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the archive to `path`, whole or not at all.

        It opens with ``torch.export.load`` as well, and on the CPU wherever the program's tensors
        live. A manifest, golden samples and digests of every record travel inside it
        (docs/archive-format.md). The samples are synthetic, and the example inputs left out, unless
        the trace was taken with ``keep_examples=True``.

        Raises FileNotFoundError, ValueError or OSError as ``torchship.save`` does; what was at
        `path` is still there then.
        """
        made = self._contents
        records = {PROGRAM_SAMPLES: made.samples}
        write_archive(writer(self.program, self._keep_examples), path, made.manifest, records)
