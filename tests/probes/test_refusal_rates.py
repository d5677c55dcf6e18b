"""How many answers refuse, before and after: of the option `refusal_rates` of steering."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from reportgen.figures.describe import Rankings, TokenGrid
from reportgen.numerics.confidence import wilson_95
from reportgen.numerics.steering import random_direction
from reportgen.probes.steering import probe
from reportgen.probes.steering import refusals as judging
from reportgen.results.quantities import Array, Outcome, Table
from reportgen.results.section import ModelCard, Section
from reportgen.text import refusals
from reportgen.text.refusals import is_refusal, refusal_substrings
from reportgen.text.tokens import TextTokenizer
from tests.probes.test_steering import ADD, PLANTED, ids, planted, sides, steered  # noqa: F401
from tests.reference import steering as reference
from tests.tiny import LAYERS, random_model, tokenizer_json

HARMFUL, HARMLESS = ["my day of", "an eye ate", "a day, a day"], ["the apple ate", "for my eye", "of the day"]
RATES = {"harmful": HARMFUL, "harmless": HARMLESS, "tokens": 6}
TOKENIZER = TextTokenizer(Tokenizer.from_str(tokenizer_json()))
DIRECTIONS = ["unsteered", "steered", "random"]


@pytest.fixture
def judged_by(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts other phrases in the place of the list."""

    def judge(*phrases: str) -> None:
        # Both are imported by now: one that were imported between the two would keep the other's phrases for ever.
        for module in (refusals, judging):
            monkeypatch.setattr(module, "refusal_substrings", lambda: phrases)

    return judge


# The judge


def test_the_papers_list_is_held_against_answers() -> None:
    assert refusal_substrings()[:2] == ("I'm sorry", "I am sorry")
    assert len(refusal_substrings()) == 12
    assert is_refusal("Well, i CANNOT help with that.")
    assert is_refusal("I’m sorry, but no.")
    assert is_refusal("I cannot wait to tell you!")  # as the paper's judge has it
    assert not is_refusal("Yoga is a practice. Sorry to keep you waiting.")
    assert not is_refusal("")


# Against plain transformers


def expected_answers(layer: int, factor: float, *, wrong: bool = False) -> dict[str, list[list[str]]]:
    """Kind -> (request x direction) texts, by hooks of one's own; `wrong` takes a direction out at inputs only, and
    adds it behind the block.
    """
    network = random_model("llama")
    own = reference.direction(network, "llama", *sides(True), layer)
    drawn = [torch.from_numpy(random_direction(len(own), layer, 0, draw)) * own.norm() for draw in range(3)]

    def texts(text: str, changed: Callable[..., torch.Tensor]) -> list[str]:
        ways: list[Callable[..., torch.Tensor]] = [reference.own]
        ways += [lambda model, tokens, r=r: changed(model, "llama", tokens, r) for r in (own, *drawn)]
        return [TOKENIZER.decode(reference.answer(network, ids(text), 6, way)) for way in ways]

    def taken_out(model: Any, family: str, tokens: Sequence[int], r: torch.Tensor) -> torch.Tensor:
        return reference.ablated(model, family, tokens, r, inputs_only=wrong)

    def added(model: Any, family: str, tokens: Sequence[int], r: torch.Tensor) -> torch.Tensor:
        return reference.added(model, family, tokens, layer + wrong, factor * r)

    return {
        "harmful": [texts(text, taken_out) for text in HARMFUL],
        "harmless": [texts(text, added) for text in HARMLESS],
    }


def test_answers_and_their_shares_against_hooks_of_ones_own(llama: Path, judged_by: Callable[..., None]) -> None:
    expected = expected_answers(1, 2.0)
    # a letter that some of the answers hold
    letters = {letter for rows in expected.values() for row in rows for text in row for letter in text.casefold()}

    def count_texts(letter: str) -> int:
        return sum(letter in text.casefold() for rows in expected.values() for row in rows for text in row)

    letter = min(letters, key=lambda one: abs(count_texts(one) - 15))
    assert 0 < count_texts(letter) < 30
    judged_by(letter.upper())
    outcome = steered(llama, **{**ADD, "coefficients": [2], "layers": [1]}, refusal_rates=RATES)
    rows = outcome.tables["refusals"].records()
    for number, kind in enumerate(("harmful", "harmless")):
        held = np.array([[letter in text.casefold() for text in row] for row in expected[kind]]).T
        assert outcome.arrays[f"refused/{number}"].values.tolist() == held.astype(float).tolist()
        for direction, at in zip(DIRECTIONS, ([0], [1], [2, 3, 4]), strict=True):
            (row,) = [row for row in rows if (row["asked"], row["direction"]) == (kind, direction)]
            hits, count = int(held[at].sum()), 3 * len(at)
            assert (row["refused"], row["answers"], row["rate"]) == (hits, count, hits / count)
            assert (row["lower"], row["upper"]) == wilson_95(3 * hits / count, 3)
            name = f"{kind}_refused" + ("" if direction == "unsteered" else f"_{direction}")
            assert outcome.metrics[name].value == hits / count
            assert outcome.metrics[name].unit == "share"
    answers = outcome.tables["answers"].rows
    assert answers == [[at, HARMLESS[at], *texts[:3]] for at, texts in enumerate(expected["harmless"])]
    assert outcome.tables["judge"].rows == [[letter.upper()]]


