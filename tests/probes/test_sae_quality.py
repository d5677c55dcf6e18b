import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from reportgen.battery.reader import read_battery
from reportgen.errors import BatteryError
from reportgen.figures.describe import Curves, TokenGrid
from reportgen.model.capture import shared_passes as capture
from reportgen.probes.sae_quality import probe
from reportgen.results.quantities import Metric, Outcome, Table
from reportgen.results.section import ModelCard, Section
from reportgen.running.execute import execute
from reportgen.running.plan import make_plan
from tests.reference import sae_atlas as slow
from tests.reference import sae_quality as reference
from tests.reference.plain import PARTS
from tests.runs import run_probes
from tests.tiny import LAYERS, random_model, save_tiny, tokenizer_json
from tests.tiny_dictionaries import WIDTH, save_dictionaries, save_dictionary

CONTEXT = 12
TEXTS = ["I ate an apple for breakfast and my eye of the day", "an apple a day of my eye", "breakfast for the apple"]
FAMILIES = [("llama", 0, True), ("gemma3", 1, False), ("gpt2", 2, True)]
NUMBERS = ("l0", "fvu", "cosine", "dead", "dense", "loss_spliced", "loss_zero", "delta_loss", "loss_recovered")


@pytest.fixture(scope="module")
def dictionaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_dictionaries(tmp_path_factory.mktemp("dictionaries"), (1, 2, LAYERS))


def options(dictionaries: Any, **more: Any) -> dict[str, Any]:
    named = [str(one) for one in dictionaries] if isinstance(dictionaries, list) else str(dictionaries)
    return {"probe": "sae_quality", "dictionaries": named, "texts": TEXTS, "context": CONTEXT, **more}


