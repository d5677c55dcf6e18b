"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reportgen.language import say
from reportgen.probing.view import SubjectView

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ShownWord:
    """A word that is drawn alone, whether it is part of the mean or not."""

    sense: str
    source: str
    """Its word in the source language, with which its prompt ends."""
    pivot: str
    in_mean: bool
    shared: Sequence[str]
    """The tokens that begin it both in the pivot language and in another."""
    probability: NDArray[Any]
    """(language x layer)"""


def shown_words(view: SubjectView) -> list[ShownWord]:
    """The words asked for by name; none in bundles that hold none."""
    rows = view.rows("shown") if "shown" in view.outcome.tables else []
    return [
        ShownWord(
            sense=row["sense"],
            source=row["source"],
            pivot=row["pivot"],
            in_mean=row["in_mean"],
            shared=list(dict.fromkeys(row["shared"].split(" | "))) if row["shared"] else [],
            probability=view.values(f"shown_probability/{row['item']}"),
        )
        for row in rows
    ]


def find_example(view: SubjectView) -> tuple[Mapping[str, Any], frozenset[int]]:
    """The word whose prompt is shown layer by layer, and the tokens that begin it in the pivot language."""
    sense = view.rows("example")[0]["sense"]
    for words, tokens in (("items", "tokens"), ("shown", "shown_tokens")):
        for row in view.rows(words):
            if row["sense"] == sense:
                counted = (one for one in view.rows(tokens) if one["item"] == row["item"] and one["component"] == 0)
                return row, frozenset(one["token_id"] for one in counted)
    raise LookupError(sense)


def _language(tag: str) -> str:
    """What a reader calls a language; its tag where we have no word for it."""
    names = {
        "de": say("latent_language.de", "German"),
        "en": say("latent_language.en", "English"),
        "fr": say("latent_language.fr", "French"),
        "zh": say("latent_language.zh", "Chinese"),
        "zh-TW": say("latent_language.zh_tw", "Traditional Chinese"),
    }
    return names.get(tag, tag)


def language_names(view: SubjectView) -> list[str]:
    """(component)"""
    return [_language(tag) for tag in view.column("languages", "language")]


def tell_way(view: SubjectView) -> str:
    """From which language into which."""
    source, target = (_language(view.options[role]) for role in ("source", "target"))
    return say("latent_language.way", "{source} → {target}", source=source, target=target)
