"""What makes logits of the stream is found by what it does, whatever it is called."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import transformers
from torch import nn

from reportgen.errors import ModelError
from reportgen.model.capture.check import prove
from reportgen.model.capture.shared_passes import run_all
from reportgen.model.needs import Need, Pass, Site, Unmeasurable
from reportgen.model.network.anatomy import anatomy_of
from reportgen.model.network.loaded import LoadedModel
from tests.shrunk import shrunk_config, shrunk_model
from tests.tiny import random_model

IDS = (5, 77, 300, 12, 9)


def proven(network: Any) -> LoadedModel:
    model = LoadedModel(network, anatomy_of(network))
    prove(model)
    return model


@torch.inference_mode()
def lens_of_last(model: LoadedModel) -> torch.Tensor:
    """(vocabulary) what the lens reads in the last layer, at the last position."""
    need = Need(Site.RESIDUAL, "last", (model.layers,))
    (captured,) = run_all(model, [Pass(IDS, (need,))])
    return next(model.lens_logits(captured.tensors_of(need, 0)[0]))[1][0].clone()


@pytest.mark.parametrize("kind", ["lfm2", "biogpt", "recurrent_gemma", "falcon_h1", "minicpm3", "xlstm", "roberta"])
def test_the_lens_ends_at_the_models_own_logits(kind: str) -> None:
    network = shrunk_model(kind)
    with torch.inference_mode():
        logits = network(torch.tensor([IDS])).logits[0, -1]
        assert torch.allclose(lens_of_last(proven(network)), logits, atol=1e-4 * float(logits.abs().max()))


def test_a_head_that_bends_its_numbers_by_no_module_is_read_up_to_its_matrix() -> None:
    network = shrunk_model("roberta")
    model = proven(network)
    norm: Any = model.anatomy.final_norm
    rows = torch.randn(3, 32)
    head = network.lm_head
    assert torch.equal(norm(rows), head.layer_norm(nn.functional.gelu(head.dense(rows))))
    assert not head.decoder._forward_pre_hooks
    assert torch.equal(head(rows), head.decoder(norm(rows)))


def opt_without_a_final_norm() -> Any:
    """As OPT-350m is: norms behind what is added, none at the end, and a narrower embedding."""
    config = shrunk_config("opt")
    config.do_layer_norm_before, config.word_embed_proj_dim = False, 16
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()


@torch.inference_mode()
def test_a_model_without_a_final_norm_is_read_through_what_stands_in_its_place() -> None:
    network = opt_without_a_final_norm()
    model = proven(network)
    assert model.anatomy.final_norm is network.model.decoder.project_out
    logits = network(torch.tensor([IDS])).logits[0, -1]
    assert torch.allclose(lens_of_last(model), logits, atol=1e-4)
    with pytest.raises(Unmeasurable, match="a row of its stream has 32 numbers, what the unembedding reads 16"):
        next(model.lens_logits(torch.zeros(1, 32), norm=False))


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2", "cohere", "granite"])
def test_families_that_are_named_keep_their_parts(family: str) -> None:
    network = random_model(family)
    found = anatomy_of(network)
    norms = {"llama": "model.norm", "gemma2": "model.norm", "gpt2": "transformer.ln_f"}
    assert found.final_norm is network.get_submodule(norms.get(family, "model.norm"))
    assert found.unembedding is network.lm_head
    scales = {"cohere": 0.25, "granite": 1 / 3}
    assert (found.logit_scale, found.softcap) == (scales.get(family, 1.0), 3.0 if family == "gemma2" else None)


def test_several_streams_are_told_and_all_else_is_measured() -> None:
    model = proven(shrunk_model("gemma3n_text"))
    stream, final, attention = Need(Site.RESIDUAL), Need(Site.FINAL, "last"), Need(Site.ATTENTION)
    with pytest.raises(Unmeasurable, match="its blocks pass on more than one vector per token"):
        run_all(model, [Pass(IDS, (stream,))])
    (captured,) = run_all(model, [Pass(IDS, (stream, final, attention), partial=True)])
    assert set(captured.values) == {final, attention}


def test_what_no_modules_lead_to_is_not_read_by_the_lens() -> None:
    network = random_model("llama")
    own = network.model.norm
    network.model.norm = Shifting(own)
    model = proven(network)
    assert model.anatomy.final_norm is network.model.norm
    without = LoadedModel(network, replace(model.anatomy, final_norm=None))
    prove(without)
    with pytest.raises(Unmeasurable, match="is not made of the last block's output by its modules alone"):
        lens_of_last(without)


class Shifting(nn.Module):
    """A norm that is called something else, and is more than a norm."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.inner(rows).roll(1, -1)


def test_a_model_that_looks_ahead_is_refused_in_words() -> None:
    with pytest.raises(ModelError, match="later text changes earlier logits: it is not causal"):
        proven(shrunk_model("xlnet"))
