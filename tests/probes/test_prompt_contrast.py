"""Where two sets of prompts part: against a plain loop, what is planted, and what chance gives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.probes.prompt_contrast import probe
from reportgen.results.quantities import Outcome
from reportgen.results.section import Section
from tests.probes.test_statements import outcome, section
from tests.reference import separation as reference
from tests.runs import run_probes
from tests.tiny import random_model, tokenizer_json

A = ["an apple", "my eye", "I ate", "of the day", "breakfast"]
B = ["a day", "the apple", "an eye", "my", "I"]


def ask(source: Path, a: list[Any], b: list[Any], **options: object) -> Outcome:
    asked = {"probe": "prompt_contrast", "a": a, "b": b, "shuffles": 99, **options}
    measured = run_probes({"m": source}, {"part": asked}).outcomes["part"]["m"]
    assert measured.status == "ok", measured.reason
    return measured


def ids(text: str) -> list[int]:
    return Tokenizer.from_str(tokenizer_json()).encode(text).ids


def test_partings_are_those_of_a_plain_loop(llama: Path) -> None:
    found, network = ask(llama, A, B), random_model("llama")
    expected = reference.partings(network, "llama", [ids(text) for text in A], [ids(text) for text in B])
    assert found.arrays["partings"].values == pytest.approx(expected, abs=1e-4)
    assert found.metrics["widest_layer"].value == int(np.argmax(expected))
    assert np.isfinite(found.arrays["partings_random"].values).all()


def test_prompts_that_end_alike_part_after_their_context_only(llama: Path) -> None:
    a, b = ([f"{start} {text}" for text in ("apple", "day", "eye", "I", "my")] for start in ("an apple", "the day of"))
    found = ask(llama, a, b)
    chances, partings = found.arrays["chances"].values, found.arrays["partings"].values
    # Before any block the sets are the same five tokens: no two sets are nearer to each other.
    assert partings[0] < 0
    assert chances[0] == 1
    assert found.metrics["first_layer"].value in (1, 2, 3, None)


def test_one_sentence_each_parts_wholly_where_positions_tell(llama: Path) -> None:
    found = ask(llama, ["an apple"] * 6, ["my eye"] * 6)
    assert found.metrics["parting"].value == pytest.approx(1, abs=1e-3)
    assert found.metrics["chance"].value <= 0.02
    assert found.metrics["first_layer"].value == 0


def test_prompts_that_are_all_one_have_nothing_that_parts(llama: Path) -> None:
    found = ask(llama, ["an apple"] * 6, ["an apple"] * 6)
    assert found.metrics["parting"].value is None
    assert "the same" in found.metrics["parting"].reason


def test_names_are_those_of_the_sets(llama: Path) -> None:
    assert ask(llama, A, B).options["names"] == ["a", "b"]
    assert ask(llama, A, B, names=["one", "two"]).options["names"] == ["one", "two"]


@pytest.mark.parametrize(
    ("a", "b", "told"),
    [(A, B[:1], "each set needs two prompts"), (A[:3], B[:3], "can be split in 20 ways only")],
)
def test_too_few_prompts_are_refused(llama: Path, a: list[str], b: list[str], told: str) -> None:
    with pytest.raises(BatteryError, match=told):
        ask(llama, a, b)


def seen(partings: list[float], random: list[float], chance: float, first: int | None) -> Section:
    """A section of a model of four blocks with these curves."""
    widest = int(np.nanargmax(partings))
    metrics = {"parting": partings[widest], "widest_layer": widest, "chance": chance, "first_layer": first}
    curves = {"partings": partings, "partings_shuffled": [0.0] * 5}
    curves |= {"partings_random": random} if random else {}
    arrays = {name: (("layer",), values) for name, values in curves.items()}
    return section(outcome({"names": ["one", "two"]}, metrics=metrics, arrays=arrays))


RISES, RANDOM, NONE = [0.01, 0.1, 0.3, 0.2, 0.2], [0.0, 0.02, 0.01, 0.0, 0.0], list[float]()


@pytest.mark.parametrize(
    ("partings", "random", "chance", "first", "told"),
    [
        (RISES, RANDOM, 0.01, 1, "one and two part most at layer 2 of 4, by 30%"),
        (RISES, RANDOM, 0.01, 1, "From layer 1 on they part at every layer."),
        (RISES, RANDOM, 0.01, 0, "at every layer, the embedding too"),
        (RISES, RANDOM, 0.01, None, "At the last layer they part by no more than chance"),
        (RISES, [0.29] * 5, 0.01, 1, "it may be the words alone"),
        ([0.29, 0.1, 0.3, 0.2, 0.2], RANDOM, 0.01, 0, "the layers add little"),
        (RISES, NONE, 0.01, 1, "The embedding parts them by 1%."),
        ([np.nan, 0.1, 0.3, 0.2, 0.2], RANDOM, 0.01, 1, "At the embedding all prompts are the same."),
        (RISES, RANDOM, 0.2, 1, "No clear statement"),
    ],
)
def test_its_sentence_says_what_beats_chance_and_controls(
    partings: list[float], random: list[float], chance: float, first: int | None, told: str
) -> None:
    assert told in probe.statement(seen(partings, random, chance, first))
