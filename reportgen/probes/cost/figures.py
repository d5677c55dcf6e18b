"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import log2, log10

import numpy as np

from reportgen.figures.describe import Curve, Curves, Figure, StackedBars
from reportgen.language import list_items, say
from reportgen.numerals import write_count, write_number
from reportgen.probes.cost.view import lengths_of, part_label, used_parts
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section

BARS = 8
"""Lengths of which a token is drawn part by part: the longest ones."""


def figures(section: Section) -> Iterable[Figure]:
    """A whole prompt, all models in one figure; then one token, part by part, a figure a model."""
    views = SubjectView.each(section)
    if not views:
        return
    yield _draw_prompts(views)
    for view in views:
        yield _draw_token(view)


def _draw_prompts(views: Sequence[SubjectView]) -> Curves:
    totals = [view.values("prompt").sum(0) for view in views]
    curves = [
        Curve(
            label=view.name,
            x=[log2(length) for length in lengths_of(view)],
            y=[log10(total) for total in total_of],
            model=view.subject,
        )
        for view, total_of in zip(views, totals, strict=True)
    ]
    ends = [
        say(
            "cost.prompt.end", "{model} takes {count} for {length} tokens", model=view.name,
            count=write_number(float(total[-1])), length=write_count(lengths_of(view)[-1]),
        )
        for view, total in zip(views, totals, strict=True)
    ]  # fmt: skip
    return Curves(
        name="prompt",
        subject=tuple(view.subject for view in views),
        title=say("cost.prompt.title", "Multiplications for a whole prompt"),
        alt=list_items(ends),
        x_label=say("cost.length", "length in tokens, as a power of two (10 = 1,024 tokens)"),
        y_label=say("cost.powers", "multiplications, as a power of ten (9 = a billion)"),
        curves=curves,
    )


def _draw_token(view: SubjectView) -> StackedBars:
    lengths, parts = lengths_of(view), used_parts(view)
    values = view.values("token")[[at for at, _ in parts], -BARS:].T / 1e6
    total = values.sum(1)
    return StackedBars(
        name="token",
        subject=(view.subject,),
        title=say("cost.token.title", "{model}: one more token after so much text", model=view.name),
        alt=say(
            "cost.token.alt",
            "One token takes {first} million multiplications at {short} tokens and {last} million at {long}",
            first=write_number(float(total[0])),
            short=write_count(lengths[-BARS:][0]),
            last=write_number(float(total[-1])),
            long=write_count(lengths[-1]),
        ),
        bars=[say("cost.tokens", "{count} tokens", count=write_count(length)) for length in lengths[-BARS:]],
        segments=[part_label(part) for _, part in parts],
        values=np.asarray(values),
        value_label=say("cost.millions", "million multiplications"),
    )
