from typing import Any

import pytest
import torch
from tiny import FAMILIES, random_model
from torch import nn

from reportgen.errors import ModelError
from reportgen.model.anatomy import anatomy_of
from reportgen.model.check import prove
from reportgen.model.loaded import LoadedModel


def model(family: str = "llama", **changed: Any) -> LoadedModel:
    network = random_model(family)
    anatomy = anatomy_of(network)
    for name, part in changed.items():
        object.__setattr__(anatomy, name, part)
    return LoadedModel(network, anatomy)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_proven(family: str) -> None:
    prove(model(family))


def test_a_wrong_norm_is_refused_with_what_differed() -> None:
    wrong = nn.LayerNorm(24)
    with pytest.raises(ModelError, match=r"LlamaForCausalLM is refused: the last block's output, normed, .* by \d"):
        prove(model(final_norm=wrong))


def test_a_wrong_scale_is_refused() -> None:
    with pytest.raises(ModelError, match="the unembedding's logits differ from the model's own"):
        prove(model(logit_scale=0.5))


def test_a_forgotten_softcap_is_refused() -> None:
    with pytest.raises(ModelError, match="the unembedding's logits differ"):
        prove(model("gemma2", softcap=None))


def test_attention_that_looks_ahead_is_refused() -> None:
    class Ahead(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            output, weights = self.inner(*args, **kwargs)
            return output, torch.full_like(weights, 1 / weights.shape[-1])

    found = model()
    block = found.anatomy.blocks[1]
    block.self_attn = Ahead(block.self_attn)
    with pytest.raises(ModelError, match="attention of block 1 looks ahead"):
        prove(LoadedModel(found.network, anatomy_of(found.network)))


def test_a_network_without_blocks_is_refused_by_name() -> None:
    network = random_model("llama")
    network.config.num_hidden_layers = 9
    with pytest.raises(ModelError, match="LlamaForCausalLM has no part that is a list of 9 blocks"):
        anatomy_of(network)


def test_weights_that_are_not_finite_are_refused_by_layer() -> None:
    found = model()
    with torch.no_grad():
        found.anatomy.blocks[1].mlp.up_proj.weight[0, 0] = float("nan")
    with pytest.raises(ModelError, match=r"refused: residual 2 holds values that are not finite, in torch.float32"):
        prove(found)
