"""The inputs that an exported program was made with, where its file has them."""

import io
import pickle
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

# PyTorch 2.6 and 2.7 had a name of their own, and no top folder.
_RECORD = re.compile(r"(.*/)?(data/sample_inputs/[^/]+\.pt|serialized_example_inputs\.pt)")


def example_inputs(path: Path, names: Sequence[str]) -> list[Any] | None:
    """One value for each argument; None where the file has none that can be read."""
    with zipfile.ZipFile(path) as file:
        records = [each for each in file.infolist() if _RECORD.fullmatch(each.filename)]
        if len(records) != 1 or not records[0].file_size:
            return None
        content = file.read(records[0])
    try:
        # Tensors, numbers, strings and containers: nothing in the file can run code.
        read = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except (pickle.UnpicklingError, RuntimeError, EOFError):
        return None  # classes of the author's own, for one
    if not isinstance(read, tuple) or len(read) != 2:
        return None
    positional, named = read
    values = {**dict(zip(names, positional, strict=False)), **(named or {})}
    return [values[name] for name in names] if values.keys() == set(names) else None
