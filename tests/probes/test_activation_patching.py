from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from reportgen.battery.reader import read_battery
from reportgen.errors import BatteryError
from reportgen.numerics.patching import recovered_difference, stays_from
from reportgen.probes.activation_patching import probe
from reportgen.probes.activation_patching.pairs import first_difference
from reportgen.probes.activation_patching.statement import tell
from reportgen.probes.activation_patching.view import tell_opposing_heads
from reportgen.probing.view import SubjectView
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from reportgen.running.plan import make_plan
from tests.reference import patching as reference
from tests.runs import run_probes
from tests.tiny import LAYERS, random_model, save_tiny, tokenizer_json

CLEAN, CORRUPTED = "I ate an apple a day", "I ate an eye a day"
FIRST, LENGTH, HEADS = 4, 7, 4
SEEDS = {"llama": 3, "gemma3": 3, "gpt2": 5}
ANSWERS = {"llama": ("e", "a"), "gemma3": ("e", "a"), "gpt2": ("g", "j")}
"""Two that each tells the prompts apart by."""
ALIKE = 1e-3


def halves(clean: Any, corrupted: Any, name: str = "p") -> list[dict[str, Any]]:
    """The two prompts of a pair, as a battery writes them."""
    return [
        {**(text if isinstance(text, dict) else {"text": text}), "pair": name, "group": group}
        for group, text in (("clean", clean), ("corrupted", corrupted))
    ]


def entry(clean: Any = CLEAN, corrupted: Any = CORRUPTED, **options: Any) -> dict[str, Any]:
    return {"probe": "activation_patching", "prompts": halves(clean, corrupted), "answers": [["e", "a"]], **options}


def patched(source: Path | str, *pair: Any, **options: Any) -> Outcome:
    return run_probes({"m": source}, {"x": entry(*pair, **options)}).outcomes["x"]["m"]


def values(outcome: Outcome) -> dict[str, Any]:
    assert outcome.status == "ok", outcome.reason
    return {name: array.values for name, array in outcome.arrays.items()}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    folder = tmp_path_factory.mktemp("families")
    return {family: save_tiny(folder / family, family, seed=seed) for family, seed in SEEDS.items()}


@pytest.fixture(scope="module")
def found(folders: Mapping[str, Path]) -> Mapping[str, Outcome]:
    return {family: patched(folder, answers=[list(ANSWERS[family])]) for family, folder in folders.items()}


def by_hand(family: str, site: str, index: int, at: int, wrong: str = "") -> float:
    tokenizer = Tokenizer.from_str(tokenizer_json())
    clean, corrupted = (tokenizer.encode(text).ids for text in (CLEAN, CORRUPTED))
    answers = [tokenizer.encode(text, add_special_tokens=False).ids[0] for text in ANSWERS[family]]
    network = random_model(family, SEEDS[family])
    return reference.recovered(network, family, site, index, at, clean, corrupted, answers, wrong=wrong)


PLACES = [("residual", 1, 4), ("residual", 2, 6), ("attention", 1, 5), ("mlp", 0, 4), ("mlp", 2, 6), ("heads", 1, 2)]


def at(outcome: Outcome, site: str, index: int, position: int) -> float:
    arrays = outcome.arrays
    return float(arrays["heads"].values[0, index, position] if site == "heads" else
                 arrays[f"{site}/0"].values[index, position])  # fmt: skip


@pytest.mark.parametrize("family", SEEDS)
def test_every_site_against_hooks_of_ones_own(family: str, found: Mapping[str, Outcome]) -> None:
    for place in PLACES:
        assert at(found[family], *place) == pytest.approx(by_hand(family, *place), abs=ALIKE), place


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ("layer above", ("residual", 1, 4)),
        ("over clean", ("residual", 2, 6)),
        ("heads interleaved", ("heads", 1, 2)),
    ],
)
def test_a_wrong_formula_does_not_agree(wrong: str, place: tuple[str, int, int], found: Mapping[str, Outcome]) -> None:
    assert abs(at(found["llama"], *place) - by_hand("llama", *place, wrong)) > 10 * ALIKE


