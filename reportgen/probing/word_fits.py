"""Whether what was read of a word is the word, in words: what a probe says that follows a word through sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reportgen.language import list_items, say, say_count
from reportgen.probing.view import SubjectView

TOLD = 3
"""Larger tokens, or bytes, that a sentence quotes."""


def refuse_verdict(view: SubjectView) -> str:
    """Why nothing is concluded across the sentences: it is its own tokens in one and something else in another.

    Empty where it is read alike in all of them, where the option `accept_parts` is on, and in bundles that do not say.
    """
    rows = _word_rows(view)
    if view.options.get("accept_parts") or not _differ(rows):
        return ""
    exact = sum(row["fit"] == "exact" for row in rows)
    own = say_count("words.own", "its own tokens once", "its own tokens {count} times", exact) if exact else ""
    ways = [own, *_tell_others(rows)]
    return say(
        "words.no_verdict",
        "No verdict on {model}: the word is not read the same way in each sentence; it is {ways}. accept_parts: "
        "true compares them anyway.",
        model=view.name,
        ways=list_items([way for way in ways if way]),
    )


def tell_refusal_briefly() -> str:
    """That nothing is concluded, in a few words."""
    return say("words.brief_no_verdict", "no verdict: the word is not the same tokens in each sentence")


def tell_parts(view: SubjectView) -> str:
    """Where what is read is not just the word, though alike in all sentences, or accepted; empty where it is."""
    others = _tell_others(_word_rows(view))
    if not others:
        return ""
    return say("words.not_alone", "In {model} the word is {ways}.", model=view.name, ways=list_items(others))


def _word_rows(view: SubjectView) -> list[dict[str, Any]]:
    return view.rows("words") if "words" in view.outcome.tables else []


def _differ(rows: Sequence[dict[str, Any]]) -> bool:
    """Whether other things are read in some sentences than in others: of one word also where it is in other tokens."""
    larger: dict[str, set[str]] = {}
    for row in rows:
        if row["fit"] == "inside":
            larger.setdefault(row["word"], set()).add(row["tokens"])
    return len({row["fit"] for row in rows}) > 1 or any(len(tokens) > 1 for tokens in larger.values())


def _tell_others(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The larger tokens that hold the word, and the bytes in which it ends."""
    found = []
    for fit in ("inside", "bytes"):
        tokens = list(dict.fromkeys(row["tokens"] for row in rows if row["fit"] == fit))
        if not tokens:
            continue
        quoted = list_items(
            [say("words.quoted", "“{tokens}”", tokens=one) for one in tokens[:TOLD]] + (["…"] if tokens[TOLD:] else [])
        )
        if fit == "inside":
            found.append(say("words.inside", "part of what is read as {tokens}", tokens=quoted))
        else:
            found.append(say("words.bytes", "read at the last of its bytes in {tokens}", tokens=quoted))
    return found
