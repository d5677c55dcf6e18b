"""The numbers of a word's vectors."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.figures.describe import TokenGrid
from reportgen.probes.hidden_states import probe
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from tests.runs import run_probes
from tests.tiny import random_model, tokenizer_json

PROMPTS = ["an apple a day", "an apple of my eye", "I ate breakfast"]


def states(source: Path, **options: object) -> Outcome:
    asked = {"probe": "hidden_states", "prompts": PROMPTS, "words": ["apple"], **options}
    outcome = run_probes({"m": source}, {"h": asked}).outcomes["h"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


@torch.no_grad()
def by_hand(family: str, seed: int, text: str, position: int, bos: bool) -> np.ndarray:
    """(layer x width) as transformers itself gives it, before the final norm."""
    ids = Tokenizer.from_str(tokenizer_json(bos)).encode(text).ids
    network = random_model(family, seed)
    kept: list[torch.Tensor] = []
    handles = [
        block.register_forward_hook(lambda _m, _a, out: kept.append(out[0] if isinstance(out, tuple) else out))
        for block in network.model.layers
    ]
    first = network(torch.tensor([ids]), output_hidden_states=True).hidden_states[0]
    for handle in handles:
        handle.remove()
    return np.stack([layer.reshape(len(ids), -1)[position].numpy() for layer in (first, *kept)])


@pytest.mark.parametrize(("family", "seed", "bos"), [("llama", 0, True), ("gemma3", 1, False)])
def test_numbers_are_those_of_the_stream_at_the_word(
    family: str, seed: int, bos: bool, request: pytest.FixtureRequest
) -> None:
    outcome = states(request.getfixturevalue(family), numbers=5)
    places = outcome.tables["occurrences"].records()
    assert [(row["prompt"], row["token"]) for row in places] == [(0, " apple"), (1, " apple")]
    found = outcome.arrays["vectors/0"]
    assert found.values.shape == (2, 4, 5)
    for item, row in enumerate(places):
        expected = by_hand(family, seed, PROMPTS[row["prompt"]], row["position"], bos)[:, :5]
        assert found.values[item] == pytest.approx(expected, abs=1e-5)
    # what comes after the word is not seen from it: the same in both sentences, number by number
    assert np.array_equal(found.values[0], found.values[1])


def test_the_grid_marks_what_is_exactly_the_same(llama: Path) -> None:
    outcome = states(llama, prompts=["an apple", "my apple"], numbers=3, numbers_at=[0, 2])
    section = Section("h", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)})
    grid = next(one for one in probe.figures(section) if isinstance(one, TokenGrid) and one.name == "numbers-0")
    assert grid.rows == ["0: an apple", "0: my apple", "2: an apple", "2: my apple"]
    assert grid.outlined.tolist() == [[True] * 3, [True] * 3, [False] * 3, [False] * 3]  # one embedding, two contexts
    assert [len(row) for row in grid.texts] == [3, 3, 3, 3]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"words": ["pear"]}, "the word 'pear' is not in the sentence"),
        ({"numbers_at": [9]}, "layer 9 is out of range: layers go from 0 to 3"),
        ({"layers": [2], "numbers_at": [1]}, "numbers_at: layer 1 is not among the `layers` that are kept"),
    ],
)
def test_what_cannot_be_shown_is_told_before_any_pass(llama: Path, options: dict[str, object], told: str) -> None:
    with pytest.raises(BatteryError, match=told):
        states(llama, **options)
