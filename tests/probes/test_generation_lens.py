from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.probes.generation_lens import probe
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from tests.reference import generation_lens as reference
from tests.runs import run_probes
from tests.tiny import random_model, save_tiny, tokenizer_json

TEXTS = ["I ate an apple", "an apple a day"]
FAMILIES = [("llama", 0, True), ("gemma3", 1, False), ("gpt2", 2, True)]
DRAWN = {"temperature": 1.5, "top_k": 40, "top_p": 0.9, "attempts": 3, "seed": 7, "continue": 4}


def written(source: Path | str, beside: dict[str, Any] | None = None, **options: Any) -> Outcome:
    probes = {"trace": {"probe": "generation_lens", "prompts": TEXTS, "continue": 5, **options}, **(beside or {})}
    outcome = run_probes({"m": source}, probes).outcomes["trace"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def ids(text: str, bos: bool = True) -> list[int]:
    return Tokenizer.from_str(tokenizer_json(bos)).encode(text).ids


def tokens_of(outcome: Outcome, prompt: int, attempt: int = 0) -> list[int]:
    rows = outcome.tables["written"].records()
    return [row["token_id"] for row in rows if (row["prompt"], row["attempt"]) == (prompt, attempt)]


@pytest.mark.parametrize(("family", "seed", "bos"), FAMILIES)
def test_against_generate_and_the_plain_lens(family: str, seed: int, bos: bool, request: pytest.FixtureRequest) -> None:
    network = random_model(family, seed)
    outcome = written(request.getfixturevalue(family))
    top = outcome.tables["top"].records()
    for prompt, text in enumerate(TEXTS):
        tokens = reference.greedy(network, ids(text, bos), 5)
        assert tokens_of(outcome, prompt) == tokens
        for step, by_layer in enumerate(reference.lens(network, family, ids(text, bos), tokens)):
            for layer, p in enumerate(by_layer):
                assert outcome.arrays["probability"].values[prompt, 0, step, layer] == pytest.approx(
                    p[tokens[step]].item(), abs=1e-4
                )
                assert outcome.arrays["rank"].values[prompt, 0, step, layer] == 1 + int((p > p[tokens[step]]).sum())
                first = next(row for row in top if [row[n] for n in ("prompt", "step", "layer", "rank")]
                             == [prompt, step, layer, 1])  # fmt: skip
                assert first["token_id"] == int(p.argmax())
        assert np.isnan(outcome.arrays["rank"].values[prompt, 0, len(tokens) :]).all()


@pytest.mark.parametrize(("family", "seed", "bos"), FAMILIES)
def test_draws_against_the_samplers_of_transformers(
    family: str, seed: int, bos: bool, request: pytest.FixtureRequest
) -> None:
    network = random_model(family, seed)
    outcome = written(request.getfixturevalue(family), **DRAWN)
    settings = {"temperature": 1.5, "top_k": 40, "top_p": 0.9, "seed": 7, "ends": {1}}
    attempts = []
    for attempt in range(3):
        tokens = reference.drawn(network, ids(TEXTS[0], bos), 4, attempt=attempt, **settings)
        assert tokens_of(outcome, 0, attempt) == tokens
        attempts.append(tokens)
        by_step = reference.lens(network, family, ids(TEXTS[0], bos), tokens)
        found = outcome.arrays["probability"].values[0, attempt, : len(tokens), -1]
        expected = [by_layer[-1][token].item() for by_layer, token in zip(by_step, tokens, strict=True)]
        assert found == pytest.approx(expected, abs=1e-4)  # of the token that was drawn, not of the likeliest
    assert len({tuple(tokens) for tokens in attempts}) > 1


def test_the_reference_catches_cuts_before_the_temperature(llama: Path) -> None:
    outcome = written(llama, **{**DRAWN, "temperature": 4.0, "attempts": 6})
    settings = {"temperature": 4.0, "top_k": 40, "top_p": 0.9, "seed": 7, "ends": {1}}
    network = random_model("llama")
    right, wrong = (
        [reference.drawn(network, ids(TEXTS[0]), 4, attempt=a, cut_first=first, **settings) for a in range(6)]
        for first in (False, True)
    )
    found = [tokens_of(outcome, 0, attempt) for attempt in range(6)]
    assert found == right
    assert found != wrong


def test_draws_are_the_same_whatever_runs_beside_them(llama: Path) -> None:
    alone = written(llama, prompts=TEXTS[1:], **DRAWN)
    lens = {"probe": "logit_lens", "prompts": TEXTS, "continue": 3}
    other = {"probe": "generation_lens", "prompts": TEXTS, **DRAWN, "continue": 6}
    together = written(llama, {"lens": lens, "other": other}, **DRAWN)
    for attempt in range(3):
        assert tokens_of(together, 1, attempt) == tokens_of(alone, 0, attempt)
    assert together.arrays["probability"].values[1:].tobytes() == alone.arrays["probability"].values.tobytes()


def test_another_seed_draws_others_and_the_likeliest_need_none(llama: Path) -> None:
    one, other = (written(llama, **{**DRAWN, "seed": seed}) for seed in (1, 2))
    assert one.tables["written"].rows != other.tables["written"].rows
    sure = written(llama, temperature=1, top_k=1)  # nothing else can be drawn
    assert sure.tables["written"].rows == written(llama).tables["written"].rows


def test_a_prompt_passes_the_model_once_for_the_lens_and_for_the_trace(llama: Path) -> None:
    from reportgen.battery.reader import read_battery
    from reportgen.running.plan import make_plan

    probes = '"trace": {"probe": "generation_lens", "prompts": ["an apple"], "continue": 4}, ' \
             '"lens": {"probe": "logit_lens", "prompts": ["an apple"], "continue": 2}'  # fmt: skip
    (planned,) = make_plan(read_battery(f'{{"models": {{"m": "{llama}"}}, "probes": {{{probes}}}}}')).models
    assert planned.prompts == 1
    assert planned.tokens == len(ids("an apple")) + 3
    needs = {single.needs for case in planned.cases for single in case.passes}
    assert len(needs) == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"attempts": 3}, "attempts: without a temperature decoding is greedy"),
        ({"top_k": 3, "top_p": 0.5}, "top_k and top_p: without a temperature"),
        ({"temperature": 0}, "temperature"),
        ({"prompts": []}, "prompts"),
        ({"continue": 0}, "continue"),
        ({"prompts": ["zq" * 250], "continue": 20}, r"tokens and 19 after it exceeds the context of 512"),
    ],
)
def test_what_cannot_be_written_is_refused_before_any_pass(options: dict[str, Any], told: str, llama: Path) -> None:
    with pytest.raises(BatteryError, match=told):
        written(llama, **options)


