"""Loss at every position, against a plain loop over the network's own logits."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.figures.describe import Curves
from reportgen.numerics.resampling import mean_interval_95
from reportgen.probes.loss_by_position import edges_of, probe
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from tests.runs import run_probes
from tests.tiny import random_model, save_tiny, tokenizer_json

WORDS = [
    "I",
    "ate",
    "an",
    "apple",
    "for",
    "breakfast",
    "and",
    "the",
    "day",
    "of",
    "my",
    "eye",
    "was",
    "a",
    "fox",
    "that",
    "zebras",
]
TEXT = " ".join(WORDS[(at * at + 3 * at) % len(WORDS)] + str(at) for at in range(60))
LENGTH = 48


def found(source: Path, **options: Any) -> Outcome:
    entry = {
        "probe": "loss_by_position",
        "texts": [TEXT, "an apple"],
        "length": LENGTH,
        "bin": 8,
        "windows": 64,
        **options,
    }
    return run_probes({"m": source}, {"loss": entry}).outcomes["loss"]["m"]


def by_hand(network: Any, length: int, most: int) -> list[list[float]]:
    """(window) (position, from 1) −ln p, one position at a time; BOS at the head of each window."""
    ids = Tokenizer.from_str(tokenizer_json()).encode(TEXT).ids[1:]
    windows = [[0, *ids[at : at + length - 1]] for at in range(0, len(ids), length - 1)]
    losses = []
    for window in [one for one in windows if len(one) == length]:
        with torch.no_grad():
            logits = network(torch.tensor([window[:most]])).logits[0].double()
        losses.append(
            [float(logits[at - 1].logsumexp(0) - logits[at - 1][window[at]]) for at in range(1, min(length, most))]
        )
    return losses


def of_bins(losses: list[list[float]], first: int, end: int) -> float:
    return float(np.mean([loss for window in losses for at, loss in enumerate(window, 1) if first <= at < end]))


def shorten(folder: Path, **limits: int) -> Path:
    """The same model, made for fewer positions."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | limits))
    return folder


@pytest.mark.parametrize("family", ["llama", "gemma2", "gemma3", "mamba"])
def test_a_plain_loop_agrees(family: str, tmp_path: Path) -> None:
    outcome = found(save_tiny(tmp_path / "m", family))
    assert outcome.status == "ok", outcome.reason
    losses = by_hand(random_model(family), LENGTH, LENGTH)
    assert outcome.metrics["windows"].value == len(losses) >= 2
    array = outcome.arrays["loss"]
    assert array.along("position") == (0, 8, 16, 24, 32, 40)
    expected = [of_bins(losses, first, first + 8) for first in array.along("position")]
    assert array.values == pytest.approx(expected, abs=1e-4)
    assert outcome.metrics["loss_first"].value == pytest.approx(expected[0], abs=1e-4)
    assert outcome.metrics["loss_last"].value == pytest.approx(expected[-1], abs=1e-4)
    first = outcome.arrays["loss_by_window"].values[0]
    assert first == pytest.approx([of_bins(losses[:1], at, at + 8) for at in array.along("position")], abs=1e-4)
    assert outcome.tables["bins"].records()[0]["tokens"] == 7 * len(losses)
    assert not outcome.metrics["loss_beyond"].value
    assert array.values != pytest.approx([of_bins(losses, at - 1, at + 7) for at in array.along("position")], abs=1e-3)


def test_beyond_the_trained_context_it_is_measured_where_positions_have_no_table(tmp_path: Path) -> None:
    outcome = found(shorten(save_tiny(tmp_path / "m"), max_position_embeddings=20))
    losses = by_hand(random_model("llama"), LENGTH, LENGTH)
    assert outcome.metrics["context"].value == 20
    assert outcome.arrays["loss"].along("position") == (0, 8, 16, 20, 24, 32, 40)
    assert outcome.metrics["loss_beyond"].value == pytest.approx(of_bins(losses, 20, LENGTH), abs=1e-4)
    assert outcome.metrics["loss_last"].value == pytest.approx(of_bins(losses, 8, 16), abs=1e-4)
    section = Section("loss", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)})
    assert "Beyond its trained context of 20 tokens it is" in probe.statement(section)
    (curves,) = (figure for figure in probe.figures(section) if isinstance(figure, Curves))
    assert list(curves.curves[-1].x) == [20, 20]
    assert curves.curves[-1].label == "trained context of Tiny (20)"


