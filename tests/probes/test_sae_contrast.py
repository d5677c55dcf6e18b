"""One model's features in another checkpoint of it."""

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from reportgen.battery.reader import read_battery
from reportgen.errors import BatteryError
from reportgen.figures.describe import Curves, Rankings
from reportgen.probes.sae_contrast import probe
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from reportgen.running.plan import make_plan
from reportgen.running.planned import PlannedCase
from tests.reference import plain
from tests.reference import sae_contrast as slow
from tests.runs import run_probes
from tests.tiny import configurations, save_tiny, tokenizer_json
from tests.tiny_dictionaries import FEATURES, WIDTH, save_dictionaries, save_dictionary

TEXTS = ["I ate an apple for breakfast", "the apple of my eye", "an apple a day", "my breakfast", "the day I ate",
         "an eye for a day"]  # fmt: skip
IDS = [Tokenizer.from_str(tokenizer_json()).encode(text).ids for text in TEXTS]
FAMILIES = {"llama": 0.02, "gemma3": 0.02, "gpt2": 0.002}
"""Family -> noise on the weights of its block; random dictionaries describe all of them badly."""
MOVED = 1
"""The block whose weights differ: layers up to 1 are the same."""
PLANTED = 7


def entry(dictionaries: Path | str, **options: Any) -> dict[str, Any]:
    return {"probe": "sae_contrast", "base": "a", "other": "b", "prompts": TEXTS, "dictionaries": str(dictionaries),
            **options}  # fmt: skip