def test_an_end_token_at_once_is_shown_as_such(tmp_path: Path) -> None:
    import json

    source = save_tiny(tmp_path / "ends")
    first = reference.greedy(random_model("llama"), ids(TEXTS[0]), 1)[0]
    settings = json.loads((source / "generation_config.json").read_text())
    (source / "generation_config.json").write_text(json.dumps({**settings, "eos_token_id": first}))
    for steps in (1, 4):
        outcome = written(source, prompts=TEXTS[:1], **{"continue": steps})
        assert outcome.tables["attempts"].rows == [[0, 0, 0, True, ""]]
        assert tokens_of(outcome, 0) == [first]
        assert outcome.metrics["mean_length"].value == 0
        section = Section("trace", {"m": outcome}, {"m": ModelCard("m", "M", "X", 3)})
        assert probe.statement(section) == "After “I ate an apple”, M ends at once."
        (grid,) = probe.figures(section)
        assert len(grid.columns) == 1


def test_chats_are_read_through_their_template(tmp_path: Path) -> None:
    model = save_tiny(tmp_path / "chat", chat_template="{% for m in messages %}<bos>{{ m.content }}{% endfor %}")
    chat = written(model, prompts=[{"messages": [{"role": "user", "content": TEXTS[0]}]}])
    assert chat.tables["written"].rows == written(model, prompts=TEXTS[:1]).tables["written"].rows


FISH = "熱帶魚：🐠\n狗：🐶\n貓：🐱\n熱帶魚："
SEAT = "apple: 🍎\nseat: 💺\nbook: 📖\nseat:"


