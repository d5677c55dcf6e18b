"""A prompt stands once in results.json, however many models were asked; older bundles read as they did."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportgen.errors import BundleError
from reportgen.results import schema
from reportgen.results.bundle import Bundle, load_bundle, write_numbers
from reportgen.results.quantities import Outcome, Table
from reportgen.results.section import ModelCard
from reportgen.results.shared_texts import SHORTEST, restore_texts, share_texts

PROMPT = "A prompt of some length, which every model of the battery is asked."


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    asked = {"prompts": [{"text": PROMPT, "word": "prompt"}], "seed": 0}
    sets = {"own/set": {"title": "A set", "source": "", "what_to_see": PROMPT}}
    table = Table(("prompt", "text"), [[0, PROMPT], [1, "short"], [2, "x" * SHORTEST]])
    outcomes = {
        id: Outcome("word_similarity", 1, asked, (id,), "ok", tables={"prompts": table}, prompt_sets=sets)
        for id in ("a", "b")
    }
    models = {id: ModelCard(id, f"Model {id}", "XForCausalLM", 7, {}) for id in ("a", "b")}
    (tmp_path / "bundle").mkdir()
    write_numbers(tmp_path / "bundle", Bundle(None, "T", models, {"words": outcomes}))
    return tmp_path / "bundle"


def content_of(bundle: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((bundle / "results.json").read_text())
    return content


def test_a_prompt_stands_once_in_the_file_and_everywhere_in_what_is_read(stored: Path) -> None:
    assert (stored / "results.json").read_text().count(PROMPT) == 1
    assert content_of(stored)["texts"] == [PROMPT, "x" * SHORTEST]
    for outcome in load_bundle(stored)["words"].values():
        assert outcome.options["prompts"][0] == {"text": PROMPT, "word": "prompt"}
        assert outcome.prompt_sets["own/set"]["what_to_see"] == PROMPT
        assert outcome.tables["prompts"].rows == [[0, PROMPT], [1, "short"], [2, "x" * SHORTEST]]


def test_a_short_text_stays_where_it_is(stored: Path) -> None:
    assert (stored / "results.json").read_text().count('"short"') == 2


def test_a_bundle_of_schema_1_is_read_as_the_same(stored: Path) -> None:
    expected, content = load_bundle(stored), content_of(stored)
    older = content | {"schema": 1, "results": restore_texts(content["results"], content["texts"], 10**6)}
    del older["texts"]
    (stored / "results.json").write_text(json.dumps(older))
    assert load_bundle(stored) == expected


def test_what_looks_like_a_reference_in_an_older_bundle_is_none(stored: Path) -> None:
    content = content_of(stored)
    older = {**content, "schema": 1, "texts": ["wrong"]}
    (stored / "results.json").write_text(json.dumps(older))
    with pytest.raises(BundleError, match="a cell of it is a mapping"):
        load_bundle(stored)


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        (2, r"results.words.b.options.prompts\[0\].text: 2 is none of the bundle's 2 texts"),
        (-1, "-1 is none of the bundle's 2 texts"),
        (True, "true is none of the bundle's 2 texts"),
        ("0", "'0' is none of the bundle's 2 texts"),
        ({"$text": 0}, "a mapping is none of the bundle's 2 texts"),
    ],
)
def test_a_reference_to_no_text_is_one_clear_line(stored: Path, reference: Any, told: str) -> None:
    content = content_of(stored)
    content["results"]["words"]["b"]["options"]["prompts"][0]["text"] = {"$text": reference}
    (stored / "results.json").write_text(json.dumps(content))
    with pytest.raises(BundleError, match=told):
        load_bundle(stored)


@pytest.mark.parametrize("texts", [None, {}, [1], ["a", None]])
def test_texts_that_are_none_are_one_clear_line(stored: Path, texts: Any) -> None:
    (stored / "results.json").write_text(json.dumps(content_of(stored) | {"texts": texts}))
    with pytest.raises(BundleError, match=r"results\.json: the bundle is damaged: texts"):
        load_bundle(stored)


def test_a_short_file_cannot_become_a_long_one(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MOST_BYTES", 10_000)
    content = content_of(stored)
    content["results"]["words"]["a"]["tables"]["prompts"]["rows"] = [[0, {"$text": 0}]] * 200
    (stored / "results.json").write_text(json.dumps(content))
    with pytest.raises(BundleError, match="the bundle says more than 10,000 characters"):
        load_bundle(stored)


KEYS = st.sampled_from(["text", "$text", "$$text", "$$$text", "undefined", "a"])
TEXTS = st.sampled_from([PROMPT, "x" * SHORTEST, "x" * (SHORTEST - 1), "", "$text"])
PARTS = st.recursive(
    TEXTS | st.integers() | st.none(), lambda below: st.lists(below) | st.dictionaries(KEYS, below), max_leaves=20
)


@given(PARTS, PARTS)
def test_whatever_is_shared_is_restored(options: Any, tables: Any) -> None:
    results = {"p": {"m": {"options": options, "status": "ok", "tables": tables}}}
    shared, texts = share_texts(results)
    assert restore_texts(shared, texts, 10**6) == results
    assert all(json.dumps(shared).count(json.dumps(text)) == 0 for text in texts)
