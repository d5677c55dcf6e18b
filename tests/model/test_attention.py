"""Attention of models that have it in some blocks only, or under another name, against plain transformers."""

import copy
from typing import Any

import pytest
import torch

from reportgen.model.capture.check import prove
from reportgen.model.capture.hooks import Receiver, hook_receivers
from reportgen.model.capture.shared_passes import run_all
from reportgen.model.needs import Keep, Need, Pass, PassResult, Site, Unmeasurable
from reportgen.model.network.anatomy import anatomy_of
from reportgen.model.network.loaded import LoadedModel
from tests.tiny import WITH_ATTENTION, random_model

TOKENS = (0, 15, 90, 200, 31, 144)
ATTENTION, FINAL = Need(Site.ATTENTION), Need(Site.FINAL)


def proven(family: str) -> LoadedModel:
    network = random_model(family)
    model = LoadedModel(network, anatomy_of(network))
    prove(model)
    return model


@pytest.mark.parametrize("family", WITH_ATTENTION)
def test_attention_of_a_hybrid_is_that_of_its_own_blocks(family: str) -> None:
    model, blocks = proven(family), WITH_ATTENTION[family]
    assert model.attention_blocks == blocks
    (captured,) = run_all(model, [Pass(TOKENS, (ATTENTION,))])
    found = captured.values[ATTENTION]
    assert [block for block, _ in sorted(found)] == list(blocks)
    with torch.no_grad():
        seen = model.network(torch.tensor([TOKENS]), output_attentions=True, use_cache=False).attentions
    if len(seen) > len(blocks):  # one a block, whatever it is
        seen = [seen[block] for block in blocks]
    for block, expected in zip(blocks, seen, strict=True):
        torch.testing.assert_close(found[block, 0], expected[0], atol=1e-5, rtol=0)


def test_blocks_without_attention_are_named() -> None:
    model = proven("jamba")
    assert [model.reason_without_attention(block) for block in range(4)] == [
        "block 0 has no attention", "", "block 2 has no attention", "",
    ]  # fmt: skip
    assert "block 2 has no attention whose weights sum to 1" in proven("minimax").reason_without_attention(2)


def test_blocks_of_different_numbers_of_heads_and_models_without_patterns_are_told() -> None:
    model = proven("llama")
    model.head_counts[1] = 8
    with pytest.raises(Unmeasurable, match="its blocks have 4 and 8 heads"):
        run_all(model, [Pass(TOKENS, (ATTENTION,))])
    run_all(model, [Pass(TOKENS, (Need(Site.ATTENTION, "all", (1,)),))])
    with pytest.raises(Unmeasurable, match="no block has an attention pattern that can be seen"):
        run_all(proven("mamba"), [Pass(TOKENS, (ATTENTION,))])


def test_a_module_that_serves_two_blocks_is_seen_in_each_of_them() -> None:
    network: Any = random_model("llama")
    network.model.layers[2].self_attn = network.model.layers[0].self_attn
    anatomy = anatomy_of(network)
    states: dict[tuple[Need, int], Any] = {(ATTENTION, 1): Keep().init()}
    with hook_receivers(anatomy, [Receiver((ATTENTION, 1), states, step=0, first=0)]), torch.no_grad():
        seen = network(torch.tensor([TOKENS]), output_attentions=True, use_cache=False).attentions
    assert not torch.equal(seen[0], seen[4])
    for block, expected in enumerate(seen[::2]):  # transformers tells what the shared one does twice
        assert torch.equal(states[ATTENTION, 1][block, 0], expected[0])


def whole(model: LoadedModel, tokens: tuple[int, ...]) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = model.network(torch.tensor([tokens]), use_cache=False).logits[0]
    return logits


def continued(model: LoadedModel, steps: int) -> PassResult:
    (captured,) = run_all(model, [Pass(TOKENS, (FINAL, ATTENTION), steps)])
    return captured


@pytest.mark.parametrize(("family", "keeps"), [("llama", True), ("jamba", True), ("bamba", False), ("minimax", False)])
def test_a_model_whose_cache_misleads_it_is_continued_without(family: str, keeps: bool) -> None:
    model = proven(family)
    assert model.keeps_cache is keeps
    assert (model.cache_apart is None) is keeps
    captured = continued(model, 4)
    tokens = list(TOKENS)
    for step in range(4):
        logits = whole(model, tuple(tokens))[-1]
        (normed,) = captured.tensors_of(FINAL, step)
        with torch.no_grad():
            own = model.network.lm_head(normed[-1:])[0]
        torch.testing.assert_close(own, logits, atol=1e-4, rtol=1e-4)
        tokens.append(int(logits.argmax()))
    assert captured.tokens == tuple(tokens[:-1])


def test_steps_without_a_cache_give_what_steps_with_one_give() -> None:
    model = proven("llama")
    with_cache = continued(model, 3)
    model.keeps_cache = False
    without = continued(model, 3)
    assert without.tokens == with_cache.tokens
    for need in (FINAL, ATTENTION):
        assert without.values[need].keys() == with_cache.values[need].keys()
        for place, found in without.values[need].items():
            torch.testing.assert_close(found, with_cache.values[need][place], atol=1e-5, rtol=1e-5)


def test_a_cache_that_breaks_the_models_own_code_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    model = proven("llama")
    decoder, own = model.anatomy.decoder, copy.copy(model.anatomy.decoder.forward)

    def broken(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("past_key_values") is not None:
            raise IndexError("index 1 is out of bounds")
        return own(*args, **kwargs)

    monkeypatch.setattr(decoder, "forward", broken)
    prove(model)
    assert not model.keeps_cache
    assert model.cache_apart is None
    assert len(continued(model, 3).tokens) == len(TOKENS) + 2