@pytest.fixture(scope="module")
def real() -> dict[str, Outcome]:
    models = {"llama": "demo:smollm2-135m-instruct", "gemma": "demo:gemma-3-270m"}
    prompts = [FISH, SEAT, "Is there a seahorse emoji?"]
    cut = {"probe": "generation_lens", "models": ["llama"], "prompts": [FISH], "continue": 2, "k": 1}
    probes = {"trace": {"probe": "generation_lens", "prompts": prompts, "continue": 5, "k": 2}, "cut": cut}
    outcomes = run_probes(models, probes).outcomes
    return {**outcomes["trace"], "cut": outcomes["cut"]["llama"]}


def spelled(outcome: Outcome, prompt: int) -> list[tuple[str, str]]:
    rows = outcome.tables["characters"].records()
    return [(row["bytes"], row["character"]) for row in rows if row["prompt"] == prompt]


@pytest.mark.real
def test_smollm2_writes_a_fish_in_three_tokens_and_gemma_a_seat_in_four(real: dict[str, Outcome]) -> None:
    assert ("F0 9F · 90 · A0", "🐠") in spelled(real["llama"], 0)
    assert ("F0 9F 90 A0", "🐠") in spelled(real["gemma"], 0)
    assert ("F0 · 9F · 92 · BA", "💺") in spelled(real["gemma"], 1)
    shown = [row["shown"] for row in real["llama"].tables["written"].records() if row["prompt"] == 0]
    assert shown[:3] == ["<F0 9F>", "<90>", "<A0>→🐠"]
    # A guess of a cell stays what it is, whatever stands beside it.
    top = real["llama"].tables["top"].records()
    assert not any("🐠" in row["token"] or "→" in row["token"] for row in top if row["prompt"] == 0)


@pytest.mark.real
def test_a_fragment_left_alone_is_shown_as_its_bytes(real: dict[str, Outcome]) -> None:
    assert spelled(real["cut"], 0) == [("F0 9F · 90", "<F0 9F 90>")]
    assert [row["shown"] for row in real["cut"].tables["written"].records()] == ["<F0 9F>", "<90>"]
    assert real["cut"].metrics["emoji_share"].value == 0


@pytest.mark.real
def test_smollm2_answers_the_question_with_the_end_token_and_gemma_with_prose(real: dict[str, Outcome]) -> None:
    assert real["llama"].tables["attempts"].rows[2] == [2, 0, 0, True, ""]
    assert real["gemma"].tables["attempts"].rows[2][2:4] == [5, False]
    cards = {id: ModelCard(id, id, "X", 3) for id in ("llama", "gemma")}
    section = Section("trace", {id: real[id] for id in cards}, cards)
    told = probe.statement(section)
    assert "After “Is there a seahorse emoji?”, llama ends at once." in told
    assert "llama writes 🐠 after “熱帶魚" in told
    curves = [figure for figure in probe.figures(section) if figure.name == "emoji-0-0"]
    assert [curve.label for curve in curves[0].curves] == ["1: <F0 9F>", "2: <90>", "3: <A0>→🐠"]
    assert len(curves[1].curves) == 1


def test_of_a_text_without_emoji_the_surest_and_the_least_sure_token_are_told(llama: Path) -> None:
    outcome = written(llama, prompts=TEXTS[:1])
    cards = {"m": ModelCard("m", "M", "X", 3)}
    rows = outcome.tables["written"].records()[: outcome.tables["attempts"].rows[0][2]]
    shares = outcome.arrays["probability"].values[0, 0, : len(rows), -1]
    surest, least = (str(rows[int(at)]["shown"]).replace(" ", "␣") for at in (shares.argmax(), shares.argmin()))
    assert not outcome.tables["tried_again"].rows
    assert (outcome.metrics["retries"].value, outcome.metrics["self_corrections"].value) == (0, 0)
    told = probe.statement(Section("trace", {"m": outcome}, cards))
    assert told.startswith("After “I ate an apple”, M writes “")
    assert f"it is surest of “{surest}” (" in told
    assert f"and least sure of “{least}” (" in told
    one = written(llama, prompts=TEXTS[:1], **{"continue": 1})
    assert "After “I ate an apple”, M writes one token: “" in probe.statement(Section("trace", {"m": one}, cards))


