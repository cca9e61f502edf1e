"""Archives that other projects wrote: each one gives the outputs recorded for it, or is refused."""

import json
import math
from pathlib import Path

import pytest
import torch
import torchship
from corpus_support import call, decode
from torch import Tensor

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
MANIFEST = CORPUS / "manifest.json"

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not MANIFEST.exists(), reason=f"there is no corpus at {CORPUS}"),
]

RECORDS = json.loads(MANIFEST.read_text()) if MANIFEST.exists() else []
POSITIVE = [record for record in RECORDS if record["status"] == "positive"]
NEGATIVE = [record for record in RECORDS if record["status"] != "positive"]


def assert_tensor(got, expected: Tensor) -> None:
    assert isinstance(got, Tensor)
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
    if expected.is_quantized:
        difference = got.int_repr().int() - expected.int_repr().int()
        assert int(difference.abs().max()) <= 1
    else:
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5, equal_nan=True)


def assert_same(got, expected) -> None:
    if isinstance(expected, Tensor):
        assert_tensor(got, expected)
    elif isinstance(expected, dict):
        by_text = {str(key): item for key, item in got.items()}
        assert set(by_text) == set(map(str, expected))
        for key, item in expected.items():
            assert_same(by_text[str(key)], item)
    elif isinstance(expected, list | tuple):
        assert isinstance(got, type(expected))
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, float):
        assert type(got) is float
        assert math.isclose(got, expected, rel_tol=1e-6, abs_tol=1e-6) or got != got
    else:
        assert type(got) is type(expected)
        assert got == expected


def replay(record: dict) -> int:
    """Make every recorded call of an archive, check the results, return how many there were."""
    archive, folder = CORPUS / record["file"], CORPUS / f"{record['file']}.io"
    calls = 0
    for case in record["cases"]:
        model, results = torchship.load(archive), []
        for wanted in case["calls"]:
            arguments = [decode(entry, folder, results) for entry in wanted["inputs"]]
            calls += 1
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(case["seed"])
                if "expect_error" in wanted:
                    with pytest.raises(torchship.Error):
                        call(model, wanted["method"], arguments)
                    results.append(None)
                    continue
                results.append(call(model, wanted["method"], arguments))
            if wanted["output"]["kind"] != "object":
                assert_same(results[-1], decode(wanted["output"], folder, []))
    return calls


REPLAYED: dict[str, int] = {}
REFUSED: set[str] = set()


@pytest.mark.parametrize("record", POSITIVE, ids=lambda record: record["file"])
def test_archive_gives_its_recorded_outputs(record):
    REPLAYED[record["file"]] = replay(record)
    assert torchship.info(CORPUS / record["file"]).methods


@pytest.mark.parametrize("record", POSITIVE, ids=lambda record: record["file"])
def test_archive_shows_its_graphs(record):
    """Every method at every stage, and what runs is described whole."""
    model = torchship.load(CORPUS / record["file"])
    for method in model.info.methods:
        for stage in ("initial", "frozen", "optimized"):
            graph = model.graph(stage, method=method.name)
            assert (graph.stage, graph.method) == (stage, method.name)
            assert str(graph)
            assert len({value.name for value in graph.values}) == len(graph.values)


@pytest.mark.parametrize("record", NEGATIVE, ids=lambda record: record["file"])
def test_file_that_is_no_model_is_refused(record):
    path = CORPUS / record["file"]
    with pytest.raises(torchship.ArchiveError) as caught:
        torchship.load(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert "\n" not in caught.value.message
    REFUSED.add(record["file"])


def test_every_file_was_replayed_or_refused(capsys, request):
    selected = {item.name.split("[")[0] for item in request.session.items}
    if len(selected) < 3 or len(request.session.items) < len(RECORDS) + 1:
        pytest.skip("only a part of the corpus was selected")
    calls = sum(REPLAYED.values())
    with capsys.disabled():
        print(
            f"\ncorpus: {len(REPLAYED)} of {len(POSITIVE)} archives gave their outputs in "
            f"{calls} calls, {len(REFUSED)} of {len(NEGATIVE)} others were refused"
        )
    assert (len(REPLAYED), len(REFUSED)) == (len(POSITIVE), len(NEGATIVE))
    assert len(RECORDS) == len(POSITIVE) + len(NEGATIVE) == len(list(CORPUS.glob("*.io"))) + sum(
        not (CORPUS / f"{record['file']}.io").exists() for record in RECORDS
    )
    assert calls == sum(len(c["calls"]) for record in POSITIVE for c in record["cases"])
