from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from reportgen.errors import ModelError
from reportgen.model.capture.check import prove
from reportgen.model.network.anatomy import anatomy_of
from reportgen.model.network.loaded import LoadedModel
from tests.tiny import FAMILIES, random_model


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


def test_damaged_weights_are_told_where_they_show_first() -> None:
    network: Any = random_model("llama")
    with torch.no_grad():
        network.model.layers[1].mlp.down_proj.weight[0, 0] = float("nan")
    with pytest.raises(ModelError, match="LlamaForCausalLM is refused: residual 2 holds values that are not finite"):
        prove(LoadedModel(network, anatomy_of(network)))


def test_a_wrong_scale_is_refused() -> None:
    with pytest.raises(ModelError, match="the unembedding's logits differ from the model's own"):
        prove(model(logit_scale=0.5))


def test_a_forgotten_softcap_is_refused() -> None:
    with pytest.raises(ModelError, match="the unembedding's logits differ"):
        prove(model("gemma2", softcap=None))


def showing(found: LoadedModel, block: int, weights: Callable[[torch.Tensor], torch.Tensor]) -> LoadedModel:
    """The model with other numbers beside what the attention of a block writes."""
    attention = found.anatomy.attentions[block]
    assert attention is not None
    attention.register_forward_hook(lambda _module, _args, output: (output[0], weights(output[1])))
    return found


def test_attention_that_looks_ahead_is_refused() -> None:
    found = showing(model(), 1, lambda weights: torch.full_like(weights, 1 / weights.shape[-1]))
    with pytest.raises(ModelError, match="attention of block 1 looks ahead"):
        prove(found)


@pytest.mark.parametrize("other", [lambda weights: 3 * weights, lambda weights: -weights])
def test_what_only_looks_like_attention_is_left_out_of_its_block_alone(other: Any) -> None:
    found = showing(model(), 1, other)
    prove(found)
    assert found.attention_blocks == (0, 2)
    assert "block 1 has no attention whose weights sum to 1" in found.reason_without_attention(1)
    assert not found.reason_without_attention(0)


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
