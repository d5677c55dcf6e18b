"""Words that are followed through the layers: how a probe keeps them, and how figures and sentences show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Curve, Curves
from reportgen.language import list_items, say, say_count
from reportgen.numerals import write_count, write_ranges
from reportgen.probing.axes import fit_axes
from reportgen.probing.parts import describe_curves
from reportgen.probing.probe import axis_label, place_layers
from reportgen.probing.view import SubjectView
from reportgen.results.quantities import Rows, table
from reportgen.text.answer_tokens import FollowedWord
from reportgen.text.characters import mark_space
from reportgen.text.tokens import TextTokenizer

FOLLOW_RANK, FOLLOW_PROBABILITY = "follow_rank", "follow_probability"
"""Arrays (step x item x layer), one per trace, that a probe with followed words has."""


def followed_table() -> Any:
    """A field of followed words, which `followed_rows` fills."""
    return table("item", "text", "token_id", "token", "pieces")


def followed_rows(tokenizer: TextTokenizer, words: Sequence[FollowedWord]) -> Rows:
    """Rows of a `followed` table: `pieces` is how many tokens the word has, of which the first is followed."""
    return [[at, word.text, word.token, tokenizer.show(word.token), word.pieces] for at, word in enumerate(words)]


@dataclass(frozen=True)
class Followed:
    """A followed word where one step of a trace is read."""

    label: str
    """Its token, and the word if it has several."""
    token_id: int
    ranks: NDArray[np.float32]
    """(layer) from 1."""
    probabilities: NDArray[np.float32]
    """(layer)"""


def followed_at(view: SubjectView, trace: int, step: int = 0) -> list[Followed]:
    """The followed words at a step of a trace; none in bundles that hold none."""
    rows = view.rows("followed") if "followed" in view.outcome.tables else []
    if not rows:
        return []
    ranks, probabilities = (view.values(f"{name}/{trace}")[step] for name in (FOLLOW_RANK, FOLLOW_PROBABILITY))
    labels = [_label(str(row["text"]), str(row["token"]), row["pieces"]) for row in rows]
    ids = [row["token_id"] for row in rows]
    return [Followed(*one) for one in zip(labels, ids, ranks, probabilities, strict=True)]


def _label(text: str, token: str, pieces: int) -> str:
    if pieces == 1:
        return mark_space(token)
    return say(
        "followed.first_of",
        "{token} (first of {count} tokens of {text})",
        token=mark_space(token),
        count=pieces,
        text=mark_space(text),
    )


def draw_followed(
    shown: Sequence[tuple[SubjectView, str, Sequence[Followed]]], number: str, *, relative: bool
) -> list[Curves]:
    """Probability and rank of the followed words over the layers, all models on one scale.

    Args:
        shown: models, each with where it is read in words (“after …”) and the followed words there.
        number: what ends the figures' names.
        relative: whether layers are shares of the depth.
    """
    some = [one for one in shown if one[2]]
    found = []
    for name, label in _labels().items():
        values = [_drawn_values(words, name) for _, _, words in some]
        axes = fit_axes(values, [range(of_one.shape[1]) for of_one in values], from_zero=True) if some else []
        for (view, where, words), drawn, axis in zip(some, values, axes, strict=True):
            x = place_layers(drawn.shape[1], relative=relative)
            curves = [
                Curve(label=one.label, x=x, y=row.tolist(), group=one.label)
                for one, row in zip(words, drawn, strict=True)
            ]
            title = say("followed.title", "{model}: {what} {where}", model=view.name, what=label, where=where)
            found.append(
                describe_curves(
                    view,
                    name=f"follow-{name}-{number}",
                    title=title,
                    what=label,
                    x_label=axis_label(relative=relative),
                    curves=curves,
                    y_label=axis.name(label),
                    y_range=axis.ends,
                    x_range=(0.0, 1.0) if relative else None,
                )
            )
    return found


def _labels() -> dict[str, str]:
    return {
        "probability": say("followed.probability", "probability of the followed words"),
        "rank": say("followed.rank", "rank of the followed words, powers of ten (0 = first)"),
    }


def _drawn_values(words: Sequence[Followed], name: str) -> NDArray[np.float32]:
    """(word x layer) what is drawn: ranks as powers of ten, since only the first few are near the answer."""
    if name == "probability":
        return np.stack([one.probabilities for one in words])
    return np.log10(np.stack([one.ranks for one in words]))


def tell_followed(name: str, where: str, words: Sequence[Followed]) -> str:
    """Which of the words lead, in which layers; of those that never do, how near they come. Empty without any."""
    if not words:
        return ""
    told = list_items([_tell_word(one) for one in words])
    return say("followed.told", "In {model}, {where}: {words}.", model=name, where=where, words=told)


def _tell_word(word: Followed) -> str:
    leads = [int(layer) for layer in np.flatnonzero(word.ranks == 1)]
    if leads:
        return say_count(
            "followed.leads",
            "“{word}” leads at layer {layers} of {last}",
            "“{word}” leads at layers {layers} of {last}",
            len(leads),
            word=word.label,
            layers=write_ranges(leads),
            last=len(word.ranks) - 1,
        )
    best = int(np.argmin(word.ranks))
    return say(
        "followed.never_leads",
        "“{word}” never leads (rank {rank} at layer {layer} at best)",
        word=word.label,
        rank=write_count(int(word.ranks[best])),
        layer=best,
    )
