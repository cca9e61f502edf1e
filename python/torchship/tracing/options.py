"""What `trace` may be asked for, checked before anything runs."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from torchship.tracing.arguments import Examples
from torchship.tracing.manifest import Options

MODES = {
    "eval": {"": False},
    "train": {"": True},
    # The names that R torch gives its pair.
    "both": {"eval": False, "train": True},
}
"""By the mode that is asked for: what is put before a method's name, and whether it trains."""


def check_options(mode: str, options: Options) -> None:
    if mode not in MODES:
        raise ValueError(f"mode is 'eval', 'train' or 'both', not {mode!r}")
    if options.record not in ("samples", "all"):
        raise ValueError(f"record is 'samples' or 'all', not {options.record!r}")
    unknown = set(options.names) - {"inputs", "outputs"}
    if unknown:
        raise ValueError(f"names has 'inputs' and 'outputs', not {sorted(unknown)}")
    for key, value in options.metadata.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise ValueError(f"metadata is strings under strings, not {key!r}: {value!r}")


def check_road(
    via: str,
    subject: Callable[..., Any],
    methods: Mapping[str, Examples] | None,
    mode: str,
    record: str,
) -> None:
    """Refuse of an exported program what only TorchScript archives can have."""
    if via not in ("trace", "export"):
        raise ValueError(f"via is 'trace' or 'export', not {via!r}")
    if via == "trace":
        return
    if isinstance(subject, torch.jit.ScriptModule):
        raise TypeError(
            "via='export' takes no TorchScript module: give the module that it was made of, or use "
            "via='trace'"
        )
    if methods is not None:
        raise ValueError(
            "via='export' takes one method, forward, with its examples: an exported program has no "
            "others; give the module of another method a forward, and trace that"
        )
    if mode != "eval":
        raise ValueError(f"via='export' is for models in eval mode, not mode={mode!r}")
    if record != "samples":
        raise ValueError(f"via='export' records samples only, not record={record!r}")
