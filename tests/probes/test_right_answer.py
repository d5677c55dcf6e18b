"""When a model knows the right answer: against transformers, by what is planted, and what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.probes.right_answer import probe
from reportgen.probes.right_answer.figures import _draw_probabilities
from reportgen.probing.view import SubjectView
from reportgen.results.quantities import Array, Metric, Outcome, Table
from reportgen.results.section import ModelCard, Section
from tests.reference import right_answer as reference
from tests.runs import run_probes
from tests.tiny import random_model, tokenizer_json

PROMPTS = [
    {"text": "an apple", "answers": [" a", " an"], "not": " day"},
    {"text": "I ate an apple", "answers": " day", "id": "ate"},
    {"text": "an apple a day", "answers": [" of", " apple"], "not": [" ate"]},
]


def ask(source: Path, prompts: list[Any], **options: object) -> Outcome:
    found = run_probes({"m": source}, {"right": {"probe": "right_answer", "prompts": prompts, **options}})
    outcome = found.outcomes["right"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def ids(text: str, *, special: bool = False) -> list[int]:
    return Tokenizer.from_str(tokenizer_json(True)).encode(text, add_special_tokens=special).ids


def first_tokens(answers: str | list[str]) -> list[int]:
    return [ids(answer)[0] for answer in ([answers] if isinstance(answers, str) else answers)]


def test_against_the_reference(llama: Path) -> None:
    outcome, network = ask(llama, PROMPTS), random_model("llama", 0)
    rows = {row["prompt"]: row for row in outcome.tables["answers"].records()}
    leads = []
    for at, prompt in enumerate(PROMPTS):
        layers = reference.layers_after(network, ids(prompt["text"], special=True))
        right = first_tokens(prompt["answers"])
        ranks = [reference.best_rank(p, right) for p in layers]
        assert outcome.arrays["rank"].values[at].tolist() == ranks
        masses = [reference.mass(p, right) for p in layers]
        assert outcome.arrays["probability"].values[at] == pytest.approx(masses, rel=1e-4)
        if "not" in prompt:
            wrong = [reference.mass(p, first_tokens(prompt["not"])) for p in layers]
            assert outcome.arrays["wrong_probability"].values[at] == pytest.approx(wrong, rel=1e-4)
        else:
            assert np.isnan(outcome.arrays["wrong_probability"].values[at]).all()
        assert rows[at]["layer"] == reference.first_leading(ranks)
        assert rows[at]["is_right"] == (ranks[-1] == 1)
        assert outcome.metrics["asked"].value == len(PROMPTS)
        leads.append([rank == 1 for rank in ranks])
    assert outcome.arrays["right_share"].values == pytest.approx(np.mean(leads, axis=0))
    assert outcome.metrics["accuracy"].value == pytest.approx(np.mean(leads, axis=0)[-1])
    assert rows[1]["asked"] == "ate"


def test_the_reference_catches_the_worst_rank_and_a_token_that_counts_twice(llama: Path) -> None:
    prompt = {"text": "an apple", "answers": [" a", " an"]}
    twice = {"id": "twice", "text": "an apple", "answers": [" a day", " a"]}  # one first token
    outcome, network = ask(llama, [prompt, twice]), random_model("llama", 0)
    layers = reference.layers_after(network, ids("an apple", special=True))
    right, same = first_tokens(prompt["answers"]), first_tokens(twice["answers"])
    assert same[0] == same[1]
    measured = outcome.arrays["rank"].values[0].tolist()
    assert measured != [reference.best_rank(p, right, worst=True) for p in layers]
    doubled = [reference.mass(p, same, twice=True) for p in layers]
    assert outcome.arrays["probability"].values[1] != pytest.approx(doubled, rel=1e-3)


def test_the_token_that_a_model_says_is_known_to_be_right(llama: Path) -> None:
    network = random_model("llama", 0)
    p = reference.layers_after(network, ids("an apple", special=True))[-1]
    says = Tokenizer.from_str(tokenizer_json(True)).decode([p.index(max(p))])
    if ids(says) != [p.index(max(p))]:
        says = Tokenizer.from_str(tokenizer_json(True)).id_to_token(p.index(max(p)))
    outcome = ask(llama, [{"text": "an apple", "answers": says}])
    assert outcome.metrics["accuracy"].value == 1
    (row,) = outcome.tables["answers"].records()
    assert (row["rank"], row["is_right"]) == (1, True)
    assert row["layer"] == outcome.metrics["right_layer"].value


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("an apple", "prompt 0 ('an apple') has no `answers`"),
        ({"text": "an apple", "answers": []}, "prompt 0 ('an apple') has no `answers`"),
        ({"text": "an apple", "answers": [" a"], "not": [" a"]}, "' a' is in `answers` and in `not`"),
        ({"text": "an apple", "answers": ""}, "answers"),
        ({"text": "an apple", "answers": " I"}, "the first is white space and begins any word"),
    ],
)
def test_what_is_no_question_is_a_mistake_of_the_battery(prompt: Any, told: str, llama: Path) -> None:
    with pytest.raises(BatteryError) as raised:
        ask(llama, [prompt])
    assert told in str(raised.value)


def test_a_prompt_whose_answers_begin_alike_is_a_mistake_where_no_model_tells_them_apart(llama: Path) -> None:
    with pytest.raises(BatteryError) as raised:
        ask(llama, [{"text": "an apple", "answers": " a day", "not": " a"}, PROMPTS[1]])
    told = "'an apple' can be used in no model: ' a day' (␣a | ␣day) and ' a' begin with the same token"
    assert told in str(raised.value)


def test_two_prompts_of_one_name_are_a_mistake(llama: Path) -> None:
    with pytest.raises(BatteryError, match="two prompts are called 'an apple'"):
        ask(llama, [PROMPTS[0], PROMPTS[0]])


def test_numbers_of_a_prompt_do_not_depend_on_its_neighbours(llama: Path) -> None:
    together, alone = ask(llama, PROMPTS), ask(llama, PROMPTS[2:])
    for name in ("rank", "probability", "wrong_probability"):
        assert np.array_equal(together.arrays[name].values[2], alone.arrays[name].values[0])


def test_each_group_is_counted_of_those_that_were_asked(llama: Path) -> None:
    alike = {"id": "alike", "text": "an apple", "answers": " a day", "not": " a", "group": "b"}
    grouped = [{**prompt, "group": name} for prompt, name in zip(PROMPTS, "aba", strict=True)]
    with pytest.raises(BatteryError, match="begin with the same token"):
        ask(llama, [*grouped, alike])
    outcome = ask(llama, [*grouped, {"id": "last", "text": "an apple", "answers": " a"}])
    rows = outcome.tables["groups"].records()
    assert [(row["group"], row["asked"]) for row in rows] == [("a", 2), ("b", 1)]
    ranks, probabilities = (outcome.arrays[name].values[:, -1] for name in ("rank", "probability"))
    assert [row["right_count"] for row in rows] == [int((ranks[[0, 2]] == 1).sum()), int(ranks[1] == 1)]
    assert rows[0]["share"] == rows[0]["right_count"] / 2
    assert rows[0]["probability"] == pytest.approx(probabilities[[0, 2]].mean())
    assert rows[0]["low"] <= rows[0]["share"] <= rows[0]["high"] < 1.01
    assert "groups" not in ask(llama, PROMPTS).tables


def test_the_sentence_names_the_best_and_the_worst_group() -> None:
    outcome = made([True, False, False], [2] * 3)
    columns = ("group", "asked", "right_count", "share", "low", "high", "probability")
    rows = [
        ["days", 2, 1, 0.5, 0.1, 0.9, 0.3],
        ["none", 0, 0, None, None, None, None],
        ["towns", 1, 0, 0.0, 0.0, 0.8, 0.1],
    ]
    grouped = replace(outcome, tables={**outcome.tables, "groups": Table(columns, rows)})
    told = probe.statement(section(grouped))
    assert "Of the groups, it does best on days (1 of 2) and worst on towns (0 of 1)." in told
    assert "Of the groups" not in probe.statement(section(outcome))


def made(right: list[bool], layers: list[int]) -> Outcome:
    """An outcome with these answers, each of which leads from its layer on."""
    rank = np.full((len(right), 5), 9.0)
    for at, (is_right, layer) in enumerate(zip(right, layers, strict=True)):
        rank[at, layer:] = 1
        rank[at, -1] = 1 if is_right else 2
    settled = [layer for is_right, layer in zip(right, layers, strict=True) if is_right]
    rows = [[at, f"p{at}", " Paris", " Paris" if is_right else "Paris", is_right] for at, is_right in enumerate(right)]
    return Outcome(
        "right_answer", 1, {"prompts": [{"text": f"p{at}"} for at in range(len(right))]}, ("m",), "ok",
        metrics={
            "accuracy": Metric(float(np.mean(right))),
            "right_layer": Metric(float(np.median(settled)) if settled else None),
        },
        tables={
            "answers": Table(("prompt", "asked", "right", "says", "is_right"), rows),
            "skipped": Table(("text", "reason"), []),
        },
        arrays={"rank": Array(("prompt", "layer"), rank)},
    )  # fmt: skip


@pytest.mark.parametrize(("count", "label"), [(4, "mean probability over 4 prompts"),
                                              (12, "mean probability over 12 prompts (95 % band)")])  # fmt: skip
def test_an_axis_names_a_band_only_where_there_is_one(count: int, label: str) -> None:
    outcome = made([True] * count, [2] * count)
    likely = np.random.default_rng(0).uniform(size=(count, 5))
    options = {**outcome.options, "axis": "layer"}
    arrays = outcome.arrays | {
        "probability": Array(("prompt", "layer"), likely),
        "right_share": Array(("layer",), np.linspace(0, 1, 5)),
    }
    (view,) = SubjectView.each(section(replace(outcome, options=options, arrays=arrays)))
    drawn = _draw_probabilities(view, 1.0)
    assert drawn.y_label == label
    assert (drawn.curves[0].band is None) == (count == 4)


def section(*found: Outcome) -> Section:
    ids = ["m", "n"][: len(found)]
    return Section("s", dict(zip(ids, found, strict=True)), {id: ModelCard(id, id.upper(), "X", 4) for id in ids})


def test_the_sentence_counts_compares_in_pairs_and_never_calls_few_the_same() -> None:
    good, bad = [True] * 11 + [False], [False] * 11 + [True]
    told = probe.statement(section(made(good, [2] * 12), made(bad, [3] * 12)))
    assert told.startswith("M answers 11 of 12 prompts right (92%; 95 % interval 65% to 99%).")
    assert "Half of the right answers lead from layer 2 of 4 on." in told
    assert "After 1 prompt it says “Paris”, which is the answer but for the space before it: look at `answers`." in told
    assert "Half" not in probe.statement(section(made([True] * 4, [2] * 4)))
    assert "In 1 more prompt the right answer leads in an earlier layer, and is lost again." in told
    assert "the share of M less that of N is +0.83 (95 % interval" in told
    alike = probe.statement(section(made(good, [2] * 12), made(good[::-1], [2] * 12)))
    assert "no difference between M and N is shown, nor that there is none" in alike
    equal = probe.statement(section(made(good[:6], [2] * 6), made(good[:6], [2] * 6)))
    assert "nor that there is none" in equal  # six pairs that are all alike say nothing of others
    few = probe.statement(section(made(good[:4], [2] * 4), made(bad[:4], [2] * 4)))
    assert few.endswith("M and N were both asked 4 prompts: too few for an interval of their difference.")
    assert probe.tell_each_briefly(section(made(good, [2] * 12)))["m"] == (
        "11 of 12 right, half of them from layer 2 of 4 (50%) on"
    )


@pytest.mark.real
def test_real_models_know_facts_in_the_languages_of_their_tokens() -> None:
    models = {"llama": "demo:smollm2-135m-instruct", "gemma": "demo:gemma-3-270m"}
    outcomes = run_probes(models, {"facts": {"probe": "right_answer", "prompts": "answers/facts"}}).outcomes["facts"]
    llama, gemma = outcomes["llama"], outcomes["gemma"]
    assert llama.metrics["accuracy"].value == 0.8
    assert gemma.metrics["accuracy"].value == 0.55
    assert len(llama.tables["skipped"].rows) == 10  # a Chinese character is several bytes
    assert not gemma.tables["skipped"].rows
    by_prompt = {row["asked"]: row for row in gemma.tables["answers"].records()}
    assert by_prompt["一、二、三、"]["is_right"]
    assert not by_prompt["日本的首都是"]["is_right"]
