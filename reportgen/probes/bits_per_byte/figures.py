"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from reportgen.figures.describe import Figure, Ranking, Rankings, TokenGrid
from reportgen.language import list_items, say, say_count
from reportgen.numerals import write_cell, write_number
from reportgen.probes.bits_per_byte.view import first_pieces, list_compared, share_words
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section
from reportgen.text.characters import mark_space, name_joined

WIDEST = 14
"""Tokens in a line of a strip."""
MOST_LINES = 8
"""Lines of a strip; the table has more tokens."""
MOST_WORDS = 10
"""Words of either list of two models."""
TOLD = 3
"""Words and tokens that are read out."""


def figures(section: Section) -> Iterable[Figure]:
    """The first text in each model on one scale, then the words on which two models differ."""
    views = SubjectView.each(section)
    pieces = {view.subject: first_pieces(view)[: WIDEST * MOST_LINES] for view in views}
    most = max((row["bits"] or 0.0 for rows in pieces.values() for row in rows), default=0.0) or 1.0
    for view in views:
        yield _draw_strip(view, pieces[view.subject], most)
    for one, other in list_compared(views):
        yield from _draw_difference(one, other)


def _draw_strip(view: SubjectView, pieces: Sequence[Mapping[str, Any]], most: float) -> TokenGrid:
    """Lines of tokens, below each line the bits of its tokens."""
    names = name_joined([str(row["token"]) for row in pieces])
    shown = [(name, row["bits"]) for name, row in zip(names, pieces, strict=True)]
    lines = [shown[at : at + WIDEST] for at in range(0, len(shown), WIDEST)]
    columns = max(map(len, lines))
    texts, values, outlined, rows = [], [], [], []
    for number, line in enumerate(lines):
        gap = columns - len(line)
        texts += [[name for name, _ in line] + [""] * gap, [_write_bits(bits) for _, bits in line] + [""] * gap]
        values += [[(bits or 0.0) / most for _, bits in line] + [np.nan] * gap, [0.0] * len(line) + [np.nan] * gap]
        outlined += [[bits is None for _, bits in line] + [False] * gap, [False] * columns]
        rows += [
            say("figures.from", "from {position}", position=pieces[number * WIDEST]["position"]),
            say("bits_per_byte.bits", "bits"),
        ]
    return TokenGrid(
        name="heat",
        subject=(view.subject,),
        title=say("bits_per_byte.strip.title", "{model}: bits that each token takes", model=view.name),
        alt=_read_strip_out(view, shown),
        row_label=say("bits_per_byte.token_and_bits", "token, and its bits"),
        rows=rows,
        column_label=_tell_extent(view, len(shown)),
        columns=[""] * columns,
        texts=texts,
        values=np.array(values, dtype=np.float64),
        value_label=say("bits_per_byte.strip.value", "bits, as a share of the most ({most})", most=write_number(most)),
        outlined=np.array(outlined, dtype=bool),
        outline_label=say("bits_per_byte.not_predicted", "not predicted") if np.any(outlined) else "",
        line=2,
    )


def _write_bits(bits: float | None) -> str:
    return "" if bits is None else write_cell(bits)


def _tell_extent(view: SubjectView, shown: int) -> str:
    text = view.rows("pieces")[0]["text"]
    row = next(row for row in view.rows("texts") if row["text"] == text)
    return say_count(
        "bits_per_byte.extent",
        "the first {count} token of “{text}”",
        "the first {count} tokens of “{text}”",
        shown,
        text=row["called"],
    )


def _read_strip_out(view: SubjectView, shown: Sequence[tuple[str, float | None]]) -> str:
    known = sorted(((bits, name) for name, bits in shown if bits is not None), reverse=True)
    told = [
        say("bits_per_byte.token_bits", "“{token}” {bits}", token=mark_space(name), bits=write_number(bits))
        for bits, name in known[:TOLD]
    ]
    return say(
        "bits_per_byte.strip.alt",
        "The beginning of the first text in the tokens of {model}, with the bits that each takes; the most: {tokens}.",
        model=view.name,
        tokens=list_items(told),
    )


def _draw_difference(one: SubjectView, other: SubjectView) -> Iterable[Rankings]:
    """A list of the words that take one model more bits, and one of those that take the other more."""
    words = sorted(share_words(one, other), key=lambda word: word.difference)
    harder = [
        (one, [word for word in reversed(words[-MOST_WORDS:]) if word.difference > 0]),
        (other, [word for word in words[:MOST_WORDS] if word.difference < 0]),
    ]
    rankings = [
        Ranking(
            title=say("bits_per_byte.harder", "harder for {model}", model=view.name),
            labels=[word.label for word in of_it],
            values=[abs(word.difference) for word in of_it],
            model=view.subject,
        )
        for view, of_it in harder
        if of_it
    ]
    if rankings:
        yield Rankings(
            name="difference",
            subject=(one.subject, other.subject),
            title=say(
                "bits_per_byte.difference",
                "Words on which {one} and {other} differ most",
                one=one.name,
                other=other.name,
            ),
            alt=list_items([_read_ranking_out(ranking) for ranking in rankings]),
            rankings=rankings,
            value_label=say(
                "bits_per_byte.more_bits",
                "bits that the last word of each label takes more than in the other model, given all before it",
            ),
            value_range=(0.0, max(value for ranking in rankings for value in ranking.values)),
            model=one.subject,
        )


def _read_ranking_out(ranking: Ranking) -> str:
    told = [
        say("bits_per_byte.token_bits", "“{token}” {bits}", token=label, bits=write_number(value))
        for label, value in list(zip(ranking.labels, ranking.values, strict=True))[:TOLD]
    ]
    return say("bits_per_byte.difference.alt", "{title}: {words}", title=ranking.title, words=list_items(told))
