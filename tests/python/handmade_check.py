"""Archives with a manifest, made by hand from those of torch.jit.save."""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

DTYPES = {
    torch.float32: "F32",
    torch.float64: "F64",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.bool: "BOOL",
}


def safetensors(tensors: dict[str, Tensor]) -> bytes:
    """The bytes of a .safetensors file."""
    header, body = {}, b""
    for name, tensor in tensors.items():
        data = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        offsets = [len(body), len(body) + len(data)]
        header[name] = {
            "dtype": DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": offsets,
        }
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + body


def tensor(name: str, dtype: str, shape: list, **more: Any) -> dict:
    """The spec of a tensor."""
    return {"name": name, "kind": "tensor", "dtype": dtype, "shape": shape, **more}


def dimension(name: str, smallest: int, largest: int | None, multiple_of: int = 1) -> dict:
    return {
        "name": name,
        "min": smallest,
        "max": largest,
        "multiple_of": multiple_of,
        "tried": [smallest],
    }


def method(inputs: list[dict], output: dict, dimensions: list[dict] = (), name="forward") -> dict:
    return {"name": name, "inputs": inputs, "output": output, "dimensions": list(dimensions)}


def sample(inputs: list[dict], output: dict, name: str = "forward") -> dict:
    return {"method": name, "origin": "synthetic", "inputs": inputs, "output": output}


def ref(name: str) -> dict:
    """The value that is a tensor of samples.safetensors."""
    return {"kind": "tensor", "ref": name}


def add_manifest(
    source: Path,
    target: Path,
    methods: list[dict],
    samples: list[dict] = (),
    tensors: dict[str, Tensor] | None = None,
    recorded: list[tuple[int, int, str, str, Tensor]] | None = None,
) -> Path:
    """Copy the archive `source` to `target` with a manifest, samples and recorded results."""
    with zipfile.ZipFile(source) as archive:
        folder = archive.namelist()[0].split("/")[0]
        records = {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}
    manifest = {
        "format": 1,
        "producer": {"torchship": "0", "torch": torch.__version__, "python": "3"},
        "methods": methods,
        "findings": [],
        "samples": list(samples),
        "engines": [],
        "metadata": {},
    }
    if tensors:
        records["extra/torchship/samples.safetensors"] = safetensors(tensors)
    if recorded is not None:
        values = [
            {"node": node, "output": output, "operator": operator, "ref": f"{node}.{output}"}
            for node, output, operator, _, _ in recorded
        ]
        manifest["intermediates"] = {"sample": 0, "values": values}
        records["extra/torchship/intermediates.safetensors"] = safetensors(
            {f"{node}.{output}": value for node, output, _, _, value in recorded}
        )
    manifest["records"] = {name: hashlib.sha256(data).hexdigest() for name, data in records.items()}
    records["extra/torchship/manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in records.items():
            archive.writestr(f"{folder}/{name}", data)
    return target