def quality(source: Path, dictionaries: Any, **more: Any) -> Outcome:
    outcome = run_probes({"m": source}, {"q": options(dictionaries, **more)}).outcomes["q"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def section(outcome: Outcome) -> Section:
    return Section("q", {"m": outcome}, {"m": ModelCard("m", "M", "X", LAYERS)})


def windows_of(bos: bool) -> list[list[int]]:
    tokenizer, head = Tokenizer.from_str(tokenizer_json(bos)), [0] if bos else []
    return [
        one
        for text in TEXTS
        for one in slow.windows(tokenizer.encode(text, add_special_tokens=False).ids, head, CONTEXT)
    ]


def by_hand(family: str, seed: int, bos: bool, dictionaries: Path, layer: int, **wrong: Any) -> dict[str, float]:
    network = random_model(family, seed)
    blocks = network.get_submodule(PARTS[family].blocks)
    held = load_file(dictionaries / f"layer_{layer}" / "sae_weights.safetensors")
    skip = wrong.pop("skip", int(bos))
    return reference.measure(network, blocks, windows_of(bos), held, layer, skip, **wrong)


def numbers(outcome: Outcome, item: int = 0) -> dict[str, Any]:
    return outcome.tables["quality"].records()[item]


# Against plain transformers


@pytest.mark.parametrize(("family", "seed", "bos"), FAMILIES)
def test_every_number_against_whole_passes_of_ones_own(
    family: str, seed: int, bos: bool, dictionaries: Path, request: pytest.FixtureRequest
) -> None:
    outcome = quality(request.getfixturevalue(family), dictionaries, layers=[2])
    expected = by_hand(family, seed, bos, dictionaries, 2)
    found = numbers(outcome)
    if family == "gemma3":  # this random model is better off with zeros
        assert expected.pop("loss_recovered") > 0 > expected["loss_zero"] - expected["loss"]
        assert found["loss_recovered"] is None
    for number in NUMBERS:
        if number not in expected:
            continue
        assert found[number] == pytest.approx(expected[number], rel=2e-3, abs=2e-4), number
    assert found["explained_variance"] == pytest.approx(1 - expected["fvu"], abs=1e-4)
    assert outcome.metrics["tokens"].value == expected["tokens"]
    assert outcome.metrics["loss"].value == pytest.approx(expected["loss"], abs=1e-4)
    assert outcome.arrays["density/0"].values.sum() == pytest.approx(expected["l0"], abs=1e-9)


def test_published_formulas_that_are_wrong_do_not_agree(llama: Path, dictionaries: Path) -> None:
    outcome, expected = quality(llama, dictionaries, layers=[2]), by_hand("llama", 0, True, dictionaries, 2)
    for wrong in ("averaged", "a token"):
        assert abs(numbers(outcome)["explained_variance"] - expected[wrong]) > 0.01, wrong


def test_bos_that_is_counted_or_changed_is_caught(llama: Path, dictionaries: Path) -> None:
    found = numbers(quality(llama, dictionaries, layers=[2]))
    counted = by_hand("llama", 0, True, dictionaries, 2, skip=0)
    for number in ("l0", "fvu", "loss_spliced", "loss_recovered"):
        assert abs(found[number] - counted[number]) > 1e-3, number
    zeroed = by_hand("llama", 0, True, dictionaries, 2, zeros_at_bos=True)
    assert abs(found["loss_zero"] - zeroed["loss_zero"]) > 1e-3


# What must hold


def written(folder: Path, layer: int, **tensors: torch.Tensor) -> Path:
    """A dictionary at a layer with other weights than random ones."""
    save_dictionary(folder, layer, features=len(tensors["W_dec"]))
    save_file(tensors, folder / "sae_weights.safetensors")
    return folder


def exact(folder: Path, layer: int) -> Path:
    """A dictionary of one feature a number and sign, which gives back what it reads."""
    eye = torch.eye(WIDTH)
    both = torch.cat([eye, -eye])
    zeros = torch.zeros(2 * WIDTH)
    return written(folder, layer, W_enc=both.T.contiguous(), W_dec=both, b_enc=zeros, b_dec=zeros[:WIDTH].clone(),
                   threshold=zeros.clone())  # fmt: skip


@pytest.mark.parametrize("layer", [1, 2, LAYERS])
def test_a_dictionary_that_gives_back_what_it_reads_recovers_everything(
    llama: Path, tmp_path: Path, layer: int
) -> None:
    found = numbers(quality(llama, exact(tmp_path / "exact", layer)))
    assert found["fvu"] == pytest.approx(0, abs=1e-10)
    assert found["l0"] == WIDTH
    assert found["cosine"] == pytest.approx(1)
    assert found["delta_loss"] == pytest.approx(0, abs=1e-5)
    if layer < LAYERS:  # at the last layer this random model is better off with zeros
        assert found["loss_recovered"] == pytest.approx(1, abs=1e-4)


def test_who_predicts_the_mean_explains_nothing(llama: Path, tmp_path: Path) -> None:
    network = random_model("llama")
    rows = [slow.streams(network, network.model.layers, one, 2)[1:] for one in windows_of(True)]
    silent = written(
        tmp_path / "mean", 2, W_enc=torch.zeros(WIDTH, 4), W_dec=torch.ones(4, WIDTH), b_enc=torch.zeros(4),
        b_dec=torch.cat(rows).mean(0), threshold=torch.ones(4),
    )  # fmt: skip
    found = numbers(quality(llama, silent))
    assert found["fvu"] == pytest.approx(1, abs=1e-5)
    assert (found["l0"], found["dead"], found["dense"]) == (0, 1, 0)


def test_a_dictionary_that_gives_back_zeros_recovers_nothing(llama: Path, tmp_path: Path) -> None:
    silent = written(
        tmp_path / "zeros", 2, W_enc=torch.zeros(WIDTH, 4), W_dec=torch.ones(4, WIDTH), b_enc=torch.zeros(4),
        b_dec=torch.zeros(WIDTH), threshold=torch.ones(4),
    )  # fmt: skip
    found = numbers(quality(llama, silent))
    assert found["loss_spliced"] == pytest.approx(found["loss_zero"], abs=1e-5)
    assert found["loss_recovered"] == pytest.approx(0, abs=1e-5)


def test_where_zeros_cost_nothing_a_share_of_it_is_undefined_with_the_reason(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m")
    network = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    with torch.no_grad():
        network.model.layers[1].mlp.down_proj.weight.zero_()
    network.save_pretrained(folder)
    silent = save_dictionary(tmp_path / "d", 2, metadata={"hook_name": "blocks.1.hook_mlp_out"})
    outcome = quality(folder, silent)
    assert numbers(outcome)["loss_recovered"] is None
    assert numbers(outcome)["reason"] == "zeros in its place cost less than 0.01 nat"
    assert outcome.metrics["loss_recovered"].reason == "zeros in its place cost less than 0.01 nat"
    assert outcome.metrics["fvu"].reason == "what the dictionaries read does not vary"
    (grid,) = probe.figures(section(outcome))
    assert isinstance(grid, TokenGrid)
    assert np.isfinite(grid.values).all()


def test_parts_of_a_text_do_not_matter_one_by_one(llama: Path, dictionaries: Path) -> None:
    one = quality(llama, dictionaries)
    other = quality(llama, dictionaries, texts=TEXTS[::-1])
    for first, second in zip(one.tables["quality"].rows, other.tables["quality"].rows, strict=True):
        assert first == [pytest.approx(value, rel=1e-6) if isinstance(value, float) else value for value in second]


# Passes, mistakes


def test_further_passes_are_those_that_take_place(
    llama: Path, dictionaries: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[Any] = []
    run_all = capture.run_all

    def counted(model: Any, passes: Any) -> Any:
        asked.extend(passes)
        return run_all(model, passes)

    monkeypatch.setattr("reportgen.model.capture.shared_passes.run_all", counted)
    again = save_dictionary(tmp_path / "again", 2, features=20)
    battery = {"models": {"m": str(llama)}, "probes": {"q": options([dictionaries, again])}}
    plan = make_plan(read_battery(json.dumps(battery)))
    execute(plan)
    windows, places = len(windows_of(True)), 3
    assert plan.models[0].further == len(asked) == windows * (1 + places + 4)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"context": 1000}, "windows of 1000 tokens exceed the context of 512"),
        ({"texts": ["I"], "text_file": "x"}, "name either texts or a text_file"),
        ({"texts": None}, "name either texts or a text_file"),
        ({"text_file": "nothing.txt", "texts": None}, "is not there"),
        ({"texts": ["a"]}, "no window of two tokens"),
        ({"layers": [7]}, "7"),
    ],
)
def test_what_cannot_be_is_told_before_any_pass(llama: Path, dictionaries: Path, more: Any, told: str) -> None:
    asked = {name: value for name, value in options(dictionaries, **more).items() if value is not None}
    with pytest.raises(BatteryError, match=told):
        make_plan(read_battery(json.dumps({"models": {"m": str(llama)}, "probes": {"q": asked}})))