def test_retries_and_self_corrections_are_counted_and_told(llama: Path) -> None:
    outcome = written(llama, prompts=TEXTS[:1])
    emoji = [[0, 0, 5, 5, 1, "F0 9F 90 A0", "🐠", "emoji"], [0, 0, 8, 8, 1, "F0 9F 90 B4", "🐴", "emoji"]]
    tables = {
        **outcome.tables,
        "characters": replace(outcome.tables["characters"], rows=emoji),
        "tried_again": replace(
            outcome.tables["tried_again"],
            rows=[[0, 0, 8, "🐠", "🐴", 2, "wait"], [0, 0, 12, "🐴", "🦄", 3, ""]],
        ),
    }
    section = Section("trace", {"m": replace(outcome, tables=tables)}, {"m": ModelCard("m", "M", "X", 3)})
    told = probe.statement(section)
    assert "It tries again 2 times after an emoji (first 🐴 after 🐠)." in told
    assert "1 of these is a self-correction, after “wait”." in told
    none = {**tables, "tried_again": replace(tables["tried_again"], rows=[])}
    section = Section("trace", {"m": replace(outcome, tables=none)}, {"m": ModelCard("m", "M", "X", 3)})
    assert "It never tries again after an emoji." in probe.statement(section)


def test_where_the_right_answer_is_expected_and_whether_the_text_has_it(gemma3: Path) -> None:
    plain = written(gemma3, prompts=TEXTS[:1])
    last = plain.tables["attempts"].rows[0][2] - 1
    token = plain.tables["written"].rows[last]
    answer = Tokenizer.from_str(tokenizer_json()).decode([token[4]])
    outcome = written(gemma3, prompts=[{"text": TEXTS[0], "answers": answer}, {"text": TEXTS[1], "answers": ["zebra"]}])
    assert outcome.arrays["rank"].values[0].tobytes() == plain.arrays["rank"].values[0].tobytes()
    one, other = outcome.tables["answered"].records()
    top = outcome.tables["top"].records()
    likeliest = {(row["step"], row["layer"]): row["token_id"] for row in top if (row["prompt"], row["rank"]) == (0, 1)}
    places = [place for place in sorted(likeliest) if likeliest[place] == token[4] and place[1] >= 1]  # 0.25 of 3
    assert (one["step"], one["layer"]) == places[0]
    own = min(step for step, layer in places if layer == 3)
    assert one["own_step"] == own
    held = [layer for layer in range(4) if all(likeliest[own, above] == token[4] for above in range(layer, 4))]
    assert one["own_layer"] == held[0]
    assert other["right"] == ""
    assert outcome.metrics["right"].value == sum(bool(row["right"]) for row in (one, other)) / 2
    assert plain.metrics["right"].reason == "no prompt says what is right"
    section = Section("w", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)})
    assert "Tiny writes the right answer after " in probe.statement(section)
    assert "answers" in [figure.name for figure in probe.figures(section)]


@pytest.mark.real
def test_gemma_that_is_made_to_write_two_animals_on_a_line_tries_again() -> None:
    pattern = "dog: 🐶 no, 🐱\nfish: 🐟 no, 🐠\nhorse: 🐴 no, 🦄\ncow: 🐮 no,"
    outcome = written("demo:gemma-3-270m", prompts=[pattern], **{"continue": 14})
    rows = outcome.tables["tried_again"].records()
    assert outcome.metrics["retries"].value == len(rows)
    assert rows, outcome.tables["attempts"].rows
    assert rows[0]["takes_back"] == "no"
    assert outcome.metrics["self_corrections"].value == sum(bool(row["takes_back"]) for row in rows)


def test_followed_words_are_read_before_every_written_token(gemma3: Path) -> None:
    asked = {"prompts": TEXTS[:1], "follow": [" apple", " day"], "continue": 3}
    outcome = written(gemma3, **asked)
    ranks = outcome.arrays["follow_rank/0"].values
    assert ranks.shape == (len(outcome.tables["written"].rows), 2, 4)
    lens = run_probes({"m": gemma3}, {"lens": {"probe": "logit_lens", **asked}}).outcomes["lens"]["m"]
    np.testing.assert_array_equal(ranks, lens.arrays["follow_rank/0"].values[: len(ranks)])
    section = Section("w", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)})
    assert "“␣apple” " in probe.statement(section)
    assert [one.name for one in probe.figures(section)][-2:] == ["follow-probability-0", "follow-rank-0"]
