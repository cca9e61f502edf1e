"""The corpus's manifest: values that it describes, and calls by the names it has for methods."""

from pathlib import Path

import numpy as np
import torch
import torchship


def decode(entry: dict, folder: Path, results: list):
    """Return the value that the manifest describes."""
    kind = entry["kind"]
    if kind == "tensor":
        tensor = torch.from_numpy(np.load(folder / entry["npy"]))
        if "qscheme" in entry:
            dtype = getattr(torch, entry["dtype"])
            scale, zero = entry["scale"], entry["zero_point"]
            return torch.quantize_per_tensor(tensor, scale, zero, dtype)
        if entry["dtype"] == "bfloat16":
            tensor = tensor.view(torch.bfloat16)
        return tensor.reshape(entry["shape"])
    if kind == "none":
        return None
    if kind == "float":
        return float(entry.get("value_str", entry.get("value")))
    if kind in ("int", "bool", "str"):
        return entry["value"]
    if kind == "dict":
        pairs = entry["items"]
        return {decode(k, folder, results): decode(v, folder, results) for k, v in pairs}
    if kind == "ref":
        return results[entry["call"]]
    items = [decode(item, folder, results) for item in entry["items"]]
    return items if kind == "list" else tuple(items)


def call(model: torchship.Model, method: str, arguments: list):
    is_default = method == model.info.default_method
    return model(*arguments) if is_default else model.call(method, *arguments)