def contrast(base: Path, other: Path, dictionaries: Path | str, **options: Any) -> Outcome:
    outcome = run_probes({"a": base, "b": other}, {"c": entry(dictionaries, **options)}).outcomes["c"]["a..b"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def planned(base: Path, other: Path, dictionaries: Path | str, **options: Any) -> PlannedCase:
    battery = {"models": {"a": str(base), "b": str(other)}, "probes": {"c": entry(dictionaries, **options)}}
    (pair,) = make_plan(read_battery(json.dumps(battery))).pairs
    return pair.cases[0]


def section(outcome: Outcome) -> Section:
    cards = {id: ModelCard(id, name, "Tiny", 3) for id, name in (("a", "Old"), ("b", "New"))}
    return Section("c", {"a..b": outcome}, cards)


def loaded(folder: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", local_files_only=True
    )


read = cache(loaded)
"""For what does not change it."""


def changed_copy(base: Path, folder: Path, change: Any) -> Path:
    """The same model after `change(network)`."""
    shutil.copytree(base, folder)
    network = loaded(base)
    with torch.no_grad():
        change(network)
    network.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def dictionaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_dictionaries(tmp_path_factory.mktemp("dictionaries"))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Family -> a model, and its copy with noise on a block."""
    folder, found = tmp_path_factory.mktemp("pairs"), {}
    for family, size in FAMILIES.items():

        def noise(network: Any, family: str = family, size: float = size) -> None:
            generator = torch.Generator().manual_seed(3)
            for tensor in network.get_submodule(plain.PARTS[family].blocks)[MOVED].parameters():
                tensor.add_(size * torch.randn(tensor.shape, generator=generator))

        base = save_tiny(folder / family, family)
        found[family] = base, changed_copy(base, folder / f"{family}-moved", noise)
    return found


@pytest.fixture(scope="module")
def found(pairs: dict[str, tuple[Path, Path]], dictionaries: Path) -> dict[str, Outcome]:
    return {family: contrast(*pairs[family], dictionaries, top=FEATURES) for family in FAMILIES}


def by_hand(pair: tuple[Path, Path], family: str, dictionaries: Path, layer: int, **wrong: Any) -> Any:
    """(model) of (prompt) of (token x feature)"""
    folder = dictionaries / f"layer_{layer}"
    return [slow.of_prompts(read(model), family, IDS, folder, layer, **wrong) for model in pair]


def records(outcome: Outcome, table: str, item: int) -> list[dict[str, Any]]:
    return [row for row in outcome.tables[table].records() if row["item"] == item]


@pytest.mark.parametrize("family", FAMILIES)
def test_changed_features_are_as_the_slow_reference_has_them(
    family: str, found: dict[str, Outcome], pairs: dict[str, tuple[Path, Path]], dictionaries: Path
) -> None:
    for item, layer in ((1, 2), (2, 3)):
        base, other = by_hand(pairs[family], family, dictionaries, layer)
        expected = slow.changed(base, other)
        (row,), listed = records(found[family], "changed", item), records(found[family], "differences", item)
        assert row["reason"] == ""
        assert {r["feature"]: r["difference"] for r in listed} == pytest.approx(expected, rel=2e-3, abs=1e-4)
        order = [r["feature"] for r in listed]
        rising = [one for one in sorted(expected, key=lambda one: -expected[one]) if expected[one] > 0]
        falling = [one for one in sorted(expected, key=lambda one: expected[one]) if expected[one] < 0]
        assert order == rising + falling
        for r in listed:
            one, two, error = slow.t_parts(base, other, r["feature"])
            assert [r["mean_base"], r["mean_other"]] == pytest.approx([one, two], rel=1e-4, abs=1e-5)
            assert r["standard_error"] == pytest.approx(error, rel=5e-3, abs=1e-5)
            assert r["density_base"] == pytest.approx((np.concatenate(base)[:, r["feature"]] > 0).mean())
            assert r["density_other"] == pytest.approx((np.concatenate(other)[:, r["feature"]] > 0).mean())
        assert row["changed"] == len(expected) > 0
        assert (row["chance"], row["flips"]) == slow.by_chance(base, other)
        assert row["firing"] == (np.concatenate([*base, *other]).max(0) > 0).sum()


@pytest.mark.parametrize("family", FAMILIES)
def test_shares_in_common_and_unexplained_are_as_the_slow_reference_has_them(
    family: str, found: dict[str, Outcome], pairs: dict[str, tuple[Path, Path]], dictionaries: Path
) -> None:
    arrays = {name: array.values for name, array in found[family].arrays.items()}
    for item, layer in enumerate((1, 2, 3)):
        base, other = by_hand(pairs[family], family, dictionaries, layer)
        assert arrays["in_common_by_item"][item] == pytest.approx(slow.in_common(base, other))
        shift = sum(map(len, base)) // 2
        assert arrays["in_common_moved"][item] == pytest.approx(slow.in_common(base, other, shift=shift))
        unexplained = [slow.fvu(read(model), family, IDS, dictionaries / f"layer_{layer}", layer)
                       for model in pairs[family]]  # fmt: skip
        told = [arrays["fvu_base_by_item"][item], arrays["fvu_other_by_item"][item]]
        assert told == pytest.approx(unexplained, rel=1e-4)
    assert found[family].metrics["positions"].value == sum(len(ids) - 1 for ids in IDS)
    assert found[family].metrics["in_common"].value == pytest.approx(arrays["in_common_by_item"].mean())


@pytest.mark.parametrize("wrong", [{"pooled": True}, {"ddof": 0}, {"errors": 1.0}])
def test_known_wrong_formulas_list_other_features_or_differences(
    wrong: dict[str, Any], found: dict[str, Outcome], pairs: dict[str, tuple[Path, Path]], dictionaries: Path
) -> None:
    sides = by_hand(pairs["llama"], "llama", dictionaries, 3)
    told = {r["feature"]: r["difference"] for r in records(found["llama"], "differences", 2)}
    assert told != pytest.approx(slow.changed(*sides, **wrong), rel=2e-3, abs=1e-4)


def test_known_wrong_shares_are_others(
    found: dict[str, Outcome], pairs: dict[str, tuple[Path, Path]], dictionaries: Path
) -> None:
    base, other = by_hand(pairs["llama"], "llama", dictionaries, 3)
    told = found["llama"].arrays["in_common_by_item"].values[2]
    assert told != pytest.approx(slow.in_common(base, other, over="base"))
    with_bos = [slow.of_prompts(read(one), "llama", IDS, dictionaries / "layer_3", 3, bos=False)
                for one in pairs["llama"]]  # fmt: skip
    assert told != pytest.approx(slow.in_common(*with_bos))
    uncentred = slow.fvu(read(pairs["llama"][0]), "llama", IDS, dictionaries / "layer_3", 3, centred=False)
    assert found["llama"].arrays["fvu_base_by_item"].values[2] != pytest.approx(uncentred, rel=1e-3)


def test_nothing_differs_below_the_block_that_moved(found: dict[str, Outcome]) -> None:
    for family in FAMILIES:
        assert [row["equal"] for row in found[family].tables["changed"].records()] == [True, False, False]
        assert "nothing differs at layer 1. " in probe.statement(section(found[family]))


def test_a_model_beside_itself_has_everything_in_common_and_nothing_is_listed(
    pairs: dict[str, tuple[Path, Path]], dictionaries: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(pairs["llama"][0], tmp_path / "copy")
    outcome = contrast(pairs["llama"][0], copy, dictionaries)
    assert outcome.arrays["in_common_by_item"].values.tolist() == [1.0, 1.0, 1.0]
    assert outcome.arrays["in_common_moved"].values.max() < 1
    assert outcome.arrays["fvu_base_by_item"].values.tolist() == outcome.arrays["fvu_other_by_item"].values.tolist()
    assert outcome.metrics["changed_features"].value == 0
    assert not outcome.tables["differences"].rows
    assert [row["chance"] for row in outcome.tables["changed"].records()] == [0, 0, 0]
    assert probe.statement(section(outcome)) == "Old → New: every feature is equally strong on every token."
    assert [type(figure) for figure in probe.figures(section(outcome))] == [Curves, Curves]


def turned(seed: int = 0) -> np.ndarray:
    """(width x width) orthogonal directions."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(WIDTH, WIDTH)))[0].astype(np.float32)


def save_both_ways(folder: Path, layer: int, directions: np.ndarray) -> Path:
    """A dictionary with a feature for each (direction x width) orthogonal direction and one for its opposite."""
    save_dictionary(folder, layer, features=2 * len(directions))
    both = np.concatenate([directions, -directions])
    nothing = np.zeros(len(both), np.float32)
    save_file(
        {"W_enc": np.ascontiguousarray(both.T), "W_dec": both, "b_enc": nothing, "threshold": nothing,
         "b_dec": np.zeros(WIDTH, np.float32)}, folder / "sae_weights.safetensors",
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def planted(pairs: dict[str, tuple[Path, Path]], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A model, its copy that writes one feature's direction into layer 2 everywhere, and the dictionary."""
    folder, directions = tmp_path_factory.mktemp("planted"), turned()

    def plant(network: Any) -> None:
        network.transformer.h[1].mlp.c_proj.bias.add_(torch.from_numpy(1.5 * directions[PLANTED]))

    base = pairs["gpt2"][0]
    dictionary = save_both_ways(folder / "dictionary", 2, directions)
    return base, changed_copy(base, folder / "planted", plant), dictionary


def test_of_few_prompts_no_single_feature_is_said_to_change(planted: tuple[Path, Path, Path]) -> None:
    said = probe.statement(section(contrast(*planted, prompts=TEXTS[:4])))
    assert "cannot be told" in said
    assert "rises" not in said


def test_a_planted_direction_is_the_feature_that_rises(planted: tuple[Path, Path, Path], tmp_path: Path) -> None:
    outcome = contrast(*planted)
    listed = outcome.tables["differences"].records()
    assert [row["feature"] for row in listed if row["difference"] > 0] == [PLANTED]
    assert [row["feature"] for row in listed if row["difference"] < 0] in ([], [PLANTED + WIDTH])
    assert listed[0]["difference"] <= 1.5 + 1e-3
    assert outcome.arrays["fvu_other_by_item"].values[0] < 1e-9
    card = records(outcome, "features", 0)[0]
    assert card["feature"] == PLANTED
    assert card["density"] == pytest.approx(listed[0]["density_other"])
    best = [row for row in outcome.tables["examples"].records() if row["feature"] == PLANTED]
    assert best[0]["activation"] == pytest.approx(card["strongest"])
    assert f"{best[0]['before']}{best[0]['token']}{best[0]['after']}" in TEXTS
    assert f"rises most there is #{PLANTED} (strongest on “" in probe.statement(section(outcome))


def test_a_changed_feature_is_called_by_the_label_of_the_file(planted: tuple[Path, Path, Path], tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(f"layer,feature,label\n2,{PLANTED},fruit & <b>veg</b>\n")
    outcome = contrast(*planted, labels=str(labels))
    assert f"#{PLANTED} fruit & <b>veg</b> (label: by hand, not scored)" in probe.statement(section(outcome))
    (bars,) = [figure for figure in probe.figures(section(outcome)) if isinstance(figure, Rankings)]
    assert bars.rankings[0].labels == [f"#{PLANTED} fruit & <b>veg</b>"]
    assert bars.rankings[0].title == "layer 2: fires more"
    labels.write_text("layer,feature,label\n2,48,x\n")
    with pytest.raises(BatteryError, match="there is no feature 48"):
        planned(*planted, labels=str(labels))


def test_where_the_dictionary_does_not_describe_other_it_is_not_measurable(
    planted: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    """A direction that the dictionary lacks, and along which other's tokens differ."""
    base, _, _ = planted
    directions = turned()

    def stretch(network: Any) -> None:
        projection = network.transformer.h[1].mlp.c_proj.weight
        lacking = torch.from_numpy(directions[:1])
        projection.add_(30.0 * projection @ lacking.T @ lacking)

    other = changed_copy(base, tmp_path / "other", stretch)
    outcome = contrast(base, other, save_both_ways(tmp_path / "dictionary", 2, directions[1:]))
    base_fvu, other_fvu = (outcome.arrays[f"fvu_{which}_by_item"].values[0] for which in ("base", "other"))
    assert other_fvu > base_fvu + 0.2
    assert outcome.metrics["changed_features"].value is None
    assert outcome.metrics["changed_features"].reason.startswith(
        f"not measurable, because the dictionary leaves {other_fvu:.2f} of other's variance unexplained, and "
    )
    (row,) = outcome.tables["changed"].records()
    assert (row["changed"], row["chance"]) == (None, None)
    assert not outcome.tables["differences"].rows
    said = probe.statement(section(outcome))
    assert f"is not measurable at layer 2 ({base_fvu:.2g} → {other_fvu:.2g})" in said, said


def test_what_cannot_be_compared_is_refused_before_any_pass(
    pairs: dict[str, tuple[Path, Path]], dictionaries: Path, tmp_path: Path
) -> None:
    base = pairs["llama"][0]
    configuration = configurations()["llama"]
    configuration.hidden_size = 32
    wide = tmp_path / "wide"
    transformers.AutoModelForCausalLM.from_config(configuration).save_pretrained(wide)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(base / name, wide / name)
    assert "b: " in (told := planned(base, wide, dictionaries).skipped)
    assert "reads vectors of width 24; those of wide have 32" in told
    without_bos = save_tiny(tmp_path / "without", bos=False)
    refused = planned(base, without_bos, dictionaries).skipped
    assert refused == "they cannot be compared: they split prompt 0 into different tokens"
    with pytest.raises(BatteryError, match="needs at least 3 of them"):
        planned(base, base, dictionaries, prompts=TEXTS[:2])
    with pytest.raises(BatteryError, match="no dictionary at layer 0"):
        planned(base, base, dictionaries, layers=[0])


def test_dictionaries_of_two_sources_at_one_place_have_lines_of_their_own(
    pairs: dict[str, tuple[Path, Path]], dictionaries: Path, tmp_path: Path
) -> None:
    second = save_dictionary(tmp_path / "second", 2, features=30)
    battery = entry(dictionaries) | {"dictionaries": [str(dictionaries), str(second)]}
    models = {"a": pairs["llama"][0], "b": pairs["llama"][1]}
    outcome = run_probes(models, {"c": battery}).outcomes["c"]["a..b"]
    figure = next(iter(probe.figures(section(outcome))))
    assert isinstance(figure, Curves)
    assert [(curve.label, list(curve.x)) for curve in figure.curves[:2]] == [
        ("in common, stream", [1, 2, 3]),
        ("in common, stream 2", [2]),
    ]


@pytest.fixture(scope="module")
def noisy(gemma_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gemma with noise of half the norm of one MLP matrix of block 9."""
    folder = tmp_path_factory.mktemp("models") / "noisy"
    folder.mkdir()
    for file in gemma_folder.iterdir():
        if file.suffix != ".safetensors":
            shutil.copyfile(file, folder / file.name)
    tensors = load_file(gemma_folder / "model.safetensors")
    name = "model.layers.9.mlp.down_proj.weight"
    noise = np.random.default_rng(0).normal(size=tensors[name].shape).astype(np.float32)
    tensors[name] = tensors[name] + noise * (0.5 * np.linalg.norm(tensors[name]) / np.linalg.norm(noise))
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.mark.slow
def test_noise_in_gemmas_block_9_is_not_seen_at_layer_9_and_changes_features_at_layer_18(
    gemma_folder: Path, noisy: Path
) -> None:
    outcome = contrast(gemma_folder, noisy, "demo:gemma-3-270m", layers=[9, 18], prompts="features/examples")
    below, above = outcome.tables["changed"].records()
    assert (below["equal"], below["changed"], below["chance"]) == (True, 0, 0)
    assert above["changed"] > above["chance"] > 0
    shared, moved = (outcome.arrays[name].values for name in ("in_common_by_item", "in_common_moved"))
    assert shared[0] == 1
    assert 0.5 < shared[1] < 0.95
    assert (moved < 0.1).all()
    unexplained = [outcome.arrays[f"fvu_{which}_by_item"].values[1] for which in ("base", "other")]
    assert abs(unexplained[1] - unexplained[0]) < 0.1  # random noise is no new direction
