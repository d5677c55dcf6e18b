"""The parts of a logit sum to it, and each is what the component alone writes into it."""

import pytest
import torch

from reportgen.model.capture.shared_passes import run_all
from reportgen.model.measures.direct_parts import ComponentOutputs, direct_parts, unembedding_rows
from reportgen.model.needs import Need, Pass, PassResult, Site
from reportgen.model.network.anatomy import anatomy_of
from reportgen.model.network.loaded import LoadedModel
from tests.tiny import random_model

IDS = (0, 40, 41, 55, 7)
TOKENS = [3, 300]


def last_row(captured: PassResult, need: Need, index: int) -> torch.Tensor:
    value = captured.values[need][index, 0]
    assert isinstance(value, torch.Tensor)
    return value[-1:].expand(len(TOKENS), -1)


def taken_apart(family: str) -> tuple[LoadedModel, ComponentOutputs]:
    network = random_model(family)
    model = LoadedModel(network, anatomy_of(network))
    stream, heads, mlp = Need(Site.RESIDUAL), Need(Site.HEADS), Need(Site.MLP_WRITE)
    (captured,) = run_all(model, [Pass(IDS, (stream, heads, mlp))])
    blocks = range(model.layers)
    return (
        model,
        ComponentOutputs(
            embedding=last_row(captured, stream, 0),
            last=last_row(captured, stream, model.layers),
            heads=[last_row(captured, heads, block) for block in blocks],
            mlp=[last_row(captured, mlp, block) for block in blocks],
        ),
    )


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3", "olmo2", "granite", "gpt_neox", "opt"])
def test_the_parts_sum_to_the_logit_before_softcap_and_scaling(family: str) -> None:
    model, seen = taken_apart(family)
    parts = direct_parts(model, seen, *unembedding_rows(model, TOKENS))
    with torch.inference_mode():
        head = model.anatomy.unembedding
        expected = torch.nn.functional.linear(model.final_norm(seen.last[:1]), head.weight, head.bias)[0, TOKENS]
    torch.testing.assert_close(parts.total, expected, atol=1e-3, rtol=1e-3)


def test_a_heads_part_is_what_it_alone_writes_under_the_frozen_norm() -> None:
    model, seen = taken_apart("llama")
    parts = direct_parts(model, seen, *unembedding_rows(model, TOKENS))
    output = model.anatomy.blocks[1].self_attn.o_proj.weight
    norm = model.final_norm
    with torch.inference_mode():
        found = torch.zeros_like(seen.heads[1][:1])
        found[:, 6:12] = seen.heads[1][:1, 6:12]  # head 1 of four, each 6 wide
        written = found @ output.T
        last = seen.last[:1]
        normed = written * torch.rsqrt(last.square().mean() + norm.variance_epsilon) * norm.weight
        expected = (normed @ model.anatomy.unembedding.weight.T)[0, TOKENS]
    torch.testing.assert_close(parts.heads[:, 1, 1], expected, atol=1e-4, rtol=1e-3)
