"""Whole models over the bridge, and what becomes of their programs."""

import io
import sys
import warnings
from pathlib import Path

import pytest
import torch
import torchship
from bridge_support import BATCH, archive, bridged, operators, scripted, traced
from hazards import CLEAN
from r_torch import same
from support import since_torch
from test_bridge_branches import Gate, newton
from torch import Tensor, nn
from torchship.compiling.bridge import BridgeError, Range, exported

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "models"), str(ROOT / "benchmarks")]

import networks  # noqa: E402
import text_gru  # noqa: E402

TIME = Range("time")
SEQUENCES = [torch.randn(b, t, 3) for b, t in ((2, 5), (1, 1), (4, 9))]


@pytest.mark.parametrize(
    "kind, options",
    [(nn.GRU, {"num_layers": 2, "bidirectional": True, "bias": False}), (nn.RNN, {})],
)
def test_recurrent_layers_at_any_time(kind, options):
    module = traced(kind(3, 4, batch_first=True, **options), SEQUENCES[0])
    first, *others = [(each,) for each in SEQUENCES]
    made = bridged(module, first, *others, dynamic=[{0: BATCH, 1: TIME}])
    assert made.restrictions == [] and "scan" in operators(made)


def test_a_recurrent_relu_without_batch_first():
    module = traced(nn.RNN(3, 4, nonlinearity="relu"), SEQUENCES[0])
    first, *others = [(each,) for each in SEQUENCES]
    bridged(module, first, *others, dynamic=[{0: TIME, 1: BATCH}])


class Stock(nn.Module):
    """torch's own modules, scripted, with the checks and branches that they have."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(8, 4, batch_first=True, bidirectional=True)
        self.lstm = nn.LSTM(8, 8, batch_first=True, num_layers=2)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.InstanceNorm1d(8)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.lstm(self.gru(x)[0])[0]
        x = self.encoder(self.norm(x.transpose(1, 2)).transpose(1, 2))
        up = nn.functional.interpolate(x.transpose(1, 2), scale_factor=2.0)
        return self.attention(x, x, x, need_weights=False)[0], up


@since_torch("2.13", "fixes sizes that numbers are computed from")
def test_stock_modules_scripted():
    first, *others = [(torch.randn(b, t, 8),) for b, t in ((2, 5), (1, 7), (4, 2))]
    time = Range("time", min=2)
    made = bridged(scripted(Stock()), first, *others, dynamic=[{0: BATCH, 1: time}])
    assert made.restrictions == []


def save(model, examples, path: Path, **options) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torchship.trace(model, examples, strict=False, **options).save(path)
    return path


def test_text_gru(tmp_path):
    path = save(text_gru.build().eval(), text_gru.example_inputs(), tmp_path / "text_gru.pt")
    [(method, module, inputs, dynamic)] = archive(path)
    made = bridged(module, inputs, dynamic=dynamic, method=method)
    assert made.restrictions == [] and len(made.ranges) == 2
    assert [key for key, _ in made.output["entries"]] == ["logits", "embedding"]


PROGRAMS = {
    "scan": (lambda: traced(nn.GRU(3, 4, batch_first=True), SEQUENCES[0]), SEQUENCES),
    "cond": (lambda: scripted(Gate()), [torch.ones(2, 3), torch.ones(1, 3) / 100]),
    "while": (lambda: scripted(newton), [torch.ones(2, 3), torch.full((1, 3), 9.0)]),
}


def program_of(name: str):
    build, (first, *others) = PROGRAMS[name]
    inputs = (first, 20) if name == "while" else (first,)
    dynamic = [{0: BATCH, 1: TIME}] if name == "scan" else [{0: BATCH}]
    return bridged(build(), inputs, dynamic=dynamic), [first, *others]


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_are_saved_and_loaded(name):
    made, inputs = program_of(name)
    buffer = io.BytesIO()
    torch.export.save(made.program, buffer)
    buffer.seek(0)
    loaded = torch.export.load(buffer).module()
    program = made.program.module()
    for values in inputs:
        same(loaded(values), program(values))


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.filterwarnings("ignore")
def test_programs_compile(name, tmp_path):
    made, inputs = program_of(name)
    path = torch._inductor.aoti_compile_and_package(
        made.program, package_path=str(tmp_path / "model.pt2")
    )
    compiled = torch._inductor.aoti_load_package(path)
    program = made.program.module()
    for values in inputs:
        got = compiled(values)
        same(tuple(got) if isinstance(got, list | tuple) else (got,), program(values))


# What packing a sequence gives has as many rows as the lengths say.
DEPENDS_ON_DATA = {"PackedLstm"}


@pytest.mark.slow
@pytest.mark.parametrize("case", CLEAN, ids=lambda case: case.name)
def test_clean_models(case, tmp_path):
    options = case.arguments()
    path = save(case.model(), options.pop("examples", None), tmp_path / "model.pt", **options)
    for method, module, inputs, dynamic in archive(path):
        if case.name in DEPENDS_ON_DATA:
            with pytest.raises(BridgeError, match="known only when the model runs"):
                exported(module, method, inputs, dynamic)
            continue
        made = bridged(module, inputs, dynamic=dynamic, method=method)
        assert not [each for each in made.restrictions if each.range is None]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Lstm", "MobileNetV3", "ResNet18", "transformer"])
def test_networks_of_the_suite(name):
    torch.manual_seed(0)
    shape = {"Lstm": (2, 50, 64), "transformer": (2, 64, 384)}.get(name, (2, 3, 64, 64))
    module = traced(getattr(networks, name)().eval(), torch.randn(shape))
    others = [(torch.randn(batch, *shape[1:]),) for batch in (1, 3)]
    made = bridged(module, (torch.randn(shape),), *others, dynamic=[{0: BATCH}])
    assert made.restrictions == []