def test_another_width_is_told_with_the_file(llama: Path, tmp_path: Path) -> None:
    with pytest.raises(BatteryError, match="width 32"):
        quality(llama, save_dictionary(tmp_path / "wide", 1, width=32))


# What is shown


def test_figures_tell_a_suite_and_what_stands_at_one_place(llama: Path, dictionaries: Path, tmp_path: Path) -> None:
    names = {figure.name for figure in probe.figures(section(quality(llama, dictionaries)))}
    assert names == {"numbers", "fidelity", "sparsity"}
    again = save_dictionary(tmp_path / "again", 2, features=20)
    figures = {figure.name: figure for figure in probe.figures(section(quality(llama, [dictionaries, again])))}
    assert set(figures) == {"numbers", "fidelity", "sparsity", "l0-loss-recovered", "l0-fvu"}
    (curve,) = figures["l0-fvu"].curves  # type: ignore[attr-defined]
    assert curve.label == "layer 2"
    assert list(curve.x) == sorted(curve.x)
    alone = {figure.name for figure in probe.figures(section(quality(llama, again)))}
    assert alone == {"numbers"}
    assert isinstance(figures["fidelity"], Curves)


def test_what_a_file_states_stands_beside_what_was_measured(llama: Path, tmp_path: Path) -> None:
    first = numbers(quality(llama, save_dictionary(tmp_path / "plain", 2)))
    held_out = {"fvu": first["fvu"] + 0.04, "loss_recovered": first["loss_recovered"] - 0.06, "cosine": "high",
                "dead": True, "other": 1}  # fmt: skip
    stated = save_dictionary(tmp_path / "stated", 2, metadata={"l0": first["l0"] * 1.2, "held_out": held_out})
    outcome = quality(llama, stated)
    agrees = {row["number"]: row["agrees"] for row in outcome.tables["stated"].records()}
    assert agrees == {"l0": True, "fvu": True, "loss_recovered": False}
    assert "loss recovered, layer 2" in probe.statement(section(outcome))


