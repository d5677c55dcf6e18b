"""Multiplications counted from shapes, against torch's own counter and a plain sum over tokens."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode

from reportgen.figures.describe import Curves, StackedBars
from reportgen.model.measures.multiplications import Multiplications, count_multiplications
from reportgen.model.network.anatomy import anatomy_of
from reportgen.model.network.loaded import LoadedModel
from reportgen.probes.cost import COMPONENTS, probe
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from tests.runs import run_probes
from tests.tiny import configurations, hybrid_configurations, random_model, save_tiny

EXACT = ["llama", "gemma2", "gemma3", "gpt2", "mistral", "gpt_neox", "mixtral", "qwen3_moe", "gpt_oss", "phi3", "opt"]
LENGTHS = [1, 2, 4, 8, 16, 32, 64]


def counted(family: str) -> tuple[Any, Multiplications]:
    network: Any = random_model(family)
    if hasattr(network, "set_experts_implementation"):
        network.set_experts_implementation("eager")  # the counter does not know products of groups
    return network, count_multiplications(LoadedModel(network, anatomy_of(network)))


def multiplications(network: Any, ids: list[int], past: Any = None) -> int:
    """As torch counts them: two operations each."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.tensor([ids]), past_key_values=past, use_cache=past is not None, logits_to_keep=1)
    assert counter.get_total_flops() % 2 == 0
    return int(counter.get_total_flops()) // 2


@pytest.mark.parametrize("family", EXACT)
@pytest.mark.parametrize("length", [1, 5, 20])
def test_one_more_token_costs_what_torch_counts(family: str, length: int) -> None:
    """Beyond the windows of Gemma 3 (8) and Mistral (16) too."""
    network, found = counted(family)
    ids = [2 + at for at in range(length)]
    past = transformers.DynamicCache(config=network.config)
    if length > 1:
        with torch.no_grad():
            network(torch.tensor([ids[:-1]]), past_key_values=past, use_cache=True)
    constant = sum(found.matrices.values()) + found.state + found.unembedding
    assert constant + found.of_scores(length - 1) == multiplications(network, ids[-1:], past)


@pytest.mark.parametrize("family", EXACT)
def test_a_prompt_costs_what_torch_counts_but_for_the_scores_that_are_hidden(family: str) -> None:
    network, found = counted(family)
    length = 20
    constant = sum(found.matrices.values()) + found.state
    each = sum(one.heads * (one.query_width + one.value_width) for one in found.attention)
    whole = multiplications(network, [2 + at for at in range(length)])
    assert constant * length + each * length**2 + found.unembedding == whole
    assert found.of_all_scores(length) == sum(found.of_scores(at) for at in range(length)) < each * length**2


def test_each_token_of_a_state_space_costs_the_same() -> None:
    """A convolution reaches over the end of a prompt, which torch's count holds: it is the same at every length."""
    network, found = counted("mamba")
    some, more = (multiplications(network, [2 + at for at in range(length)]) for length in (5, 20))
    assert more - some == 15 * (sum(found.matrices.values()) + found.state)
    assert found.of_scores(10_000) == found.of_all_scores(10_000) == 0


@pytest.mark.parametrize("family", ["bamba", "nemotron_h", "qwen3_next", "minimax"])
def test_what_is_not_counted_is_refused(family: str, llama: Path, tmp_path: Path) -> None:
    models = {"m": save_tiny(tmp_path / "m", family), "l": llama}
    outcomes = run_probes(models, {"cost": {"probe": "cost"}}).outcomes["cost"]
    assert outcomes["l"].status == "ok"
    assert outcomes["m"].status == "skipped"
    assert "mixes tokens neither by attention nor by a state space that is known" in outcomes["m"].reason


def found_of(source: Path | str, **options: Any) -> Outcome:
    return run_probes({"m": source}, {"cost": {"probe": "cost", "lengths": LENGTHS, **options}}).outcomes["cost"]["m"]


@pytest.mark.parametrize("family", ["llama", "gemma3", "mamba", "gpt2", "mixtral"])
def test_a_configuration_alone_gives_the_same(family: str, tmp_path: Path) -> None:
    config = configurations()[family]
    config.architectures = [type(random_model(family)).__name__]
    (tmp_path / "alone.json").write_text(json.dumps(config.to_dict(), default=str))
    alone = found_of(f"config:{tmp_path / 'alone.json'}")
    whole = found_of(save_tiny(tmp_path / "m", family))
    assert alone.status == whole.status == "ok", (alone.reason, whole.reason)
    for name in ("token", "prompt"):
        assert alone.arrays[name].values.tolist() == whole.arrays[name].values.tolist()


def test_arrays_are_the_counts(llama: Path) -> None:
    outcome = found_of(llama)
    _, found = counted("llama")
    token, prompt = outcome.arrays["token"], outcome.arrays["prompt"]
    assert token.along("position") == tuple(LENGTHS)
    constant = sum(found.matrices.values()) + found.unembedding
    assert outcome.metrics["per_token"].value == constant
    assert token.values.sum(0).tolist() == [constant + found.of_scores(length - 1) for length in LENGTHS]
    inside = constant - found.unembedding
    totals = [inside * n + found.of_all_scores(n) + found.unembedding for n in LENGTHS]
    assert prompt.values.sum(0).tolist() == totals
    assert outcome.metrics["growth"].value == pytest.approx(totals[-1] / totals[-2])
    half = outcome.metrics["half_at"].value
    assert isinstance(half, int)
    assert found.of_scores(half - 1) > constant >= found.of_scores(half - 2)
    projections, mlp = (token.values[COMPONENTS.index(part), 0] for part in ("attention projections", "MLP"))
    assert (projections, mlp) == (3 * (24 * 24 * 2 + 2 * 24 * 12), 3 * 3 * 24 * 40)


def test_the_state_space_never_grows_and_the_sentence_says_so(tmp_path: Path) -> None:
    outcome = found_of(save_tiny(tmp_path / "m", "mamba"))
    assert outcome.metrics["half_at"].reason == "no block has attention"
    assert outcome.metrics["growth"].value == pytest.approx(2, rel=0.02)
    section = Section("cost", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)})
    assert "however long the text is" in probe.statement(section)
    assert [type(figure) for figure in probe.figures(section)] == [Curves, StackedBars]


def test_windows_alone_never_take_half(tmp_path: Path) -> None:
    outcome = found_of(save_tiny(tmp_path / "m", "mistral"))
    assert outcome.metrics["half_at"].reason == "at no length: every block sees a window alone"


@pytest.mark.parametrize("family", ["jamba"])
def test_attention_beside_a_state_space_is_counted_as_well(family: str, tmp_path: Path) -> None:
    assert family in hybrid_configurations()
    outcome = found_of(save_tiny(tmp_path / "m", family))
    values = outcome.arrays["token"].values
    assert values[COMPONENTS.index("state space")].min() > 0
    assert values[COMPONENTS.index("attention scores"), -1] == 2 * 4 * 12 * 64
