"""Models of the transformers library, exported and run by torchship."""

from pathlib import Path

import pytest
import torch
from exported.checking import verify
from exported.inputs import floats, ints
from exported.registry import DYNAMIC, Call, Case, Variant

transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.slow

SMALL = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
TEXT = {"input_ids": {0: DYNAMIC, 1: DYNAMIC}, "attention_mask": {0: DYNAMIC, 1: DYNAMIC}}
CASES: list[Case] = []


def case(examples, at=((),), dynamic=None):
    """Add what the function builds, exported with the first of the arguments."""

    def register(build):
        calls = [lambda point=point: examples(*point) for point in at]
        CASES.append(Case(build.__name__, "language", build, calls[0], tuple(calls[1:]), dynamic))
        return build

    return register


def text(n: int, t: int) -> Call:
    ids, length = ints(n, t, high=50), ints(n, 1, low=1, high=t + 1)
    return Call((), {"input_ids": ids, "attention_mask": (torch.arange(t) < length).long()})


@case(text, at=((2, 6), (3, 9)), dynamic=TEXT)
def bert():
    config = transformers.BertConfig(**SMALL, intermediate_size=32, max_position_embeddings=32)
    return transformers.BertModel(config)


@case(text, at=((2, 6), (3, 9)), dynamic=TEXT)
def distilbert():
    config = transformers.DistilBertConfig(
        vocab_size=50, dim=16, n_layers=2, n_heads=2, hidden_dim=32, max_position_embeddings=32
    )
    return transformers.DistilBertForSequenceClassification(config)


@case(text, at=((2, 6), (3, 9)), dynamic=TEXT)
def gpt2():
    config = transformers.GPT2Config(
        vocab_size=50, n_embd=16, n_layer=2, n_head=2, n_positions=32, use_cache=False
    )
    return transformers.GPT2LMHeadModel(config)


@case(text, at=((2, 6), (3, 9)), dynamic=TEXT)
def t5_encoder():
    config = transformers.T5Config(
        vocab_size=50, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2
    )
    return transformers.T5EncoderModel(config)


@case(lambda n: Call((), {"pixel_values": floats(n, 3, 32, 32)}), at=((2,), (3,)),
      dynamic={"pixel_values": {0: DYNAMIC}})  # fmt: skip
def vit():
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        image_size=32, patch_size=8,
    )  # fmt: skip
    return transformers.ViTForImageClassification(config)


@case(lambda n: (floats(n, 8, 40),), at=((2,), (3,)), dynamic=({0: DYNAMIC},))
def whisper_encoder():
    config = transformers.WhisperConfig(
        vocab_size=50, num_mel_bins=8, d_model=16, encoder_layers=2, encoder_attention_heads=2,
        encoder_ffn_dim=32, max_source_positions=20, decoder_layers=1, decoder_attention_heads=2,
        decoder_ffn_dim=32, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    return transformers.WhisperModel(config).get_encoder()


class Cached(torch.nn.Module):
    """A decoder whose keys and values are in buffers of a fixed length."""

    def __init__(self, model, longest: int) -> None:
        super().__init__()
        self.model = model
        self.cache = transformers.StaticCache(config=model.config, max_cache_len=longest)
        config = model.config
        heads, width = config.num_key_value_heads, config.hidden_size // config.num_attention_heads
        self.cache.early_initialization(1, heads, width, torch.float32, "cpu")
        for i, layer in enumerate(self.cache.layers):
            self.register_buffer(f"keys_{i}", layer.keys, persistent=False)
            self.register_buffer(f"values_{i}", layer.values, persistent=False)
            self.register_buffer(f"length_{i}", layer.cumulative_length, persistent=False)

    def forward(self, input_ids):
        return self.model(input_ids, past_key_values=self.cache, use_cache=True).logits


@case(lambda t: (ints(1, t, high=50),), at=((1,),) * 4)
def llama_with_cache():
    config = transformers.LlamaConfig(
        **SMALL, intermediate_size=32, num_key_value_heads=1, max_position_embeddings=32
    )
    return Cached(transformers.LlamaForCausalLM(config), 8)


@case(lambda n, t: Call((), {"input_ids": ints(n, t, high=50)}), at=((2, 6), (3, 9)),
      dynamic={"input_ids": {0: DYNAMIC, 1: DYNAMIC}})  # fmt: skip
def qwen2():
    config = transformers.Qwen2Config(
        **SMALL, intermediate_size=32, num_key_value_heads=1, use_cache=False
    )
    return transformers.Qwen2ForCausalLM(config)


@pytest.mark.parametrize("variant", [Variant(c, False) for c in CASES], ids=lambda v: v.name)
def test_results_are_those_of_torch(variant: Variant, tmp_path: Path):
    verify(variant, tmp_path)
