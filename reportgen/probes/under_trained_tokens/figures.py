"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from reportgen.figures.describe import Curve, Curves, Figure, Ranking, Rankings
from reportgen.language import list_items, say, sentences
from reportgen.numerals import write_share
from reportgen.probes.under_trained_tokens.view import View, token_label
from reportgen.probing.parts import describe_curves
from reportgen.results.section import Section

LISTED = 15
"""Tokens of a list."""


def figures(section: Section) -> Iterable[Figure]:
    """How many are found, in all models; of each model the nearest tokens, and where all tokens lie."""
    views = View.each(section)
    if views:
        yield _draw_found(views)
    for view in views:
        yield from _list_nearest(view)
        yield _draw_distances(view)


def _draw_found(views: Sequence[View]) -> Curves:
    """How many of the nearest tokens are not repeated, a curve a model, and the line on which all of them are."""
    most = max(len(view.rows("candidates")) for view in views)
    curves = [
        Curve(
            label=view.name,
            x=list(range(len(view.rows("candidates")) + 1)),
            y=[0.0, *map(float, view.count_confirmed())],
            model=view.subject,
        )
        for view in views
    ]
    none = say("under_trained.all", "if none were repeated")
    every = Curve(label=none, x=[0, most], y=[0, most], group=none, faint=True)
    return Curves(
        name="found",
        subject=tuple(view.subject for view in views),
        title=say("under_trained.found.title", "How many of the tokens nearest to unused ones are not repeated"),
        alt=list_items(
            [
                say(
                    "under_trained.found.alt",
                    "{model}: {count} of {asked}",
                    model=view.name,
                    count=view.metric("under_trained"),
                    asked=view.metric("candidates_asked"),
                )
                for view in views
            ]
        ),
        x_label=say("under_trained.nearest", "tokens asked for, the nearest to unused ones first"),
        y_label=say("under_trained.not_repeated", "tokens that are not repeated"),
        curves=[*curves, every],
    )


def _list_nearest(view: View) -> Iterator[Rankings]:
    """The nearest tokens that are not repeated, and the nearest that are."""
    rows = view.rows("candidates")
    lists = [
        (say("under_trained.list.not_repeated", "not repeated"), [row for row in rows if row["confirmed"]]),
        (say("under_trained.list.repeated", "repeated nevertheless"), [row for row in rows if not row["confirmed"]]),
    ]
    rankings = [_rank(title, some[:LISTED], view.subject) for title, some in lists if some]
    if rankings:
        yield Rankings(
            name="nearest",
            subject=(view.subject,),
            title=say("under_trained.list.title", "{model}: the tokens nearest to unused ones", model=view.name),
            alt=sentences(
                say("under_trained.list.alt", "{title}: {tokens}.", title=one.title, tokens=list_items(one.labels))
                for one in rankings
            ),
            rankings=rankings,
            value_label=say(
                "under_trained.probability",
                "probability of the token where it was to be repeated (not repeated: below {threshold})",
                threshold=write_share(view.options["threshold"]),
            ),
            value_range=(0.0, 1.0),
            model=view.subject,
        )


def _rank(title: str, rows: Sequence[dict[str, Any]], model: str) -> Ranking:
    return Ranking(
        title=title,
        labels=[token_label(row) for row in rows],
        values=[float(row["repeat_probability"]) for row in rows],
        model=model,
    )


def _draw_distances(view: View) -> Curves:
    """Where unused tokens lie, and where all others do."""
    middles = [float(one) for one in view.column("distances", "distance")]
    labels = {
        "unused": say("under_trained.unused", "known unused"),
        "others": say("under_trained.others", "all others"),
    }
    curves = [
        Curve(label=label, x=middles, y=[float(one) for one in view.column("distances", which)], group=label)
        for which, label in labels.items()
    ]
    return describe_curves(
        view,
        name="distances",
        title=say("under_trained.distances.title", "{model}: distance to the unused tokens", model=view.name),
        what=say("under_trained.share", "share of the tokens"),
        x_label=say("under_trained.distance", "cosine distance to the mean row of unused tokens"),
        curves=curves,
    )