def told(recovered: list[float | None], predictions: int = 1000, **stated: tuple[float, float, bool]) -> str:
    columns = ("item", "l0", "fvu", "dead", "dense", "delta_loss", "loss_recovered")
    rows: list[list[Any]] = [[item, 20.0, 0.1, 0.0, 0.01, 0.5, one] for item, one in enumerate(recovered)]
    named = ("item", "name", "site", "index", "source")
    tables = {
        "quality": Table(columns, rows),
        "dictionaries": Table(named, [[item, "d", "residual", item + 1, "s"] for item in range(len(rows))]),
        "text": Table(("windows", "tokens", "predictions"), [[1, predictions + 1, predictions]]),
        "stated": Table(
            ("item", "number", "stated", "measured", "agrees"), [[0, name, *value] for name, value in stated.items()]
        ),
        "notes": Table(("kind", "name", "value"), []),
    }
    metrics = {"l0": Metric(20.0), "dead_share": Metric(0.0), "dense_share": Metric(0.01)}
    return probe.statement(section(Outcome("sae_quality", 1, {}, ("m",), "ok", metrics=metrics, tables=tables)))


def test_the_statement_counts_who_recovers_the_loss_and_names_the_least() -> None:
    assert "1 of 2 dictionaries of M recover 0.9 of the loss or more. The lowest is layer 2: 0.850" in told(
        [0.95, 0.85]
    )
    assert "the dictionary of M (layer 1) recovers 0.950" in told([0.95])
    assert told([None, None]).startswith("No clear statement about the dictionaries of M: zeros")
    assert told([0.95], predictions=20).startswith("No clear statement about the dictionaries of M: the text has 20")


def test_the_statement_names_what_is_not_found_again() -> None:
    assert "found again" not in told([0.95])
    assert "The 1 number that the files state is confirmed." in told([0.95], fvu=(0.1, 0.1, True))
    several = told([0.95], fvu=(0.1, 0.3, False), l0=(20.0, 40.0, False), dead=(0.0, 0.0, True))
    assert "Of 3 numbers that the files state for their own texts, 2 are not confirmed" in several
    assert "most of all FVU, layer 1: 0.300 here and 0.100 there" in several or "most of all L0" in several


# A real model


@pytest.mark.real
def test_the_shipped_dictionaries_of_gemma_recover_most_of_the_loss(gemma_folder: Path) -> None:
    text = "The dog chased the cat, and the horse watched the two sheep in the green field."
    outcome = quality(gemma_folder, "demo:gemma-3-270m", layers=[9], context=64, texts=[text])
    found = numbers(outcome)
    assert found["loss_recovered"] > 0.8
    assert found["loss_zero"] - outcome.metrics["loss"].value > 5  # zeros make a model of it that knows nothing
    assert 0.02 < found["fvu"] < 0.4
    assert 20 < found["l0"] < 90