def test_past_its_table_of_positions_a_model_has_none_and_that_is_said(tmp_path: Path) -> None:
    import transformers

    config = transformers.GPT2Config(
        vocab_size=320, n_embd=24, n_layer=3, n_head=4, n_positions=20, bos_token_id=0, eos_token_id=1
    )
    torch.manual_seed(0)
    network = transformers.AutoModelForCausalLM.from_config(config).eval()
    folder = save_tiny(tmp_path / "m", "gpt2")
    network.save_pretrained(folder)
    outcome = found(folder)
    assert outcome.status == "ok", outcome.reason
    losses = by_hand(network, LENGTH, 20)
    values = outcome.arrays["loss"].values
    assert values[:3] == pytest.approx([of_bins(losses, *ends) for ends in ((1, 8), (8, 16), (16, 20))], abs=1e-4)
    assert np.isnan(values[3:]).all()
    reason = "not measurable beyond 20: there is no row in the position table"
    assert {row["reason"] for row in outcome.tables["bins"].records()} == {None, reason}
    assert outcome.metrics["loss_beyond"].reason == reason
    section = Section("loss", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)})
    assert "Beyond 20 tokens Tiny cannot be measured: there is no row in its position table." in probe.statement(
        section
    )
    assert list(probe.figures(section))


def test_no_bin_reaches_over_the_end_of_the_trained_context() -> None:
    assert edges_of(40, 16, 20) == [0, 16, 20, 32, 40]
    assert edges_of(32, 16, 20) == [0, 16, 20, 32]
    assert edges_of(32, 16, None) == edges_of(32, 16, 32) == edges_of(32, 16, 99) == [0, 16, 32]


def test_further_passes_are_counted_before(tmp_path: Path) -> None:
    short = shorten(save_tiny(tmp_path / "m"), max_position_embeddings=20)
    outcome = found(short, windows=1)
    assert outcome.metrics["windows"].value == 1
    assert math.isfinite(float(outcome.metrics["loss_beyond"].value or math.nan))


def test_a_text_that_is_too_short_is_told_before_any_pass(llama: Path) -> None:
    with pytest.raises(BatteryError, match=r"no text has 4,096 tokens: the longest has \d+; name a longer one"):
        found(llama, length=4096)
    with pytest.raises(BatteryError, match="name either texts or a text_file"):
        found(llama, text_file="x.txt")


def test_a_file_is_read_as_the_same_text_is(llama: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT)
    of_file = run_probes(
        {"m": llama},
        {
            "loss": {
                "probe": "loss_by_position",
                "text_file": str(tmp_path / "text.txt"),
                "length": LENGTH,
                "bin": 8,
                "windows": 64,
            }
        },
    ).outcomes["loss"]["m"]
    assert of_file.arrays["loss"].values.tolist() == found(llama).arrays["loss"].values.tolist()


@pytest.mark.real
@pytest.mark.parametrize("name", ["smollm2-135m-instruct", "gemma-3-270m"])
def test_the_shipped_text_is_long_enough_and_its_loss_falls(name: str) -> None:
    probes = {"loss": {"probe": "loss_by_position", "texts": "long/ferry", "bin": 64}}
    outcome = run_probes({"m": f"demo:{name}"}, probes).outcomes["loss"]["m"]
    assert outcome.metrics["windows"].value == 2
    first, last = outcome.metrics["loss_first"].value, outcome.metrics["loss_last"].value
    assert first is not None
    assert last is not None
    assert first - last > 0.2


def test_of_five_windows_the_mean_has_a_band_and_of_fewer_none(llama: Path) -> None:
    for most, banded in ((5, True), (4, False)):
        outcome = found(llama, length=32, windows=most)
        section = Section("loss", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)})
        (drawn,) = (figure for figure in probe.figures(section) if isinstance(figure, Curves))
        mean = drawn.curves[0]
        assert outcome.metrics["windows"].value == most
        assert (mean.band is not None) == banded
        assert ("(95 % band)" in drawn.y_label) == banded
        if mean.band is not None:
            ends = mean_interval_95(outcome.arrays["loss_by_window"].values)
            assert np.array_equal(mean.band, ends)
