"""Ship a PyTorch model out of Python: one archive, checked where it lands.

Importing this package is cheap: torch and the compiled module are loaded when the first name that
needs them is used. A torch of another minor version than the one torchship was built with is
refused at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from torchship._build import TORCH_VERSION, __version__
from torchship._torch_version import installed_torch, require_matching_torch
from torchship.errors import ArchiveError, DeviceError, EngineError, Error, SignatureError

if TYPE_CHECKING:
    from torchship._core import (
        CheckReport,
        Graph,
        MethodInfo,
        Model,
        ModelInfo,
        TensorCount,
        ValueSpec,
        info,
    )
    from torchship._load import check, lint, load
    from torchship._save import save
    from torchship._trace import trace
    from torchship.bundling import Bundle, bundle
    from torchship.compiling.compile import Compiled, compile
    from torchship.converting.convert import Converted, convert
    from torchship.exporting.traced import TracedProgram
    from torchship.tracing.dimensions import Dim
    from torchship.tracing.findings import Finding, Report, TraceError
    from torchship.tracing.traced import Traced

__all__ = [
    "ArchiveError",
    "Bundle",
    "CheckReport",
    "Compiled",
    "Converted",
    "DeviceError",
    "Dim",
    "EngineError",
    "Error",
    "Finding",
    "Graph",
    "MethodInfo",
    "Model",
    "ModelInfo",
    "Report",
    "SignatureError",
    "TensorCount",
    "TraceError",
    "Traced",
    "TracedProgram",
    "ValueSpec",
    "__version__",
    "bundle",
    "check",
    "compile",
    "convert",
    "info",
    "lint",
    "load",
    "save",
    "trace",
]

require_matching_torch(installed_torch(), TORCH_VERSION)

_HOMES = {
    "Bundle": "torchship.bundling",
    "Compiled": "torchship.compiling.compile",
    "Converted": "torchship.converting.convert",
    "Dim": "torchship.tracing.dimensions",
    "Finding": "torchship.tracing.findings",
    "Report": "torchship.tracing.findings",
    "TraceError": "torchship.tracing.findings",
    "Traced": "torchship.tracing.traced",
    "TracedProgram": "torchship.exporting.traced",
    "bundle": "torchship.bundling",
    "check": "torchship._load",
    "compile": "torchship.compiling.compile",
    "convert": "torchship.converting.convert",
    "lint": "torchship._load",
    "load": "torchship._load",
    "save": "torchship._save",
    "trace": "torchship._trace",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'torchship' has no attribute {name!r}")
    import torch  # noqa: F401  (the compiled module needs its libraries)

    value = getattr(import_module(_HOMES.get(name, "torchship._core")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