@pytest.mark.parametrize("family", SEEDS)
def test_the_last_layer_at_the_last_position_is_the_clean_run(family: str, found: Mapping[str, Outcome]) -> None:
    residual = values(found[family])["residual/0"]
    assert residual.shape == (LAYERS + 1, LENGTH)
    assert residual[LAYERS, -1] == pytest.approx(1, abs=1e-4)


def test_places_that_cannot_matter_are_exactly_nothing_and_are_not_run(found: Mapping[str, Outcome]) -> None:
    arrays = values(found["llama"])
    for site in ("residual/0", "attention/0", "mlp/0"):
        assert not arrays[site][:, :FIRST].any()
        assert not arrays[site][-1, :-1].any()
    assert not arrays["residual/0"][0, FIRST + 1 :].any()
    assert arrays["residual/0"][1:LAYERS, FIRST:].all()


def test_the_embedding_of_the_word_that_differs_is_the_whole_difference(found: Mapping[str, Outcome]) -> None:
    assert at(found["llama"], "residual", 0, FIRST) == pytest.approx(1, abs=1e-4)


def test_what_is_planned_is_what_is_run(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reportgen.model.capture import shared_passes as capture

    options = entry(layers=[0, 1, 3], positions=[2, 4, 6])
    (planned,) = make_plan(read_battery(_battery(llama, options))).models[0].cases
    asked: list[int] = []
    run = capture.run_all
    monkeypatch.setattr(capture, "run_all", lambda model, passes: (asked.append(len(passes)), run(model, passes))[1])
    outcome = patched(llama, layers=[0, 1, 3], positions=[2, 4, 6])
    # residual: layer 0 at the differing word, layer 1 at two positions, layer 3 at the last; blocks 0 and 1.
    assert asked == [planned.further] == [(1 + 2 + 1) + 2 * 2 * 2 + 2 * HEADS]
    residual = outcome.arrays["residual/0"]
    assert residual.along("layer") == (0, 1, 3)
    assert np.isnan(residual.values).all(0).tolist() == [position not in (2, 4, 6) for position in range(LENGTH)]
    assert not residual.values[:, 2].any()


def _battery(source: Path, probe: dict[str, Any]) -> str:
    import json

    return json.dumps({"models": {"m": str(source)}, "probes": {"x": probe}})


def test_noise_is_denoising_with_the_prompts_exchanged(llama: Path) -> None:
    one = patched(llama, direction="noise")
    other = patched(llama, CORRUPTED, CLEAN)
    for name, shares in values(one).items():
        assert shares == pytest.approx(1 - values(other)[name], abs=1e-4), name
    assert (values(one)["residual/0"][:, :FIRST] == 1).all()
    assert one.metrics["best_head"].value == pytest.approx(other.metrics["best_head"].value, abs=1e-4)


def test_all_heads_of_a_block_together_are_its_attention(llama: Path) -> None:
    """By edits of the same pass: heads at all positions, and what attention writes there."""
    import torch

    from reportgen.model.capture.edit import Replace
    from reportgen.model.capture.shared_passes import run_all
    from reportgen.model.files.sources import locate, parse_source
    from reportgen.model.load import load
    from reportgen.model.needs import Edit, Need, Pass, Site

    model = load(locate(parse_source(str(llama), None), lambda line: None), dtype="float32", device="cpu", threads=1)
    tokenizer = Tokenizer.from_str(tokenizer_json())
    clean, corrupted = (tuple(tokenizer.encode(text).ids) for text in (CLEAN, CORRUPTED))
    needs, final = (Need(Site.HEADS, "all", (1,)), Need(Site.ATTENTION_WRITE, "all", (1,))), Need(Site.FINAL)
    with torch.inference_mode():
        (kept,) = run_all(model, [Pass(clean, needs)])
        heads, written = (kept.tensors_of(need, 0)[0] for need in needs)
        size = heads.shape[-1] // HEADS
        each = tuple(Edit(Site.HEADS, 1, Replace(heads[:, h * size :][:, :size]), head=h) for h in range(HEADS))
        whole = (Edit(Site.ATTENTION_WRITE, 1, Replace(written)),)
        own, *both = run_all(model, [Pass(corrupted, (final,), edits=edits) for edits in ((), each, whole)])
        same = run_all(model, [Pass(clean, (final,), edits=edits) for edits in (each, whole, ())])
    one, other = (single.tensors_of(final, 0)[0] for single in both)
    assert torch.allclose(one, other, atol=1e-4)
    assert not torch.allclose(one, own.tensors_of(final, 0)[0], atol=1e-2)
    into_itself = [single.tensors_of(final, 0)[0] for single in same]
    assert torch.allclose(into_itself[0], into_itself[2], atol=1e-4)
    assert torch.allclose(into_itself[1], into_itself[2], atol=1e-4)


def test_shares_of_hardly_any_difference_are_not_defined() -> None:
    assert np.isnan(recovered_difference(np.array([1.0]), 0.3, 0.0)).all()
    assert recovered_difference(np.array([1.0, 3.0]), 1.0, 3.0).tolist() == [1.0, 0.0]
    assert first_difference((1, 2, 3), (1, 5, 4)) == 1
    assert first_difference((1, 2), (1, 2)) is None
    assert stays_from(np.array([0.9, 0.1, 0.6, 0.5]), 0.5) == 2
    assert stays_from(np.array([0.9, 0.1]), 0.5) is None


def test_heads_that_move_it_the_other_way_are_named(found: Mapping[str, Outcome]) -> None:
    outcome = next(iter(found.values()))
    heads = np.zeros_like(outcome.arrays["heads"].values)
    heads[:, 1, 0], heads[:, 2, 1], heads[:, 0, 1] = -0.41, -0.25, -0.19
    changed = replace(outcome, arrays={**outcome.arrays, "heads": replace(outcome.arrays["heads"], values=heads)})
    (view,) = SubjectView.each(Section("x", {"m": changed}, {"m": ModelCard("m", "M", "X", 3)}))
    assert tell_opposing_heads(view, 0.2) == ["head 1.0 (−41%)", "head 2.1 (−25%)"]
    assert "Heads that move it the other way: head 1.0 (−41%) and head 2.1 (−25%)." in tell(view)
    assert "the largest" not in tell(view), "no head that moves it"


def test_positions_before_the_difference_alone_have_no_grid(llama: Path) -> None:
    outcome = run_probes({"m": llama}, {"p": entry(sites=["residual"], positions=[1])}).outcomes["p"]["m"]
    assert outcome.status == "ok", outcome.reason
    found = list(probe.figures(Section("p", {"m": outcome}, {"m": ModelCard("m", "M", "X", LAYERS)})))
    assert not [one for one in found if one.name.startswith("residual-")]


def test_prompts_that_are_not_told_apart_are_said_to_be(folders: Mapping[str, Path]) -> None:
    outcome = patched(folders["gpt2"], answers=[["e", "a"]])
    (record,) = outcome.tables["pairs"].records()
    assert abs(record["clean_difference"] - record["corrupted_difference"]) < 0.5
    assert not record["defined"]
    assert all(np.isnan(array.values).all() for array in outcome.arrays.values())
    assert outcome.metrics["best_head"].reason == "the prompts are not told apart"
    section = Section("x", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)})
    assert probe.statement(section).startswith("No clear statement about Tiny: it hardly tells the prompts apart")
    assert not list(probe.figures(section))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"layers": [4]}, "layer 4 is out of range: layers go from 0 to 3"),
        ({"layers": [3], "sites": ["mlp"]}, "no block 3 whose mlp could be patched: blocks go from 0 to 2"),
        ({"positions": [7]}, "position 7 is out of range: those of pair 'p' go from 0 to 6"),
        ({"answers": [["zq", "a"]]}, r"'zq' is 2 tokens, where an answer is one: z \| q"),
        ({"answers": [["a", "a"]]}, "the correct and the incorrect answer are the same token"),
        ({"answers": [["a", "e"]] * 2}, r"2 for 1 pairs; give one \[correct, incorrect\], or one per pair"),
        ({"prompts": halves(CLEAN, "I ate an")}, r"the clean prompt is 7 tokens, the corrupted one 4: <bos> \| I"),
        ({"prompts": halves(CLEAN, CLEAN)}, "are the same tokens"),
        ({"prompts": [CLEAN, CORRUPTED]}, "a prompt without `pair`"),
        ({"prompts": [*halves(CLEAN, CORRUPTED), *halves(CLEAN, CORRUPTED)]}, "each pair is one prompt of group clean"),
        ({"prompts": halves("an apple " * 300, "a day " * 300)}, "exceeds the context of 512"),
    ],
)
def test_what_cannot_be_patched_is_an_error_before_any_pass(wrong: dict[str, Any], told: str, llama: Path) -> None:
    with pytest.raises(BatteryError, match=told):
        make_plan(read_battery(_battery(llama, entry(**wrong))))


