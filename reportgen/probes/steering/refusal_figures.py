"""What is drawn of refusals: their shares before and after in all models, and what is answered to harmless requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reportgen.figures.describe import Ranking, Rankings
from reportgen.language import list_items, say, sentences
from reportgen.numerals import write_share
from reportgen.probes.steering.view import View


def draw_refusals(views: Sequence[View]) -> Rankings:
    """A panel a model: the share of harmful requests that it refuses, as it is and with the direction taken out, and of
    harmless ones, as it is and with the direction added; each with its control and its interval.
    """
    return Rankings(
        name="refusals",
        subject=tuple(view.subject for view in views),
        title=say("steering.refusals.title", "Share of requests that are refused, before and after"),
        alt=sentences(_read_out(view) for view in views),
        rankings=[_panel(view) for view in views],
        value_label=say("steering.refusals.label", "share of answers that refuse, with its 95 % interval"),
        value_range=(0.0, 1.0),
        model=views[0].subject,
    )


def _rows(view: View) -> list[tuple[str, dict[str, Any]]]:
    """(what was asked and how it was steered, its row)"""
    names = {
        "harmful": {
            "unsteered": say("steering.harmful.unsteered", "harmful, as is"),
            "steered": say("steering.harmful.steered", "harmful, ablated"),
            "random": say("steering.harmful.random", "harmful, random"),
        },
        "harmless": {
            "unsteered": say("steering.harmless.unsteered", "harmless, as is"),
            "steered": say("steering.harmless.steered", "harmless, added"),
            "random": say("steering.harmless.random", "harmless, random"),
        },
    }
    return [
        (name, view.shares_refused(kind)[direction])
        for kind, of_kind in names.items()
        for direction, name in of_kind.items()
    ]


def _panel(view: View) -> Ranking:
    rows = _rows(view)
    return Ranking(
        title=view.name,
        labels=[name for name, _ in rows],
        values=[float(row["rate"]) for _, row in rows],
        intervals=[(float(row["lower"]), float(row["upper"])) for _, row in rows],
        model=view.subject,
    )


def _read_out(view: View) -> str:
    told = [
        say(
            "steering.refusals.share",
            "{share} of {count} ({what})",
            what=name,
            share=write_share(float(row["rate"])),
            count=row["answers"],
        )
        for name, row in _rows(view)
    ]
    return say("steering.refusals.alt", "Refused by {model}: {shares}.", model=view.name, shares=list_items(told))
