from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.probes.word_similarity.figures import figures as draw
from reportgen.probes.word_similarity.statement import tell
from reportgen.probing.view import SubjectView
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from tests.reference import plain
from tests.runs import run_probes
from tests.tiny import random_model, save_tiny, tokenizer_json

SENTENCES = ["I ate an apple for breakfast", "an apple a day", "the apple of my eye"]


def similarity(source: Path, **options: object) -> Outcome:
    written = {"probe": "word_similarity", "word": "apple", "prompts": SENTENCES, **options}
    outcome = run_probes({"m": source}, {"apple": written}).outcomes["apple"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def reference(first: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """(pair x layer) raw and normalised by loops; `first` = 0 counts BOS in the mean."""
    network, tokenizer = random_model("llama"), Tokenizer.from_str(tokenizer_json())
    rows, places = [], []
    for sentence in SENTENCES:
        encoded = tokenizer.encode(sentence)
        rows.append(plain.residuals(network, "llama", encoded.ids))
        end = sentence.index("apple") + len("apple")
        places.append(max(i for i, (a, b) in enumerate(encoded.offsets) if b and a < end <= b))
    raw, normalised = [], []
    for a, b in combinations(range(3), 2):
        layers = range(len(rows[a]))
        raw.append([plain.cosine(rows[a][n][places[a]], rows[b][n][places[b]]) for n in layers])
        means = [plain.mean_pair_cosine(rows[a][n], rows[b][n], first) for n in layers]
        normalised.append([r / m for r, m in zip(raw[-1], means, strict=True)])
    return np.array(raw), np.array(normalised)


def test_against_loops(llama: Path) -> None:
    found = similarity(llama)
    raw, normalised = reference()
    assert found.arrays["raw"].values == pytest.approx(raw, abs=1e-5)
    assert found.arrays["normalised"].values == pytest.approx(normalised, rel=1e-3, abs=1e-6)
    assert found.arrays["raw"].dims == ("pair", "layer")
    assert found.tables["pairs"].rows == [[0, 0, 1, None], [1, 0, 2, None], [2, 1, 2, None]]


def test_special_tokens_in_the_mean_are_another_number(llama: Path) -> None:
    included = similarity(llama, special_tokens="include").arrays["normalised"].values
    assert included == pytest.approx(reference(first=0)[1], rel=1e-3, abs=1e-6)
    assert included != pytest.approx(reference(first=1)[1], rel=1e-2)


def test_the_same_token_is_the_same_vector_at_layer_0(llama: Path, gpt2: Path) -> None:
    assert similarity(llama).arrays["raw"].values[:, 0] == pytest.approx(1.0, abs=1e-6)
    # GPT-2 adds the position to the embedding; apple stands at other positions in these sentences
    assert similarity(gpt2).arrays["raw"].values[0, 0] < 0.999


def test_equal_prefixes_stay_the_same_vector_at_every_layer(llama: Path) -> None:
    prompts = ["an apple a day", "an apple for breakfast"]
    assert similarity(llama, prompts=prompts).arrays["raw"].values == pytest.approx(1.0, abs=1e-5)


def test_the_baseline_of_random_occurrences_is_seeded_and_subtracted(llama: Path) -> None:
    options = {"normalise": "subtract_baseline", "baseline": ["of my eye", "a day for an eye", "breakfast day"]}
    one = similarity(llama, **options, seed=3)
    again = similarity(llama, **options, seed=3)
    other = similarity(llama, **options, seed=4)
    difference = one.arrays["raw"].values - one.arrays["normalised"].values
    assert difference == pytest.approx(np.broadcast_to(difference[:1], difference.shape), abs=1e-6)
    assert np.array_equal(one.arrays["normalised"].values, again.arrays["normalised"].values)
    assert not np.array_equal(one.arrays["normalised"].values, other.arrays["normalised"].values)


def test_senses_tell_pairs_apart(llama: Path) -> None:
    prompts = [{"text": text, "sense": sense} for text, sense in zip(SENTENCES, "aab", strict=True)]
    assert similarity(llama, prompts=prompts).tables["pairs"].column("same_sense") == [True, False, False]


@pytest.mark.parametrize(("other", "said"), [(0.80, False), (0.90004, False), (0.91, True)])
def test_means_that_single_pairs_do_not_follow_are_told_as_means(llama: Path, other: float, said: bool) -> None:
    """Pairs of one sense at 0.90 and 0.99, of two senses at 0.1 and `other`, at the last layer."""
    prompts = [{"text": text, "sense": sense} for text, sense in zip([*SENTENCES, "an apple"], "aabb", strict=True)]
    outcome = similarity(llama, prompts=prompts)
    alike = np.array(outcome.tables["pairs"].column("same_sense"))
    raw = np.full_like(outcome.arrays["raw"].values, 0.5)
    raw[alike, -1], raw[~alike, -1] = [0.99, 0.90], [other, 0.1, 0.1, 0.1]
    changed = replace(outcome, arrays={**outcome.arrays, "raw": replace(outcome.arrays["raw"], values=raw)})
    (view,) = SubjectView.each(Section("x", {"m": changed}, {"m": ModelCard("m", "Tiny", "X", len(raw[0]) - 1)}))
    overlap = "at layer 3 a pair of different senses reaches 0.910, above a pair of one sense with 0.900."
    assert (f"That is on average: {overlap}" in tell(view)) == said
    assert "tells the senses apart" in tell(view)


def test_a_word_that_is_not_in_its_sentence_is_a_mistake_of_the_battery(llama: Path, gemma3: Path) -> None:
    probes = {"apple": {"probe": "word_similarity", "word": "pear", "prompts": SENTENCES}}
    with pytest.raises(BatteryError, match=r"probes\.apple: the word 'pear' is not in the sentence 'I ate an apple"):
        run_probes({"a": llama, "b": gemma3}, probes)


def test_each_word_is_told_with_its_tokens(tmp_path: Path) -> None:
    source = save_tiny(tmp_path / "m")
    words = similarity(source).tables["words"].records()
    assert [(one["prompt"], one["word"], one["fit"]) for one in words] == [(n, "apple", "exact") for n in range(3)]


@pytest.mark.real
def test_a_flower_is_not_compared_with_half_of_a_token(gemma_folder: Path, smollm2_folder: Path) -> None:
    flowers = {"probe": "word_similarity", "word": "花", "prompts": ["一朵花", "花了很多錢", "漂亮的花"]}
    results = run_probes({"gemma": gemma_folder, "llama": smollm2_folder}, {"flower": flowers})
    section = Section("flower", results.outcomes["flower"], results.models)
    told = {view.subject: tell(view) for view in SubjectView.each(section)}
    assert "No verdict on " in told["gemma"]
    assert "its own tokens 2 times and part of what is read as “的花”" in told["gemma"]
    assert "No verdict" not in told["llama"]
    assert told["llama"].endswith("the word is read at the last of its bytes in “<E8> | <8A> | <B1>→花”.")


def test_many_pairs_are_summed_up_by_their_kind_with_a_band_that_is_named(llama: Path) -> None:
    prompts = [
        {"text": f"{text} {at}", "sense": sense}
        for at, (text, sense) in enumerate([(SENTENCES[0], "fruit"), (SENTENCES[2], "idiom")] * 3)
    ]
    cards = {"m": ModelCard("m", "Tiny", "X", 3)}
    few, many = (
        similarity(llama, prompts=some) for some in (prompts, [*prompts, {**prompts[0], "text": SENTENCES[1]}])
    )
    drawn = [next(iter(draw(Section("s", {"m": one}, cards)))) for one in (few, many)]
    assert len(drawn[0].curves) == 15
    assert all(curve.band is None for curve in drawn[0].curves)
    assert "percentile" not in drawn[0].title
    assert [curve.label for curve in drawn[1].curves] == ["same sense, 9 pairs", "different sense, 12 pairs"]
    assert "median and band from the 10th to the 90th percentile" in drawn[1].title
    same = [row["pair"] for row in many.tables["pairs"].records() if row["same_sense"]]
    ordered = np.sort(many.arrays["raw"].values[same], axis=0)
    assert drawn[1].curves[0].y == pytest.approx(ordered[4].tolist())
    low, high = drawn[1].curves[0].band
    assert all(ordered[0] <= np.array(low))
    assert all(np.array(high) <= ordered[-1])
