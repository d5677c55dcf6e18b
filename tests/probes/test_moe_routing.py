"""Which experts tokens are routed to, against routers by hand; and what two checkpoints route otherwise."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from reportgen.figures.describe import Curves, HeatMap, Rankings
from reportgen.model.capture.check_routes import reason_against_routing
from reportgen.model.needs import Site
from reportgen.model.network.anatomy import anatomy_of
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.network.routers import find_experts
from reportgen.probes.registry import find
from reportgen.results.quantities import Outcome
from reportgen.results.section import Section
from tests.reference import moe_routing as reference
from tests.runs import run_probes
from tests.tiny import save_tiny, tokenizer_json
from tests.tiny_experts import EXPERTS, FAMILIES, TAKEN, routed_model, save_routed

TEXTS = ["I ate an apple for breakfast", "an apple a day", "the apple of my eye, an egg, a tree and 12 + 30 = 42"]
QUICK = {"mixtral", "deepseek_v3", "llama4_text"}


def section(results: Any, id: str) -> Section:
    return Section(id, results.outcomes[id], results.models)


def measure(source: Path, **options: Any) -> Outcome:
    entry = {"probe": "moe_routing", "prompts": TEXTS, **options}
    return run_probes({"m": source}, {"experts": entry}).outcomes["experts"]["m"]


def ids_of(texts: list[str] = TEXTS) -> list[list[int]]:
    return [Tokenizer.from_str(tokenizer_json()).encode(text).ids for text in texts]


@pytest.mark.parametrize(
    "family", [one if one in QUICK else pytest.param(one, marks=pytest.mark.slow) for one in FAMILIES]
)
def test_load_margins_and_entropies_by_hand(family: str, tmp_path: Path) -> None:
    network = routed_model(family)
    outcome = measure(save_routed(tmp_path / "m", family, model=network))
    assert outcome.status == "ok", outcome.reason
    taken = 2 if family == "phimoe" else TAKEN
    assert [outcome.metrics[name].value for name in ("experts", "taken")] == [EXPERTS, taken]
    by_text = [reference.router_inputs(network, ids) for ids in ids_of()]
    blocks = outcome.arrays["load"].along("block")
    assert blocks == (1, 2, 3)[: len(blocks)] if family == "deepseek_v3" else blocks == (0, 1, 2, 3)
    for at in range(len(blocks)):
        counts, with_special, margins, entropies, after, importance = [0] * EXPERTS, [0] * EXPERTS, [], [], [], []
        for inputs in by_text:
            router, entered = inputs[at]
            for position, logits in enumerate(reference.logits_of(router, entered)):
                chosen, margin = reference.choose(reference.scores_of(family, router, logits), taken)
                for expert in chosen:
                    with_special[expert] += 1
                    counts[expert] += position > 0  # 0 is BOS
                if position:
                    margins.append(margin)
                if position and family in reference.DISTRIBUTION:
                    shares = reference.distribution_of(family, logits)
                    importance.append(shares)
                    entropies.append(reference.bits(shares) / math.log2(EXPERTS))
                    kept = sorted(shares)[-taken:]
                    after.append(reference.bits([one / sum(kept) for one in kept]) / math.log2(EXPERTS))
        load = np.array(counts) / sum(counts)
        found = outcome.arrays["load"].values[at]
        assert found == pytest.approx(load, abs=1e-6)
        assert found.sum() == pytest.approx(1.0, abs=1e-6)
        assert found != pytest.approx(np.array(with_special) / sum(with_special), abs=1e-4)
        assert outcome.arrays["load_evenness_by_block"].values[at] == pytest.approx(
            reference.bits(load) / math.log2(EXPERTS), abs=1e-5
        )
        assert outcome.arrays["margin_median"].values[at] == pytest.approx(np.median(margins), rel=1e-3, abs=1e-5)
        assert outcome.arrays["margin_low"].values[at] == pytest.approx(np.quantile(margins, 0.1), rel=1e-2, abs=1e-5)
        if entropies:
            entropy = outcome.arrays["entropy_by_block"].values[at]
            assert entropy == pytest.approx(np.mean(entropies), abs=1e-4)
            assert entropy != pytest.approx(np.mean(after), abs=1e-3), "of the chosen experts alone"
            assert found != pytest.approx(np.mean(importance, axis=0), abs=1e-3), "mean probability is not load"
    if family not in reference.DISTRIBUTION:
        assert "neither by a softmax nor by a sigmoid" in outcome.metrics["entropy"].reason
        assert "entropy_by_block" not in outcome.arrays


def test_an_expert_that_is_always_chosen_is_found_and_told(tmp_path: Path) -> None:
    network = routed_model("gpt_oss")
    with torch.no_grad():
        network.model.layers[2].mlp.router.bias[5] = 100.0
    results = run_probes(
        {"m": save_routed(tmp_path / "m", model=network)},
        {"experts": {"probe": "moe_routing", "prompts": [*TEXTS, "a day for my eye", "of an apple the day"]}},
    )
    outcome = results.outcomes["experts"]["m"]
    assert outcome.arrays["load"].values[2, 5] == pytest.approx(1 / TAKEN)
    assert outcome.metrics["busiest"].value == pytest.approx(EXPERTS / TAKEN)
    row = outcome.tables["blocks"].records()[2]
    assert row["slots"] == outcome.metrics["tokens"].value
    assert row["chance"] < 1e-6
    one = section(results, "experts")
    assert "of block 2, which takes 2.7 times" in find("moe_routing").statement(one)
    figures = list(find("moe_routing").figures(one))
    (heat,) = [figure for figure in figures if isinstance(figure, HeatMap)]
    assert heat.values[2, 5] == pytest.approx(math.log2(EXPERTS / TAKEN))
    assert heat.scale == "diverging"
    assert heat.value_range == (-3.0, 3.0), "0, an even share, is in the middle"
    assert {figure.name for figure in figures if isinstance(figure, Curves)} == {"entropy", "margin"}


def test_special_tokens_count_where_they_are_asked_for(tmp_path: Path) -> None:
    source = save_routed(tmp_path / "m")
    without, with_them = measure(source), measure(source, special_tokens="include")
    assert with_them.metrics["tokens"].value == without.metrics["tokens"].value + len(TEXTS)
    assert with_them.metrics["tokens"].value == sum(map(len, ids_of()))


def test_a_model_without_experts_is_skipped_with_that_reason(tmp_path: Path) -> None:
    models = {"dense": save_tiny(tmp_path / "dense"), "routed": save_routed(tmp_path / "routed")}
    outcomes = run_probes(models, {"experts": {"probe": "moe_routing", "prompts": TEXTS[:1]}}).outcomes["experts"]
    assert outcomes["routed"].status == "ok"
    outcome = outcomes["dense"]
    assert outcome.status == "skipped"
    assert outcome.reason == "the configuration of LlamaForCausalLM has no routed experts"


def test_experts_whose_routing_cannot_be_seen_are_refused(tmp_path: Path) -> None:
    outcome = measure(save_routed(tmp_path / "m", model=_shrunk("jetmoe")))
    assert outcome.status == "skipped"
    assert outcome.reason == (
        "not measurable in JetMoeForCausalLM: what chooses among the experts of block 0 (JetMoeParallelExperts) "
        "is not seen"
    )


def _shrunk(kind: str) -> Any:
    from tests.shrunk import shrunk_model

    return shrunk_model(kind)


def test_a_router_is_proven_by_the_experts_that_compute_and_weights_stay_as_they_were() -> None:
    network = routed_model("mixtral")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert reason_against_routing(LoadedModel(network, anatomy_of(network)), Site.ROUTES) == ""
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    model = LoadedModel(network, anatomy_of(network))
    (experts,) = find_experts(model.anatomy.blocks[1])
    own = experts.forward
    experts.forward = lambda hidden, index, weights: own(hidden, (index + 1) % EXPERTS, weights)
    assert "of block 1 computes for other tokens than those routed to it" in reason_against_routing(model, Site.ROUTES)


def drift(models: dict[str, Any], base: str, other: str) -> tuple[Outcome, Any]:
    entry = {"probe": "moe_routing_drift", "base": base, "other": other, "prompts": TEXTS}
    results = run_probes(models, {"drift": entry})
    return results.outcomes["drift"][f"{base}..{other}"], section(results, "drift")


def test_what_another_number_format_flips_is_within_its_noise(tmp_path: Path) -> None:
    rounded = routed_model("olmoe").to(torch.bfloat16)
    source = save_routed(tmp_path / "m", model=rounded)
    models = {"half": {"source": str(source)}, "whole": {"source": str(source), "dtype": "float32"}}
    outcome, one = drift(models, "half", "whole")
    assert outcome.status == "ok", outcome.reason
    assert outcome.metrics["flipped"].value > 0, "else this says nothing"
    assert outcome.metrics["rounding_flips"].value > 0
    assert outcome.metrics["other_rounding_flips"].value == 0, "float32 flips none of so few"
    assert outcome.metrics["flipped_decided"].value == 0
    assert outcome.tables["decided_flips"].rows == []
    assert "None of these flips says anything" in find("moe_routing_drift").statement(one)


def test_a_changed_router_flips_routes_beyond_the_noise_from_its_block_on(tmp_path: Path) -> None:
    network = routed_model("qwen3_moe")
    base = save_routed(tmp_path / "base", model=network)
    with torch.no_grad():
        router = network.model.layers[2].mlp.gate
        router.weight.add_(0.1 * torch.randn(router.weight.shape, generator=torch.Generator().manual_seed(1)))
    other = save_routed(tmp_path / "other", model=network)
    outcome, one = drift({"base": base, "other": other}, "base", "other")
    assert outcome.status == "ok", outcome.reason
    flips = outcome.arrays["flipped_by_block"].values
    assert flips[:2].tolist() == [0.0, 0.0]
    assert flips[2] > 0
    # by hand: the sets of both networks' own routers
    whole, changed = (_sets(path) for path in (base, other))
    by_hand = np.mean(
        [[a != b for a, b in zip(*pair, strict=True)] for pair in zip(whole, changed, strict=True)], axis=1
    )
    assert flips == pytest.approx(by_hand, abs=1e-6)
    decided = outcome.metrics["flipped_decided"].value
    assert decided > 0
    records = outcome.tables["decided_flips"].records()
    assert {row["block"] for row in records} == {2, 3}
    assert all(row["times_noise"] > 1 and row["base_experts"] != row["other_experts"] for row in records)
    assert "the two use other experts" in find("moe_routing_drift").statement(one)
    pairs = [row for row in outcome.tables["margins"].records() if row["model"] == "pair"]
    assert sum(row["routes"] for row in pairs) == outcome.metrics["routes"].value
    assert sum(row["flipped"] for row in pairs) == round(
        outcome.metrics["flipped"].value * outcome.metrics["routes"].value
    )
    (bars,) = [figure for figure in find("moe_routing_drift").figures(one) if isinstance(figure, Rankings)]
    assert len(bars.rankings) == 3


def _sets(source: Path) -> list[list[set[int]]]:
    """(block) (token) chosen experts, BOS left out."""
    import transformers

    network = transformers.AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).eval()
    by_block: list[list[set[int]]] = [[] for _ in range(4)]
    for ids in ids_of():
        for block, (router, entered) in enumerate(reference.router_inputs(network, ids)):
            by_block[block] += [reference.choose(one, TAKEN)[0] for one in reference.logits_of(router, entered)[1:]]
    return by_block


def test_the_same_checkpoint_flips_nothing_and_other_numbers_of_experts_are_refused(tmp_path: Path) -> None:
    source = save_routed(tmp_path / "m")
    few = save_tiny(tmp_path / "few", "mixtral")
    outcome, one = drift({"a": source, "b": source}, "a", "b")
    assert (outcome.metrics["flipped"].value, outcome.metrics["load_shift"].value) == (0, 0)
    assert "take the same experts in both" in find("moe_routing_drift").statement(one)
    refused, _ = drift({"a": source, "b": few}, "a", "b")
    assert refused.reason == "they cannot be compared: their blocks have 8 and 4 experts"


def test_routes_are_seen_where_an_earlier_probe_of_the_pair_shares_their_passes(tmp_path: Path) -> None:
    models = {"a": save_routed(tmp_path / "a"), "b": save_routed(tmp_path / "b")}
    pair = {"base": "a", "other": "b", "prompts": TEXTS}
    entries = {"first": {"probe": "drift", **pair}, "routes": {"probe": "moe_routing_drift", **pair}}
    together = run_probes(models, entries).outcomes["routes"]["a..b"]
    alone, _ = drift(models, "a", "b")
    assert together.status == "ok", together.reason
    assert {name: one.value for name, one in together.metrics.items()} == {
        name: one.value for name, one in alone.metrics.items()
    }
