"""What hooks hand over: the right rows of the right layer, and nothing is left on the model."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from reportgen.model.capture.activation_functions import activation_functions_of
from reportgen.model.capture.hooks import Layout, NotFiniteError, Receiver, check_finite, hook_receivers
from reportgen.model.needs import Keep, Need, Site
from reportgen.model.network.anatomy import Anatomy, anatomy_of
from reportgen.model.network.loaded import LoadedModel
from tests.tiny import FAMILIES, LAYERS, random_model

IDS = torch.tensor([[0, 40, 41, 55, 7]])
NOT_OF_LLAMA = {Site.FINAL, Site.ROUTES, Site.ROUTER_SCORES, Site.GATES}
"""No hook is needed for the first, and a Llama has no routers."""


def hooks_on(network: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in network.modules())


def receive(anatomy: Anatomy, need: Need, ids: torch.Tensor = IDS, **told: Any) -> dict[tuple[int, int], torch.Tensor]:
    """(layer or block, step) -> what was kept."""
    states: dict[tuple[Need, int], Any] = {(need, 1): need.reducer.init()}
    receiver = Receiver((need, 1), states, step=0, first=0, **told)
    with torch.inference_mode(), hook_receivers(anatomy, [receiver]):
        anatomy.decoder(input_ids=ids)
    check_finite(receiver.seen)
    kept: dict[tuple[int, int], torch.Tensor] = need.reducer.finish(states[need, 1])
    return kept


@pytest.mark.parametrize("family", FAMILIES)
def test_the_stream_is_that_of_transformers(family: str) -> None:
    network = random_model(family)
    kept = receive(anatomy_of(network), Need(Site.RESIDUAL))
    with torch.inference_mode():
        expected = network(IDS, output_hidden_states=True).hidden_states
    assert [index for index, _ in kept] == list(range(LAYERS + 1))
    # What transformers calls the last one is behind the final norm; Mamba's begin behind block 0 (5.x).
    missing = 1 if family == "mamba" else 0
    for layer in range(missing, LAYERS + missing):
        torch.testing.assert_close(kept[layer, 0], expected[layer - missing][0])


def test_attention_is_that_of_transformers() -> None:
    network = random_model("llama")
    kept = receive(anatomy_of(network), Need(Site.ATTENTION, indices=(0, 2)))
    with torch.inference_mode():
        expected = network(IDS, output_attentions=True).attentions
    assert [index for index, _ in kept] == [0, 2]
    assert all(torch.equal(kept[block, 0], expected[block][0]) for block in (0, 2))


@pytest.mark.parametrize(
    ("positions", "at"), [("all", [0, 1, 2, 3, 4]), ("last", [4]), ((0, 3), [0, 3]), ((3, 9), [3])]
)
def test_only_the_wanted_positions_are_kept(positions: Any, at: list[int]) -> None:
    anatomy = anatomy_of(random_model("llama"))
    whole = receive(anatomy, Need(Site.RESIDUAL, indices=(1,)))
    kept = receive(anatomy, Need(Site.RESIDUAL, positions, indices=(1,)))
    assert torch.equal(kept[1, 0], whole[1, 0][at])


def test_a_row_of_an_edited_pass_is_the_clean_one_below_the_layer_where_it_joins() -> None:
    layout = Layout(clean=1, starts=(1, 2))
    assert [layout.rows(layer) for layer in (-1, 0, 1, 2, 3)] == [1, 1, 2, 3, 3]
    assert [layout.place(0, layer) for layer in (0, 1, 2)] == [0, 1, 1]
    assert [layout.place(1, layer) for layer in (0, 1, 2)] == [0, 0, 2]
    assert [layout.count_joining(layer) for layer in (0, 1, 2)] == [0, 1, 1]
    together = Layout(clean=1, starts=(1, 2), midway=False)
    assert [together.rows(layer) for layer in (-1, 0, 3)] == [3, 3, 3]
    assert together.count_joining(1) == 0


def test_the_row_that_was_asked_for_is_handed_over() -> None:
    anatomy = anatomy_of(random_model("llama"))
    both = torch.cat([IDS, IDS.flip(1)])
    layout = Layout(clean=1, starts=(0,), midway=False)
    kept = receive(anatomy, Need(Site.RESIDUAL, indices=(2,)), both, layout=layout, row=0)
    alone = receive(anatomy, Need(Site.RESIDUAL, indices=(2,)), IDS.flip(1))
    torch.testing.assert_close(kept[2, 0], alone[2, 0])


def test_tokens_that_pass_again_are_not_seen_again() -> None:
    anatomy = anatomy_of(random_model("llama"))
    whole = receive(anatomy, Need(Site.RESIDUAL, indices=(1,)))
    kept = receive(anatomy, Need(Site.RESIDUAL, indices=(1,)), again=3)
    assert torch.equal(kept[1, 0], whole[1, 0][3:])


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_told_with_its_layer(wrong: float) -> None:
    network = random_model("llama")
    anatomy = anatomy_of(network)
    with torch.no_grad():
        anatomy.blocks[1].mlp.down_proj.weight[0, 0] = wrong
    with pytest.raises(NotFiniteError, match=r"residual 2 holds values that are not finite, in torch\.float32"):
        receive(anatomy, Need(Site.RESIDUAL))
    assert hooks_on(network) == 0


@pytest.mark.parametrize("site", [site for site in Site if site not in NOT_OF_LLAMA])
def test_nothing_is_left_on_the_model_also_after_an_exception(site: Site) -> None:
    network = random_model("llama")
    model, before = LoadedModel(network, anatomy_of(network)), hooks_on(network)
    anatomy = replace(model.anatomy, activation_functions=activation_functions_of(model))
    assert hooks_on(network) == before

    class Broken(Keep):
        def update(self, state: Any, value: Any, *, index: int, step: int) -> Any:
            raise ArithmeticError("broken")

    with pytest.raises(ArithmeticError, match="broken"):
        receive(anatomy, Need(site, reducer=Broken()))
    assert hooks_on(network) == before
    receive(anatomy, Need(site))
    assert hooks_on(network) == before
