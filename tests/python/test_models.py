"""The three model scripts: what they learn, and that their archives answer as they do."""

import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[2] / "models"))

import digits_cnn
import text_gru
import toy_mlp

MODELS = [toy_mlp, digits_cnn, text_gru]


class Trained(NamedTuple):
    model: nn.Module
    result: Any
    archive: torch.jit.ScriptModule


def load(path: Path) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.load` ", DeprecationWarning)
        return torch.jit.load(path)


def trained(script: ModuleType, folder: Path, **options) -> Trained:
    model = script.build()
    result = script.train(model, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # above all the tracer's own warnings
        script.export(model, folder / "model.pt")
    return Trained(model, result, load(folder / "model.pt"))


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return trained(toy_mlp, tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return trained(digits_cnn, tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return trained(text_gru, tmp_path_factory.mktemp("text"), epochs=3)


def assert_same(trained: Trained, inputs: torch.Tensor) -> None:
    with torch.no_grad():
        torch.testing.assert_close(trained.archive(inputs), trained.model(inputs))


# toy_mlp


def test_toy_losses(toy):
    assert len(toy.result) == 10
    assert toy.result[0] > 2
    assert toy.result[-1] < 1.35


def test_toy_answer(toy):
    assert -1.75 <= toy.archive(torch.ones(1, 3)).item() <= -1.45


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_toy_losses_of_other_seeds(seed):
    losses = toy_mlp.train(toy_mlp.build(seed), seed=seed)
    assert losses[0] > 2
    assert losses[-1] < 1.35


def test_toy_data_is_the_articles():
    x, y = toy_mlp.dataset().tensors
    assert x.shape == (1000, 3)
    assert y.shape == (1000, 1)
    fitted = torch.linalg.lstsq(x, y).solution.flatten()
    torch.testing.assert_close(fitted, torch.tensor([0.2, -1.3, -0.5]), atol=0.12, rtol=0)


@pytest.mark.parametrize("rows", [1, 2, 32, 1000])
def test_toy_archive_takes_any_batch(toy, rows):
    assert toy.archive(torch.randn(rows, 3)).shape == (rows, 1)
    assert_same(toy, torch.randn(rows, 3))


# digits_cnn


def test_digits_accuracy(digits):
    assert digits.result.accuracy >= 0.97


def test_digits_archive_is_as_accurate(digits):
    held_out = digits_cnn.split()[1]
    assert len(held_out) == digits_cnn.HELD_OUT
    assert digits_cnn.accuracy(digits.archive, held_out) >= 0.97


def test_digits_images_are_scaled():
    (images,) = digits_cnn.example_inputs()
    assert images.shape == (2, 1, 8, 8)
    assert images.dtype == torch.float32
    assert images.min() == 0
    assert images.max() == 1


@pytest.mark.parametrize("images", [1, 2, 7, 64])
def test_digits_archive_takes_any_batch(digits, images):
    assert digits.archive(torch.rand(images, 1, 8, 8)).shape == (images, 10)
    assert_same(digits, torch.rand(images, 1, 8, 8))


# text_gru


def test_text_beats_its_baseline(text):
    assert text.result.baseline < 0.3
    assert text.result.accuracy > 2 * text.result.baseline


def test_text_held_out_sentences_are_not_trained_with():
    train_set, held_out = text_gru.split()
    assert len(train_set) > 4 * len(held_out) - 10
    assert not {sentence for sentence, _ in train_set} & {sentence for sentence, _ in held_out}


@pytest.mark.parametrize(("texts", "length"), [(1, 1), (1, 300), (2, 30), (5, 1), (9, 517)])
def test_text_archive_takes_any_batch_and_length(text, texts, length):
    tokens = torch.randint(1, 256, (texts, length))
    scores = text.archive(tokens)
    assert list(scores) == ["logits", "embedding"]
    assert scores["logits"].shape == (texts, 5)
    torch.testing.assert_close(scores["embedding"].norm(dim=1), torch.ones(texts))
    assert_same(text, tokens)


def test_text_padding_changes_nothing(text):
    tokens = text_gru.encode("Return a random element.")
    padded = nn.functional.pad(tokens, (0, 40))
    torch.testing.assert_close(text.archive(padded), text.archive(tokens))


def test_text_encode():
    tokens = text_gru.encode("né")
    assert tokens.tolist() == [[110, 195, 169]]
    assert tokens.dtype == torch.int64
    with pytest.raises(ValueError, match="empty"):
        text_gru.encode("")


# All three


@pytest.mark.parametrize("script", MODELS, ids=lambda script: script.__name__)
def test_script_trains_saves_and_reproduces(script, tmp_path, capsys):
    state = torch.get_rng_state()
    assert script.main(["--out", str(tmp_path / "m.pt"), "--epochs", "1", "--seed", "5"]) == 0
    assert "epoch  1: loss" in capsys.readouterr().out

    again = script.build(5)
    script.train(again, seed=5, epochs=1)
    saved = load(tmp_path / "m.pt").state_dict()
    assert all(torch.equal(saved[name], tensor) for name, tensor in again.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state), "the caller's random numbers were disturbed"


@pytest.mark.parametrize("script", MODELS, ids=lambda script: script.__name__)
def test_seeds_differ(script):
    first, second = script.build(1).state_dict(), script.build(2).state_dict()
    assert any(not torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("script", MODELS, ids=lambda script: script.__name__)
def test_script_refuses_a_missing_folder_before_training(script, tmp_path, capsys):
    with pytest.raises(SystemExit):
        script.main(["--out", str(tmp_path / "missing" / "m.pt")])
    assert "there is no folder" in capsys.readouterr().err
