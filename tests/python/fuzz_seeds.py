"""Writes the archives that the fuzzer starts from: python fuzz_seeds.py FOLDER."""

import io
import sys
import warnings
from pathlib import Path
from typing import NamedTuple

import torch
import torchship
from support import TwoModes
from torch import Tensor, nn


class Mlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Conv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.norm = nn.BatchNorm2d(2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(x))).mean((2, 3))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 2, batch_first=True)

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        out, state = self.lstm(x)
        return out, state


class Pair(NamedTuple):
    scaled: Tensor
    label: str


class Containers(nn.Module):
    """Every kind of value, in and out, and attributes that are no tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = 2.0
        self.words = {"a": 1, "b": 2}
        self.sizes = [1, 2, 3]
        self.register_buffer("offset", torch.arange(3.0))

    def forward(
        self, named: dict[str, Tensor], items: list[Tensor], text: str, n: int = 2
    ) -> dict[str, Tensor]:
        out = dict(named)
        for i, item in enumerate(items):
            out[text + str(i)] = item * self.scale + self.offset
        if text in self.words:
            out["word"] = torch.full((1,), self.words[text] * n)
        return out

    @torch.jit.export
    def pair(self, x: Tensor, text: str | None = None) -> Pair:
        return Pair(x * self.scale, "none" if text is None else text)


class Nested(nn.Module):
    def forward(self, parts: dict[str, Tensor | list[Tensor]], text: str, n: int) -> dict:
        total = parts["a"] * n + parts["b"][0]
        return {"total": total, "pair": (total + 1, parts["b"][1]), "named": [total.mean()]}


def quantised() -> torch.jit.ScriptModule:
    torch.backends.quantized.engine = "fbgemm"
    module = torch.ao.quantization.quantize_dynamic(Mlp().eval(), {nn.Linear}, torch.qint8)
    return torch.jit.trace(module, torch.ones(2, 3))


class QuantisedBuffers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        values = torch.arange(6.0).view(2, 3)
        scales, zeros = torch.tensor([0.1, 0.2]), torch.tensor([0, 1])
        self.register_buffer("whole", torch.quantize_per_tensor(values, 0.1, 0, torch.qint8))
        self.register_buffer(
            "rows", torch.quantize_per_channel(values, scales, zeros, 0, torch.quint8)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.whole.dequantize() + self.rows.dequantize()


def archive_of(module: torch.jit.ScriptModule) -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(module, buffer)
    return buffer.getvalue()


def traced(path: Path, *arguments: object, **options: object) -> None:
    torchship.trace(*arguments, strict=False, metadata={"author": "me"}, **options).save(path)


def write_traced(folder: Path) -> None:
    """Archives with a manifest, samples and digests, and with recorded results."""
    x = torch.ones(2, 3)
    traced(folder / "mlp_manifest.pt", Mlp(), x, record="all")
    traced(folder / "recurrent_manifest.pt", Recurrent(), torch.ones(2, 3, 3))
    traced(folder / "nested_manifest.pt", Nested(), ({"a": x, "b": [x, x]}, "word", 3))
    traced(folder / "modes_manifest.pt", Mlp(), x, mode="both", dynamic={"x": {0: "batch"}})


class Growing(nn.Module):
    """Branches, a loop, a buffer that changes, sizes in arithmetic."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x: Tensor, more: dict[str, Tensor]) -> dict[str, Tensor]:
        self.calls.add_(1)
        y = torch.cond(x.sum() > 0, self.linear, lambda x: -x, (x,))
        n, z = torch.while_loop(
            lambda n, z: n < 3, lambda n, z: (n + 1, z * 2), (torch.zeros((), dtype=torch.long), y)
        )
        sizes = torch.arange(x.shape[0] * 2 + 1)
        return {"z": z + more["y"], "n": n, "sizes": sizes, "calls": self.calls + 0}


def write_programs(folder: Path) -> None:
    """Exported programs: ours, torch's own, and one of torch 2.6."""
    x = torch.ones(2, 3)
    traced(folder / "mlp_program.pt2", Mlp(), x, via="export")
    batch = {0: torch.export.Dim("batch")}
    shapes = {"x": batch, "more": {"y": batch}}
    program = torch.export.export(Growing().eval(), (x, {"y": x}), dynamic_shapes=shapes)
    torch.export.save(program, folder / "growing.pt2")
    torch.export.save(program.run_decompositions(), folder / "growing_decomposed.pt2")
    old = Path(__file__).parent / "exported_files" / "torch-2.6" / "containers.pt2"
    (folder / "old.pt2").write_bytes(old.read_bytes())


def seeds() -> dict[str, bytes]:
    """Small archives of many kinds, by name."""
    torch.manual_seed(0)
    x = torch.ones(2, 3)
    methods = {"evalforward": x, "trainforward": x}
    modules = {
        "mlp": torch.jit.trace(Mlp().eval(), x),
        "conv": torch.jit.trace(Conv().eval(), torch.ones(2, 1, 5, 5)),
        "recurrent": torch.jit.trace(Recurrent().eval(), torch.ones(2, 3, 3)),
        "containers": torch.jit.script(Containers().eval()),
        "frozen": torch.jit.freeze(torch.jit.trace(Mlp().eval(), x)),
        "modes": torch.jit.trace_module(TwoModes().eval(), methods, check_trace=False),
        "quantised": quantised(),
        "quantised_buffers": torch.jit.script(QuantisedBuffers().eval()),
    }
    return {name: archive_of(module) for name, module in modules.items()}


def write_seeds(folder: Path) -> list[Path]:
    """Writes every seed into `folder`, which is made, and returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, archive in seeds().items():
            (folder / f"{name}.pt").write_bytes(archive)
        write_traced(folder)
        write_programs(folder)
    return sorted([*folder.glob("*.pt"), *folder.glob("*.pt2")])


if __name__ == "__main__":
    write_seeds(Path(sys.argv[1]))
