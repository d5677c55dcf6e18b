"""What differs between two tokenizers is told in one line."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from reportgen.baseline.tokenizers import tell_tokenizer_change
from reportgen.text.tokens import TextTokenizer
from tests.tiny import save_tiny, tokenizer_json


@pytest.fixture
def facts(tmp_path: Any) -> Callable[..., dict[str, Any]]:
    """What a tokenizer is made of, once its file was changed."""

    def read(change: Callable[[dict[str, Any]], object] = lambda parts: None, template: str = "") -> dict[str, Any]:
        folder = save_tiny(tmp_path / "tiny", chat_template=template)
        parts = json.loads(tokenizer_json())
        change(parts)
        (folder / "tokenizer.json").write_text(json.dumps(parts))
        return TextTokenizer.from_folder(folder).facts()

    return read


def add_token(parts: dict[str, Any]) -> None:
    size = len(parts["model"]["vocab"])
    parts["added_tokens"].append({**parts["added_tokens"][0], "id": size, "content": "<x>"})


def drop_merge(parts: dict[str, Any]) -> None:
    parts["model"]["merges"].pop()


def swap_merges(parts: dict[str, Any]) -> None:
    merges = parts["model"]["merges"]
    merges[-1], merges[-2] = merges[-2], merges[-1]


def swap_tokens(parts: dict[str, Any]) -> None:
    vocabulary = parts["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]


def rename_token(parts: dict[str, Any]) -> None:
    parts["added_tokens"][1]["content"] = "<end>"
    parts["model"]["vocab"]["<end>"] = parts["model"]["vocab"].pop("<eos>")


def lower(parts: dict[str, Any]) -> None:
    parts["normalizer"] = {"type": "Lowercase"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (add_token, "vocabulary {n} → {m}, merges the same, added token “<x>” new"),
        (drop_merge, "vocabulary the same, merges {k} → {j}"),
        (swap_merges, "vocabulary the same, other merges"),
        (swap_tokens, "vocabulary of {n} other tokens, merges the same"),
        (
            rename_token,
            "vocabulary of {n} other tokens, merges the same, added token “<end>” new, added token “<eos>” gone",
        ),
        (lower, "vocabulary the same, merges the same, another normaliser"),
        (
            lambda parts: parts.pop("post_processor"),
            "vocabulary the same, merges the same, another post-processor (what it adds, such as BOS)",
        ),
    ],
)
def test_what_differs_is_named(
    facts: Callable[..., dict[str, Any]], change: Callable[[dict[str, Any]], object], told: str
) -> None:
    was, now = facts(), facts(change)
    size, merges = was["tokens"], was["merges"]
    expected = told.format(n=size, m=size + 1, k=merges, j=merges - 1)
    assert tell_tokenizer_change(was, now) == expected


def test_another_chat_template_is_no_other_vocabulary(facts: Callable[..., dict[str, Any]]) -> None:
    told = tell_tokenizer_change(facts(), facts(template="{{ messages[0].content }}"))
    assert told == "vocabulary the same, merges the same, another chat template"


def test_what_a_file_looks_like_is_no_difference(facts: Callable[..., dict[str, Any]]) -> None:
    def write_merges_as_texts(parts: dict[str, Any]) -> None:
        parts["model"]["merges"] = [one if isinstance(one, str) else " ".join(one) for one in parts["model"]["merges"]]

    assert facts() == facts(write_merges_as_texts)


def test_merges_are_counted_as_the_file_has_them(facts: Callable[..., dict[str, Any]]) -> None:
    assert facts()["merges"] == len(json.loads(tokenizer_json())["model"]["merges"]) > 10


def test_of_a_list_that_is_cut_short_no_token_is_called_gone() -> None:
    names = [f"<{at}>" for at in range(64)]
    was = {"tokens": 100, "added": 80, "added_sha256": "a", "added_tokens": names}
    now = {"tokens": 101, "added": 81, "added_sha256": "b", "added_tokens": ["<new>", *names[:-1]]}
    assert tell_tokenizer_change(was, now) == "vocabulary 100 → 101, added token “<new>” new"


def test_of_a_bundle_that_does_not_say_it_nothing_is_told() -> None:
    assert tell_tokenizer_change(None, {"tokens": 5}) == ""