def test_wrong_formulas_give_other_answers() -> None:
    right, wrong = expected_answers(1, 2.0), expected_answers(1, 2.0, wrong=True)
    for kind, rows in right.items():
        assert [row[0] for row in rows] == [row[0] for row in wrong[kind]]
        assert [row[1:] for row in rows] != [row[1:] for row in wrong[kind]]


def test_a_planted_direction_flips_answers_both_ways(
    planted: tuple[Path, torch.Tensor],  # noqa: F811
    judged_by: Callable[..., None],
) -> None:
    judged_by("X")
    asked = {"harmful": ["qqu", "qqqu", "qqa", "qqqi"], "harmless": ["qqqg", "qqb", "qqc", "qqqd"], "tokens": 1}
    for mode in ("add", "ablate"):
        score = {"tokens": ["X"]}
        options = {"coefficients": [1]} if mode == "add" else {}
        outcome = steered(planted[0], **PLANTED, **options, mode=mode, max_kl=100, score=score, refusal_rates=asked)
        found = {name: metric.value for name, metric in outcome.metrics.items() if "refused" in name}
        assert found == {
            "harmful_refused": 1.0, "harmful_refused_steered": 0.0, "harmful_refused_random": 1.0,
            "harmless_refused": 0.0, "harmless_refused_steered": 1.0, "harmless_refused_random": 0.0,
        }  # fmt: skip


# What it leaves alone, and what is never kept


def test_what_is_not_asked_for_is_not_there_and_moves_nothing(llama: Path) -> None:
    plain, asked = steered(llama, **ADD), steered(llama, **ADD, refusal_rates=RATES)
    assert not any("refused" in name for name in (*plain.metrics, *plain.arrays))
    assert all(not plain.tables[name].rows for name in ("refusals", "answers", "judge"))
    for name, array in plain.arrays.items():
        assert array.values.tobytes() == asked.arrays[name].values.tobytes()
    assert plain.tables["texts"] == asked.tables["texts"]


def test_what_is_written_after_harmful_requests_is_in_no_file(llama: Path, tmp_path: Path) -> None:
    from reportgen import run

    sets = {"towards": ["an apple a day", "I ate"], "away": ["for breakfast", "my day"], "prompts": ["I ate an apple"]}
    rates = {"harmful": HARMFUL, "harmless": HARMLESS, "tokens": 12}
    entry = {"probe": "steering", **sets, "score": {"tokens": ["a", "e"]}, "coefficients": [2], "layers": [1]}
    battery = {
        "models": {"m": str(llama)},
        "probes": {"s": {**entry, "withhold": False, "refusal_rates": rates}},
        "outputs": ["html", "figures"],
    }
    (tmp_path / "battery.yaml").write_text(json.dumps(battery))
    run(tmp_path / "battery.yaml", output=tmp_path / "bundle")
    network = random_model("llama")
    both = ([ids(text) for text in sets[side]] for side in ("towards", "away"))
    r = reference.direction(network, "llama", *both, 1)

    def taken_out(model: Any, tokens: Sequence[int]) -> torch.Tensor:
        return reference.ablated(model, "llama", tokens, r)  # type: ignore[no-any-return]

    written = [
        TOKENIZER.decode(reference.answer(network, ids(text), 12, way))
        for text in HARMFUL
        for way in (reference.own, taken_out)
    ]
    shown = TOKENIZER.decode(reference.answer(network, ids(HARMLESS[0]), 12, reference.own))
    files = [file for file in (tmp_path / "bundle").rglob("*") if file.is_file()]
    assert any(json.dumps(shown)[1:-1].encode() in file.read_bytes() for file in files)
    for file in files:
        for answer in written:
            assert answer.encode() not in file.read_bytes(), file
            assert json.dumps(answer)[1:-1].encode() not in file.read_bytes(), file


# Figures and sentences


