"""Models of the PyPI package transformers, where it is installed; nothing is downloaded."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

from torch import Tensor, nn

from architectures.registry import NETWORKS, Network, ids, image, normal

TEXT = {"vocab_size": 2000, "hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4}
MODELS: dict[str, tuple[str, dict, Callable[[], Tensor]]] = {
    "Bert": ("BertModel", TEXT | {"intermediate_size": 1024}, ids(1, 64, below=2000)),
    "Roberta": ("RobertaModel", TEXT | {"intermediate_size": 1024}, ids(1, 64, below=2000)),
    "DistilBert": (
        "DistilBertModel",
        {"vocab_size": 2000, "dim": 256, "hidden_dim": 1024, "n_layers": 3, "n_heads": 4},
        ids(1, 64, below=2000),
    ),
    "GPT2": (
        "GPT2Model",
        {"vocab_size": 2000, "n_embd": 256, "n_layer": 4, "n_head": 4, "use_cache": False},
        ids(1, 64, below=2000),
    ),
    "T5": (
        "T5EncoderModel",
        {
            "vocab_size": 2000,
            "d_model": 256,
            "d_kv": 64,
            "d_ff": 768,
            "num_layers": 4,
            "num_heads": 4,
        },
        ids(1, 64, below=2000),
    ),
    "ViT": (
        "ViTModel",
        {k: v for k, v in TEXT.items() if k != "vocab_size"}
        | {"image_size": 128, "intermediate_size": 1024},
        image(128),
    ),
    "Wav2Vec2": (
        "Wav2Vec2Model",
        TEXT | {"intermediate_size": 1024, "num_conv_pos_embedding_groups": 4},
        normal(1, 4000),
    ),
}


class Plain(nn.Module):
    """One tensor in, the last hidden state out."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x, return_dict=False)[0]


def built(family: str, model: str, options: dict) -> Plain:
    transformers = import_module("transformers")
    config = getattr(transformers, f"{family}Config")(**options)
    config._attn_implementation = "sdpa"
    return Plain(getattr(transformers, model)(config))


if find_spec("transformers"):
    for _family, (_model, _options, _argument) in MODELS.items():
        _name = f"transformers_{_family}"
        NETWORKS[_name] = Network(
            _name,
            lambda arguments=(_family, _model, _options): built(*arguments),
            lambda argument=_argument: (argument(),),
        )
