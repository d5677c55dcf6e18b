"""A representation goes where it is said to go, while the prompt passes, and says what it holds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from reportgen.battery.reader import read_battery
from reportgen.errors import BatteryError
from reportgen.probes.patchscope import probe
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from reportgen.running.plan import make_plan
from tests.reference import patchscope as reference
from tests.runs import run_probes
from tests.tiny import LAYERS, random_model, tokenizer_json

TEXTS = ["I ate an apple", "an apple a day"]
ASKING = {"id": "what", "text": "the apple: my eye, a day", "word": "eye"}
ECHO = {"id": "echo", "text": "day -> day\neye -> ?", "word": "?"}
FAMILIES = [("llama", 0, True), ("gemma3", 1, False), ("gpt2", 2, True)]
LAST = LAYERS


def patched(source: Path | str, **options: Any) -> Outcome:
    entry = {"probe": "patchscope", "prompts": TEXTS, "targets": [ASKING], "identity": ECHO, "continue": 4, **options}
    outcome = run_probes({"m": source}, {"scope": entry}).outcomes["scope"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def ids(text: str, bos: bool = True) -> list[int]:
    return Tokenizer.from_str(tokenizer_json(bos)).encode(text).ids


def tokens_of(outcome: Outcome, prompt: int, layer: int, target_layer: int) -> list[int]:
    wanted = (prompt, layer, target_layer)
    rows = outcome.tables["tokens"].records()
    return [row["token_id"] for row in rows if (row["prompt"], row["layer"], row["target_layer"]) == wanted]


def position_of(outcome: Outcome, target: str) -> int:
    return next(row["position"] for row in outcome.tables["targets"].records() if row["target"] == target)


def section(outcome: Outcome) -> Section:
    return Section("scope", {"m": outcome}, {"m": ModelCard("m", "M", "X", LAYERS)})


@pytest.mark.parametrize(("family", "seed", "bos"), FAMILIES)
def test_answers_and_maps_against_plain_hooks(
    family: str, seed: int, bos: bool, request: pytest.FixtureRequest
) -> None:
    network = random_model(family, seed)
    outcome = patched(request.getfixturevalue(family), target_layers="all", identity_prompts=TEXTS)
    target, place = ids(ASKING["text"], bos), position_of(outcome, "what")
    echo, into = ids(ECHO["text"], bos), position_of(outcome, "echo")
    surprise = np.zeros((2, LAYERS + 1, LAYERS + 1))
    agree = np.zeros_like(surprise)
    written = set()
    for prompt, text in enumerate(TEXTS):
        read = ids(text, bos)
        own = int(network(reference.torch.tensor([read])).logits[0, -1].argmax())
        for layer in range(LAYERS + 1):
            row = reference.source(network, family, read, -1, layer)
            for onto in range(LAYERS + 1):
                if prompt == 0:
                    expected = reference.answer(network, family, target, place, onto, row, 4)
                    assert tokens_of(outcome, prompt, layer, onto) == expected
                    written.add(tuple(expected))
                logits = reference.patched_logits(network, family, echo, into, onto, row)[-1]
                surprise[prompt, layer, onto] = -logits.log_softmax(-1)[own]
                agree[prompt, layer, onto] = int(logits.argmax()) == own
    assert len(written) > 1
    found = outcome.arrays["surprisal_by_layer"].values
    assert found == pytest.approx(surprise.mean(0), abs=1e-3)
    assert outcome.arrays["precision_by_layer"].values.tolist() == agree.mean(0).tolist()
    # Into the last layer the patched prompt reads what the text's own last position reads.
    assert outcome.arrays["precision_by_layer"].values[LAST, LAST] == 1
    assert outcome.metrics["surprisal"].value == pytest.approx(surprise.mean(), abs=1e-3)
    for wrong in (np.roll(surprise, 1, 1), np.roll(surprise, 1, 2)):  # layers counted from another place
        assert np.abs(found - wrong.mean(0)).max() > 0.1


@pytest.mark.parametrize(("family", "seed", "bos"), FAMILIES)
def test_a_last_layer_that_was_normed_is_caught(
    family: str, seed: int, bos: bool, request: pytest.FixtureRequest
) -> None:
    network = random_model(family, seed)
    outcome = patched(request.getfixturevalue(family), layers=[LAST], identity_prompts=TEXTS[:1], target_layers=[1])
    read, echo = ids(TEXTS[0], bos), ids(ECHO["text"], bos)
    own = int(network(reference.torch.tensor([read])).logits[0, -1].argmax())
    right, wrong = (
        -reference.patched_logits(
            network, family, echo, position_of(outcome, "echo"), 1,
            reference.source(network, family, read, -1, LAST, normed_last=normed),
        )[-1].log_softmax(-1)[own].item()
        for normed in (False, True)
    )  # fmt: skip
    (found,) = outcome.arrays["surprisal_by_layer"].values.ravel()
    assert found == pytest.approx(right, abs=1e-3)
    assert abs(found - wrong) > 0.01


def test_patching_what_is_written_too_is_caught(llama: Path) -> None:
    network = random_model("llama")
    outcome = patched(llama, **{"continue": 6})
    target, place = ids(ASKING["text"]), position_of(outcome, "what")
    found, right, wrong = [], [], []
    for layer in range(LAYERS + 1):
        row = reference.source(network, "llama", ids(TEXTS[0]), -1, layer)
        found.append(tokens_of(outcome, 0, layer, layer))
        right.append(reference.answer(network, "llama", target, place, layer, row, 6))
        wrong.append(reference.answer(network, "llama", target, place, layer, row, 6, while_writing=True))
    assert found == right
    assert found != wrong


@pytest.mark.parametrize(("family", "seed", "bos"), FAMILIES)
def test_a_prompt_patched_with_itself_goes_on_as_it_would(
    family: str, seed: int, bos: bool, request: pytest.FixtureRequest
) -> None:
    itself = {"id": "itself", "text": TEXTS[1], "word": "day"}
    asked = {"prompts": TEXTS[1:], "targets": [itself], "identity": itself, "identity_prompts": TEXTS[1:]}
    outcome = patched(request.getfixturevalue(family), **asked)
    (control,) = outcome.tables["unpatched"].column("text")
    assert set(outcome.tables["answers"].column("text")) == {control}
    logits = random_model(family, seed)(reference.torch.tensor([ids(TEXTS[1], bos)])).logits[0, -1]
    surprise = np.diag(outcome.arrays["surprisal_by_layer"].values)
    assert surprise == pytest.approx(np.full(LAYERS + 1, -logits.log_softmax(-1).max().item()), abs=1e-4)
    assert np.diag(outcome.arrays["precision_by_layer"].values).tolist() == [1] * (LAYERS + 1)


@pytest.mark.parametrize("maps", [None, TEXTS])
@pytest.mark.parametrize("into", ["same", [0, 2]])
def test_the_plan_knows_how_many_passes_there_will_be(
    maps: list[str] | None, into: Any, llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reportgen.model.capture import shared_passes as capture

    asked = []
    real = capture.run_all
    monkeypatch.setattr(capture, "run_all", lambda model, passes: asked.append(len(passes)) or real(model, passes))
    options = {"target_layers": into, "layers": [0, 1, 3], **({} if maps is None else {"identity_prompts": maps})}
    patched(llama, **options)
    entry = {"probe": "patchscope", "prompts": TEXTS, "targets": [ASKING], "identity": ECHO, **options}
    battery = json.dumps({"models": {"m": str(llama)}, "probes": {"scope": entry}})
    (planned,) = make_plan(read_battery(battery)).models
    assert planned.further == sum(asked) > 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"layers": [0, 9]}, "layer 9 is out of range: layers go from 0 to 3"),
        ({"target_layers": [7]}, "layer 7 is out of range"),
        ({"position": 40}, r"position 40 is out of range: those of 'I ate an apple' go from 0 to \d+"),
        ({"prompts": [{"text": TEXTS[0], "word": "pear"}]}, "the word 'pear' is not in the sentence"),
        ({"targets": [{**ASKING, "word": "x"}]}, "the word 'x' is not in the sentence"),
        ({"targets": [{"id": "a", "text": "a day", "position": 99}]}, "position 99 is out of range"),
        ({"targets": [{"id": "a", "text": "a day"}]}, "which token is overwritten, by word or by position"),
        ({"targets": [{"text": "a day", "word": "day"}]}, "a target has an id"),
        ({"targets": ["descibe"]}, "there is no target 'descibe'"),
        ({"targets": [ASKING, ASKING]}, "two targets are called 'what'"),
        ({"targets": []}, "targets"),
        ({"expect": ["Apple"]}, "occurs in the target 'what' itself"),
        ({"expect": {"nobody": ["pear"]}}, "no prompt has the id or the text 'nobody'"),
        ({"continue": 64, "targets": [{**ASKING, "text": "zq" * 240 + " eye"}]}, "exceeds the context of 512"),
        ({"identity": {**ECHO, "word": "none"}, "identity_prompts": TEXTS}, "the word 'none' is not in"),
    ],
)
def test_what_cannot_be_patched_is_refused_before_any_pass(
    options: dict[str, Any], told: str, llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reportgen.model.load.load", lambda *_, **__: pytest.fail("a model was loaded"))
    with pytest.raises(BatteryError, match=told):
        patched(llama, **options)


def test_a_word_of_several_tokens_is_overwritten_at_its_last(llama: Path) -> None:
    outcome = patched(llama, prompts=[{"text": "qzw and apple", "word": "qzw"}], targets=[{**ASKING, "word": "eye"}])
    (source,) = outcome.tables["sources"].records()
    assert source["word_tokens"] == 3
    assert source["position"] == 3  # behind BOS
    assert source["token"] == "w"


def test_shipped_targets_are_asked_for_by_their_ids_and_their_text_is_stored(llama: Path) -> None:
    outcome = patched(llama, targets=["describe", "secret"], layers=[1])
    stored = {target["id"]: target for target in outcome.options["targets"]}
    assert list(stored) == ["describe", "secret"]
    assert stored["describe"]["text"].endswith("consumer electronics corporation, x")
    rows = {row["target"]: row for row in outcome.tables["targets"].records()}
    assert rows["describe"]["token"].strip() == "x"
    assert "identity" not in rows


def test_answers_end_where_the_target_says() -> None:
    from reportgen.probing.patch_targets import Target

    one = Target(id="a", text="b x", word="x")
    assert one.answer("\n apple\npear") == "apple"
    assert one.model_copy(update={"until": ","}).answer(": an apple, a pear") == ": an apple"
    assert one.answer("") == ""


def test_what_a_target_says_unpatched_is_no_naming(llama: Path) -> None:
    free = patched(llama, layers=[0])
    (control,) = free.tables["unpatched"].column("answer")
    assert control.strip()
    outcome = patched(llama, expect=[control])
    assert outcome.metrics["named_share"].value is None
    assert outcome.metrics["named_share"].reason == "every target names what is expected unpatched"


def test_the_statement_names_the_first_layer_or_none(llama: Path) -> None:
    free = patched(llama)
    (control,) = free.tables["unpatched"].column("answer")
    rows = [row for row in free.tables["answers"].records() if row["prompt"] == 0]
    word, layer = next(
        (row["answer"], row["layer"]) for row in rows if row["answer"].casefold() not in control.casefold()
    )
    outcome = patched(llama, expect={TEXTS[0]: [word]})
    told = probe.statement(section(outcome))
    assert f"M names “{TEXTS[0]}” at" in told
    assert f"from layer {layer} (“{word}”)" in told
    assert outcome.metrics["first_layer"].value == layer
    nothing = probe.statement(section(patched(llama, expect=["zebra"])))
    assert nothing == "No clear statement about M: no layer's answer contains an expected word."
    assert probe.statement(section(free)) == "No clear statement about M: no word is expected."


def test_figures_hold_a_row_a_layer_and_maps_all_layers(llama: Path) -> None:
    outcome = patched(llama, layers=[0, 1, 3], identity_prompts=TEXTS)
    figures = {figure.name: figure for figure in probe.figures(section(outcome))}
    assert figures["answers-0-0"].rows == ["3", "1", "0"]
    precision = figures["identity-precision"].values
    assert precision.shape == (LAYERS + 1, LAYERS + 1)
    assert np.isnan(precision[2]).all()
    assert precision[3, 3] == outcome.arrays["precision_by_layer"].values[2, 2]
    assert outcome.arrays["precision_by_layer"].along("layer") == (0, 1, 3)
    again = patched(llama, layers=[0, 1, 3], identity_prompts=TEXTS)
    assert again.tables == outcome.tables


@pytest.mark.real
def test_gemma_names_princess_diana_in_a_middle_layer(gemma_folder: Path) -> None:
    """Layer 7 of 18 writes the name with the vector of " Wales"; the target alone does not."""
    outcome = patched(
        "demo:gemma-3-270m",
        prompts=["Diana, Princess of Wales"],
        targets=["describe"],
        layers=[0, 7, 12],
        expect=["Diana"],
        **{"continue": 12},
    )
    answers = {row["layer"]: row for row in outcome.tables["answers"].records()}
    assert answers[7]["answer"] == ": British actress, singer, and fashion designer, Princess Diana"
    assert [layer for layer, row in answers.items() if row["named"]] == [7]
    assert "Diana" not in outcome.tables["unpatched"].rows[0][1]
    (source,) = outcome.tables["sources"].records()
    assert source["token"] == " Wales"
