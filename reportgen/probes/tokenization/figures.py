"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Figure, StackedBars, TokenGrid
from reportgen.language import list_items, say, say_count, sentences
from reportgen.numerals import write_number, write_share
from reportgen.probes.tokenization import MOST_DRAWN
from reportgen.probes.tokenization.view import kind_label
from reportgen.probing.probe import quote_prompts
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section
from reportgen.text.characters import mark_space

WIDEST = 14
"""Tokens in a line of a strip."""
MOST_LINES = 6
"""Lines of a strip; the table has all tokens."""
MOST_KINDS = 9
"""Kinds of tokens that a bar tells apart; the rest is one more."""


def figures(section: Section) -> Iterable[Figure]:
    """The strips of each text, models side by side; then the vocabularies in one figure."""
    views = SubjectView.each(section)
    for prompt in range(MOST_DRAWN):
        for view in views:
            if prompt < len(view.rows("prompts")):
                yield _strip_figure(view, prompt)
    if views:
        yield _make_up(views)


def _strip_figure(view: SubjectView, prompt: int) -> TokenGrid:
    """Lines of tokens, below each line its ids."""
    records = [row for row in view.rows("tokens") if row["prompt"] == prompt]
    shown = records[: WIDEST * MOST_LINES]
    lines = [shown[at : at + WIDEST] for at in range(0, len(shown), WIDEST)]
    columns = max(len(line) for line in lines)
    most = max((int(row["characters"]) for row in records), default=0) or 1
    texts, values, outlined, rows = [], [], [], []
    for line in lines:
        gap = columns - len(line)
        texts += [[str(row["token"]) for row in line] + [""] * gap, [str(row["token_id"]) for row in line] + [""] * gap]
        values += [[row["characters"] / most for row in line] + [np.nan] * gap, [0.0] * len(line) + [np.nan] * gap]
        outlined += [[bool(row["added"]) for row in line] + [False] * gap, [False] * columns]
        rows += [
            say("figures.from", "from {position}", position=line[0]["position"]),
            say("tokenization.id", "id"),
        ]
    counted = view.rows("texts")[prompt]
    text = quote_prompts(view.outcome)[prompt]
    title = say("tokenization.strip.title", "{model}: “{text}” in tokens", model=view.name, text=text)
    order = say_count(
        "tokenization.order",
        "{count} token, in the order of the text",
        "{count} tokens, in the order of the text",
        len(records),
    )
    if len(shown) < len(records):
        order = say("tokenization.first", "the first {count} of {order}", count=len(shown), order=order)
    return TokenGrid(
        name=f"strip-{prompt}",
        subject=(view.subject,),
        title=title,
        alt=say(
            "tokenization.strip.alt",
            "Tokens of “{text}” in {model}, {characters} characters each on average: {tokens}",
            text=text,
            model=view.name,
            characters=write_number(counted["characters_per_token"], 2),
            tokens=" | ".join(mark_space(str(row["token"])) for row in shown),
        ),
        row_label=say("tokenization.token_and_id", "token, and its id"),
        rows=rows,
        column_label=order,
        columns=[""] * columns,
        texts=texts,
        values=np.array(values, dtype=np.float64),
        value_label=say(
            "tokenization.characters", "characters of the text, as a share of the most ({most})", most=most
        ),
        outlined=np.array(outlined, dtype=bool),
        outline_label=say("tokenization.added", "added by the tokenizer") if any(map(any, outlined)) else "",
        line=2,
    )


def _make_up(views: Sequence[SubjectView]) -> StackedBars:
    """A bar a vocabulary, its rarer kinds together."""
    shares = {
        view.name: {str(row["kind"]): 100 * float(row["share"]) for row in view.rows("make_up")} for view in views
    }
    kinds = list(dict.fromkeys(kind for of_one in shares.values() for kind in of_one))
    kinds.sort(key=lambda kind: -max(of_one.get(kind, 0.0) for of_one in shares.values()))
    kept = kinds[:MOST_KINDS]
    values = _bars(shares, kept, rest=len(kinds) > len(kept))
    labels = [kind_label(kind) for kind in kept]
    if len(kinds) > len(kept):
        labels.append(say("tokenization.rest", "the rest"))
    return StackedBars(
        name="vocabulary",
        subject=tuple(view.subject for view in views),
        title=say("tokenization.make_up.title", "What the vocabularies are made of"),
        alt=sentences(_tell_make_up(view) for view in views),
        bars=[view.name for view in views],
        segments=labels,
        values=values,
        value_label=say("tokenization.percent", "% of the vocabulary"),
    )


def _bars(shares: Mapping[str, Mapping[str, float]], kept: Sequence[str], *, rest: bool) -> NDArray[np.float64]:
    """(bar x segment)"""
    rows = [[of_one.get(kind, 0.0) for kind in kept] for of_one in shares.values()]
    if rest:
        rows = [[*row, max(100.0 - sum(row), 0.0)] for row in rows]
    return np.array(rows)


def _tell_make_up(view: SubjectView) -> str:
    parts = [
        say(
            "tokenization.share_of",
            "{kind} {share}",
            kind=kind_label(str(row["kind"])),
            share=write_share(float(row["share"])),
        )
        for row in view.rows("make_up")
    ]
    return say("tokenization.make_up.alt", "{model}: {parts}.", model=view.name, parts=list_items(parts))