def with_refusals(outcome: Outcome, harmful: Sequence[int], harmless: Sequence[int], count: int = 20) -> Outcome:
    """A result of which so many answers refused: unsteered, steered, random."""
    rows = [
        [kind, name, hits, count, hits / count, *wilson_95(hits, count)]
        for kind, of_kind in (("harmful", harmful), ("harmless", harmless))
        for name, hits in zip(DIRECTIONS, of_kind, strict=True)
    ]
    outcome.tables["refusals"] = Table(  # type: ignore[index]
        ("asked", "direction", "refused", "answers", "rate", "lower", "upper"), rows
    )
    for number, of_kind in enumerate((harmful, harmless)):  # the first so many of the same requests
        each = np.array([[at < hits for at in range(count)] for hits in of_kind], dtype=np.float64)
        outcome.arrays[f"refused/{number}"] = Array(("item", "prompt"), each)  # type: ignore[index]
    refusal = "I cannot help with that."
    outcome.tables["answers"] = Table(  # type: ignore[index]
        ("prompt", "request", "unsteered", "steered", "random"), [[0, "Do yoga", "Yoga is", refusal, "Yoga was"]]
    )
    return outcome


@pytest.fixture
def measured(llama: Path) -> Outcome:
    return steered(llama, **ADD)


def section(*outcomes: Outcome) -> Section:
    names = [f"m{at}" for at in range(len(outcomes))]
    cards = {name: ModelCard(name, name.upper(), "X", LAYERS) for name in names}
    return Section("s", dict(zip(names, outcomes, strict=True)), cards)


def test_one_figure_has_all_models_with_their_intervals(measured: Outcome) -> None:
    both = section(with_refusals(measured, (18, 1, 17), (2, 15, 3)), with_refusals(measured, (18, 1, 17), (2, 15, 3)))
    figures = list(probe.figures(both))
    (bars,) = [one for one in figures if isinstance(one, Rankings) and one.name == "refusals"]
    assert bars.subject == ("m0", "m1")
    assert [panel.model for panel in bars.rankings] == ["m0", "m1"]
    assert bars.value_range == (0.0, 1.0)
    assert bars.rankings[0].values == [0.9, 0.05, 0.85, 0.1, 0.75, 0.15]
    assert bars.rankings[0].intervals[0] == wilson_95(18, 20)
    assert "90% of 20 (harmful, as is)" in bars.alt
    (answers, _) = [one for one in figures if isinstance(one, TokenGrid) and one.name == "answers"]
    assert answers.rows == ["0 unsteered", "added", "random"]
    assert answers.values[:, 0].tolist() == [0, 1, 0]
    older = probe.figures(section(steered_without(measured)))
    assert not any(figure.name in ("refusals", "answers") for figure in older)


def steered_without(outcome: Outcome) -> Outcome:
    """A result of a bundle from before the option was there."""
    for name in ("refusals", "answers", "judge"):
        outcome.tables.pop(name, None)  # type: ignore[attr-defined]
    return outcome


def test_the_same_requests_are_compared_in_pairs(measured: Outcome) -> None:
    # Six requests that all turn: the two intervals overlap, and yet it is clear.
    said = probe.statement(section(with_refusals(measured, (10, 4, 10), (2, 15, 3))))
    low, high = wilson_95(4, 20)[1], wilson_95(10, 20)[0]
    assert low > high
    assert "M0 refuses 10 of 20 harmful requests, and 4 once" in said


@pytest.mark.parametrize(
    ("harmful", "harmless", "told"),
    [
        ((18, 1, 17), (2, 15, 3), [
            "M0 refuses 18 of 20 harmful requests, and 1 once the direction of layer",
            "is taken out; with random ones taken out, 17 of 20.",
            "Of 20 harmless requests it refuses 2, and 15 with", "added; with random ones added, 3 of 20.",
        ]),
        ((18, 1, 8), (2, 15, 3), [
            "No clear statement about how often M0 refuses harmful requests: 18 of 20, 1 with the direction taken out, "
            "8 of 20 with random ones taken out. Of 20 harmless",
        ]),
        ((18, 1, 17), (2, 3, 2), [
            "No clear statement about how often it refuses harmless requests: 2 of 20, 3 with",
        ]),
        ((3, 2, 3), (2, 3, 2), [
            "No clear statement about refusals of M0: of 20 harmful requests it refuses 3, and 2 with the direction "
            "taken out; of 20 harmless ones 2, and 3 with it added.",
        ]),
        ((0, 0, 0), (0, 1, 0), [
            "M0 refuses none of 20 harmful requests: there is no refusal to take out, and with the direction added it "
            "refuses 1 of 20 harmless ones.",
        ]),
        ((0, 0, 0), (0, 15, 0), ["M0 refuses harmful requests: 0 of 20, 0 with", "it refuses 0, and 15 with"]),
    ],
)  # fmt: skip
def test_the_sentence_counts_and_says_where_there_is_nothing_to_take_out(
    harmful: Sequence[int], harmless: Sequence[int], told: Sequence[str], measured: Outcome
) -> None:
    said = probe.statement(section(with_refusals(measured, harmful, harmless)))
    assert [one for one in told if one not in said] == [], said
    assert "refus" not in probe.statement(section(steered_without(measured)))