@pytest.fixture(scope="module")
def gemma(llama: Path) -> Mapping[str, Mapping[str, Outcome]]:
    """Two questions to Gemma 3 270M, at the sites looked at below; beside it a tiny model without Han words."""
    pairs = [*halves(CLEAN, CORRUPTED, "en"), *halves("法國的首都是", "日本的首都是", "zh")]
    alike = {
        "probe": "activation_patching",
        "models": ["gemma"],
        "sites": ["residual", "heads"],
        "layers": [0, 4, 8, 11, 12, 13, 16, 18],
    }
    probes = {
        "english": {**alike, "prompts": halves("The capital of France is", "The capital of Italy is"),
                    "answers": [[" Paris", " Rome"]]},
        "chinese": {**alike, "prompts": halves("法國的首都是", "日本的首都是"), "answers": [["巴黎", "東京"]]},
        "rows": {"probe": "activation_patching", "prompts": pairs, "answers": [["e", "a"], ["巴黎", "東京"]],
                 "sites": ["residual"], "layers": [0]},
    }  # fmt: skip
    return run_probes({"m": llama, "gemma": "demo:gemma-3-270m"}, probes).outcomes


@pytest.mark.real
def test_one_head_of_gemma_carries_the_capital_in_english_and_in_chinese(gemma: Mapping[str, Any]) -> None:
    for id in ("english", "chinese"):
        rows = gemma[id]["gemma"].tables["top"].records()
        assert (rows[0]["block"], rows[0]["head"]) == (12, 2)
        assert rows[0]["share"] > 0.7
    said = probe.statement(Section("x", gemma["english"], {"gemma": ModelCard("gemma", "Gemma", "X", 18)}))
    assert "head 12.2" in said


@pytest.mark.real
def test_the_capital_moves_from_the_country_to_the_last_word(gemma: Mapping[str, Any]) -> None:
    outcome = gemma["english"]["gemma"]
    residual, layers = outcome.arrays["residual/0"], (0, 4, 8, 11, 12, 13, 16, 18)
    assert residual.along("layer") == layers
    country, last = residual.values[:, 4], residual.values[:, 5]
    assert (country[:4] > 0.9).all()
    assert (last[:4] < 0.1).all()
    assert (last[-2:] > 0.9).all()
    assert (abs(country[-2:]) < 0.1).all()
    assert outcome.metrics["arrival_layer"].value == 13


@pytest.mark.real
def test_a_tokenizer_that_cuts_the_answer_skips_its_pair_beside_others(gemma: Mapping[str, Any]) -> None:
    outcomes = gemma["rows"]
    assert outcomes["m"].tables["pairs"].column("name") == ["en"]
    ((name, reason),) = outcomes["m"].tables["skipped"].rows
    assert name == "zh"
    assert "'巴黎' is 6 tokens" in reason
    assert outcomes["gemma"].tables["pairs"].column("name") == ["en", "zh"]
