"""Names beside the numbers of prompts, in probes that do not count as their options do."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from reportgen.results.prompt_names import name_along, name_prompts, name_rows
from reportgen.results.quantities import Outcome
from tests.runs import run_probes
from tests.tiny import save_tiny


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny")


def run(tiny: Path, **options: Any) -> Outcome:
    outcome = run_probes({"m": tiny}, {"p": options}).outcomes["p"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def test_prompts_that_are_left_out_shift_the_numbers_of_tables_and_not_those_of_coordinates(
    tiny: Path, tmp_path: Path
) -> None:
    letters = Path(shutil.copytree(tiny, tmp_path / "letters"))  # for which a word is never one token
    tokenizer = json.loads((letters / "tokenizer.json").read_text())
    tokenizer["model"]["merges"] = []
    (letters / "tokenizer.json").write_text(json.dumps(tokenizer))
    prompts = [{"text": "I ate an", "id": "gone"}, {"text": "the apple of my", "id": "kept"}]
    asked = {"probe": "attribution", "prompts": prompts, "answers": [" apple", "a"]}
    both = run_probes({"words": tiny, "letters": letters}, {"p": asked}).outcomes["p"]
    assert name_prompts(both["words"]) == {0: "gone", 1: "kept"}
    outcome = both["letters"]
    assert outcome.tables["prompts"].rows[0][:2] == [0, "the apple of my"]
    assert name_prompts(outcome) == {0: "kept"}
    assert outcome.arrays["logit"].along("prompt") == (1,)
    assert name_along(outcome, outcome.arrays["logit"]) == ("kept",)
    named = name_rows(outcome.tables["answers"], "Tiny", name_prompts(outcome))
    assert named.column("prompt_id") == ["kept"]
    skipped = name_rows(outcome.tables["skipped"], "Tiny", name_prompts(outcome))
    assert skipped.columns == ("model", "prompt", "reason")


def test_halves_of_pairs_are_counted_pair_by_pair(tiny: Path) -> None:
    prompts = [
        {"text": "an apple a day", "pair": "one", "group": "clean", "id": "day"},
        {"text": "the apple of my", "pair": "two", "group": "clean", "id": "my"},
        {"text": "an apple an day", "pair": "one", "group": "corrupted", "id": "an"},
        {"text": "the apple of an", "pair": "two", "group": "corrupted", "id": "of an"},
    ]
    outcome = run(tiny, probe="activation_patching", prompts=prompts, answers=[["a", "I"]], sites=["residual"])
    texts = dict(zip(*(outcome.tables["prompts"].column(name) for name in ("prompt", "text")), strict=True))
    ids = {prompt["text"]: prompt["id"] for prompt in prompts}
    assert [texts[number] for number in range(4)] != [prompt["text"] for prompt in prompts]
    assert name_prompts(outcome) == {number: ids[text] for number, text in texts.items()}


def test_only_prompts_have_the_names_of_prompts(tiny: Path) -> None:
    outcome = run(
        tiny, probe="steering", towards=["an apple", "a day"], away=["an eye", "my eye"], harmless=["of my eye"],
        prompts=[{"text": "the apple for breakfast", "id": "breakfast"}, "I ate"], score="cosine", coefficients=[1.0],
        **{"continue": 2},
    )  # fmt: skip
    names = name_prompts(outcome)
    assert names == {0: "breakfast", 1: "I ate"}
    assert "prompt_id" not in name_rows(outcome.tables["read"], "Tiny", names).columns  # which counts within each side
    texts = name_rows(outcome.tables["texts"], "Tiny", names)
    for number, name in zip(texts.column("prompt"), texts.column("prompt_id"), strict=True):
        assert name == names.get(number)
