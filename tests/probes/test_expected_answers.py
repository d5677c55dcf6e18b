"""What prompts say is right, in the probes that are told of it: one definition, against transformers and each other."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.figures.describe import Curves
from reportgen.numerics.settling import middle_lead
from reportgen.probes import registry
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from tests.reference import right_answer as reference
from tests.runs import run_probes
from tests.tiny import random_model, tokenizer_json

PROMPTS = [
    {"text": "an apple", "answers": [" a", " an"], "not": " day"},
    {"text": "I ate an apple", "id": "silent"},
    {"text": "an apple a day", "answers": [" of", " apple"], "not": [" ate"]},
    {"text": "the apple", "answers": [], "id": "nothing"},
]
PAIR = [
    {"text": "I ate an apple a day", "pair": "p", "group": "clean", "answers": "e", "not": "a"},
    {"text": "I ate an eye a day", "pair": "p", "group": "corrupted"},
]


def ask(source: Path, name: str, prompts: list[Any], **options: object) -> Outcome:
    outcome = run_probes({"m": source}, {"x": {"probe": name, "prompts": prompts, **options}}).outcomes["x"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def told(outcome: Outcome) -> str:
    cards = {"m": ModelCard("m", "Tiny", "X", 3)}
    return registry.find(outcome.probe).statement(Section("x", {"m": outcome}, cards))


def ids(text: str, *, special: bool = False) -> list[int]:
    return Tokenizer.from_str(tokenizer_json(True)).encode(text, add_special_tokens=special).ids


def first_tokens(answers: str | list[str]) -> list[int]:
    return [ids(answer)[0] for answer in ([answers] if isinstance(answers, str) else answers)]


def plain(prompts: list[Any]) -> list[Any]:
    return [{key: value for key, value in one.items() if key not in ("answers", "not")} for one in prompts]


@pytest.mark.parametrize("positions", ["last", "all"])
def test_the_lens_follows_the_right_answer_as_the_reference_does(llama: Path, positions: str) -> None:
    outcome = ask(llama, "logit_lens", PROMPTS, positions=positions, follow=["day"], **{"continue": 2})
    network = random_model("llama", 0)
    rank, probability = (outcome.arrays[f"right_{what}"].values for what in ("rank", "probability"))
    assert rank.shape == probability.shape == (4, 2, 4)
    worst = []
    for at in (0, 2):
        read = ids(PROMPTS[at]["text"], special=True)
        right = first_tokens(PROMPTS[at]["answers"])
        for step in range(2):
            layers = reference.layers_after(network, read)
            assert rank[at, step].tolist() == [reference.best_rank(p, right) for p in layers]
            assert probability[at, step] == pytest.approx([reference.mass(p, right) for p in layers], rel=1e-4)
            worst.append(rank[at, step].tolist() == [reference.best_rank(p, right, worst=True) for p in layers])
            steps = {(row["prompt"], row["step"]): row for row in outcome.tables["steps"].records()}
            read = [*read, steps[at, step]["next_token_id"]]
    assert not all(worst), "the worst of several answers is another rank"
    assert np.isnan(rank[[1, 3]]).all()
    assert outcome.metrics["accuracy"].value == np.mean([rank[at, 0, -1] == 1 for at in (0, 2)])
    assert outcome.tables["answers"].columns == ("prompt", "answer", "token_id", "right")
    assert outcome.tables["answers"].rows[:3] == [
        [0, " a", ids(" a")[0], True],
        [0, " an", ids(" an")[0], True],
        [0, " day", ids(" day")[0], False],
    ]


def test_the_lens_and_the_next_token_agree_with_the_probe_of_right_answers(llama: Path) -> None:
    asked = [PROMPTS[0], PROMPTS[2]]
    own, lens, after = (ask(llama, name, asked) for name in ("right_answer", "logit_lens", "next_token"))
    for name in ("rank", "probability"):
        assert np.array_equal(own.arrays[name].values, lens.arrays[f"right_{name}"].values[:, 0])
    for name in ("accuracy", "right_layer"):
        assert own.metrics[name] == lens.metrics[name]
    assert after.metrics["accuracy"].value == own.metrics["accuracy"].value
    rows = after.tables["answers"].records()
    assert [row["rank"] for row in rows] == own.tables["answers"].column("rank")
    assert [row["probability"] for row in rows] == own.tables["answers"].column("probability")
    assert [row["wrong_probability"] for row in rows] == own.arrays["wrong_probability"].values[:, -1].tolist()
    assert "of the 2 prompts whose answers it tells apart" in told(lens)
    assert "A right answer is the most likely token of Tiny after " in told(after)
    assert "After “an apple” the right answer, “␣a ␣an”" not in told(after)
    assert "After “an apple” the right answer, “␣a" in told(ask(llama, "next_token", [PROMPTS[0]]))


@pytest.mark.parametrize("name", ["logit_lens", "next_token", "attribution", "ablation"])
def test_without_answers_nothing_is_there_that_was_not(llama: Path, name: str) -> None:
    options = {"components": ["mlp"]} if name == "ablation" else {}
    bare, silent = (ask(llama, name, prompts, **options) for prompts in (plain(PROMPTS), PROMPTS[1::2]))
    for outcome in (bare, silent):
        assert not {"accuracy", "right_layer", "right_probability"} & outcome.metrics.keys()
        assert not {"right_rank", "right_probability"} & outcome.arrays.keys()
        assert "prompts name" not in told(outcome)


def test_nothing_else_of_a_lens_moves_by_what_is_right(llama: Path) -> None:
    bare, asked = ask(llama, "logit_lens", plain(PROMPTS)), ask(llama, "logit_lens", PROMPTS)
    assert bare.tables["top"].rows == asked.tables["top"].rows
    for name, array in bare.arrays.items():
        assert np.array_equal(array.values, asked.arrays[name].values, equal_nan=True)


def test_the_lens_draws_the_prompts_that_were_asked(llama: Path) -> None:
    outcome = ask(llama, "logit_lens", PROMPTS)
    cards = {"m": ModelCard("m", "Tiny", "X", 3)}
    figures = list(registry.find("logit_lens").figures(Section("x", {"m": outcome}, cards)))
    drawn = {one.name: one for one in figures if isinstance(one, Curves)}
    assert [curve.label for curve in drawn["right-rank"].curves] == ["an apple", "an apple a day"]
    powers = np.log10(outcome.arrays["right_rank"].values[[0, 2], 0])
    assert [curve.y for curve in drawn["right-rank"].curves] == powers.tolist()
    assert drawn["right-probability"].y_label == "probability of the right answer"


def test_attribution_takes_the_first_answer_and_the_first_wrong_one(llama: Path) -> None:
    own = ask(llama, "attribution", [PROMPTS[0], PROMPTS[1]])
    named = ask(llama, "attribution", plain(PROMPTS[:1]), answers=[" a"], against=[" day"])
    for name in ("logit", "heads", "mlp"):
        # Rows of two prompts go through a matrix together: on some processors another last bit than a row alone.
        assert own.arrays[name].values[:1] == pytest.approx(named.arrays[name].values, rel=1e-4, abs=1e-6)
    assert own.tables["answers"].records()[1]["against"] is None, "the model's own most likely token, with no other"
    assert "The answer is the first of each prompt's `answers`; it is contrasted with the first of its `not`" in told(
        own
    )
    assert "prompt's" not in told(named)
    explicit, bare = (ask(llama, "attribution", asked, answers=["e"]) for asked in (PROMPTS[:1], plain(PROMPTS[:1])))
    assert np.array_equal(explicit.arrays["heads"].values, bare.arrays["heads"].values)
    assert explicit.tables["answers"].records()[0]["against"] is None


def test_patching_takes_the_answers_of_the_clean_prompt(llama: Path) -> None:
    own = ask(llama, "activation_patching", PAIR, sites=["residual"])
    named = ask(llama, "activation_patching", plain(PAIR), sites=["residual"], answers=[["e", "a"]])
    assert np.array_equal(own.arrays["residual/0"].values, named.arrays["residual/0"].values)
    other = [{key: value for key, value in PAIR[0].items() if key != "not"}, {**PAIR[1], "answers": "a"}]
    of_both = ask(llama, "activation_patching", other, sites=["residual"])
    assert np.array_equal(own.arrays["residual/0"].values, of_both.arrays["residual/0"].values)
    assert "named" not in told(named)
    assert "p" in own.tables["pairs"].column("name")


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        (plain(PAIR), "the prompts of pair 'p' do not say what is right and what is wrong"),
        ([{**PAIR[0], "not": []}, PAIR[1]], "the prompts of pair 'p' do not say"),
        ([{**PAIR[0], "not": []}, {**PAIR[1], "answers": "e"}], "pair 'p': the answer of both prompts is 'e'"),
        ([{**PAIR[0], "not": "eb"}, PAIR[1]], "'e' and 'eb' (e | b) begin with the same token, 'e'"),
    ],
)
def test_a_pair_that_does_not_say_what_is_right_is_a_mistake(prompts: list[Any], message: str, llama: Path) -> None:
    with pytest.raises(BatteryError) as raised:
        ask(llama, "activation_patching", prompts)
    assert message in str(raised.value)


def test_ablation_follows_all_right_answers_together(llama: Path) -> None:
    asked = PROMPTS[:2]
    own = ask(llama, "ablation", asked, components=["mlp"])
    one, other = (ask(llama, "ablation", plain(asked), components=["mlp"], answers=[text]) for text in (" a", " an"))
    both = one.arrays["answer_mlp"].values[0] + other.arrays["answer_mlp"].values[0]
    assert own.arrays["answer_mlp"].values[0] == pytest.approx(both, abs=1e-9)
    assert np.isnan(own.arrays["answer_mlp"].values[1]).all()
    assert np.array_equal(own.arrays["mlp"].values, one.arrays["mlp"].values)
    first, second = own.tables["texts"].records()
    assert first["probability"] == pytest.approx(
        sum(each.tables["texts"].records()[0]["probability"] for each in (one, other))
    )
    assert (first["answer_id"], first["answer"], second["answer"]) == (None, " a  an", None)
    assert "The answers are those that the prompts name." in told(own)


@pytest.mark.parametrize("name", ["logit_lens", "next_token", "attribution", "ablation"])
def test_answers_that_begin_alike_are_told_with_their_tokens(name: str, llama: Path) -> None:
    with pytest.raises(BatteryError) as raised:
        ask(llama, name, [{"text": "an apple", "answers": " a day", "not": " a"}, PROMPTS[0]])
    assert "' a day' (␣a | ␣day) and ' a' begin with the same token, ' a'" in str(raised.value)


def test_half_of_the_answers_lead_from_the_lower_median_on() -> None:
    late, early, lost, unasked = [9, 9, 1, 1], [9, 1, 1, 1], [1, 1, 1, 2], [np.nan] * 4
    assert middle_lead(np.array([late, early, lost, unasked])) == 1
    assert middle_lead(np.array([late, early, late])) == 2
    assert middle_lead(np.array([lost, unasked])) is None
