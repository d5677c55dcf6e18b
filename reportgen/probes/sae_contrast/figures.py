"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from reportgen.features.names import feature_names, place_names
from reportgen.figures.describe import Curve, Curves, Figure, Ranking, Rankings
from reportgen.language import list_items, say, sentences
from reportgen.model.needs import Site
from reportgen.probing.parts import describe_curves
from reportgen.probing.probe import axis_label
from reportgen.probing.view import SubjectView
from reportgen.results.section import SUBJECT, Section

MOST_PLACES = 3
"""Dictionaries whose features are drawn: a first, a middle and a last one."""


def figures(section: Section) -> Iterable[Figure]:
    """Features in common and the variance unexplained by place; the features that changed."""
    for view in SubjectView.each(section):
        yield _shares_in_common(view)
        yield _draw_unexplained(view)
        for item in _drawn_items(view):
            yield _bars(view, item)


def _drawn_items(view: SubjectView) -> list[int]:
    """A first, a middle and a last of the dictionaries with features that changed."""
    items = sorted(set(view.column("differences", "item")))
    if len(items) <= MOST_PLACES:
        return items
    last = len(items) - 1
    return [items[round(at * last / (MOST_PLACES - 1))] for at in range(MOST_PLACES)]


def _series(view: SubjectView) -> dict[str, list[int]]:
    """Items that one line may join, by what the line is called: of one site, at places of their own."""
    sites = {
        Site.RESIDUAL.value: say("sae_contrast.stream", "stream"),
        Site.ATTENTION_WRITE.value: say("sae_contrast.attention_writes", "attention"),
        Site.MLP_WRITE.value: say("sae_contrast.mlp_writes", "MLP"),
        Site.HEADS.value: say("sae_contrast.found_by_heads", "heads"),
    }
    found: dict[str, list[int]] = {}
    seen: dict[tuple[str, int], int] = {}
    for record in sorted(view.rows("dictionaries"), key=lambda record: int(record["index"])):
        place = (record["site"], record["index"])
        seen[place] = seen.get(place, 0) + 1
        called = sites[record["site"]] + (f" {seen[place]}" if seen[place] > 1 else "")
        found.setdefault(called, []).append(record["item"])
    return found


def _curves(view: SubjectView, labels: Mapping[str, str]) -> list[Curve]:
    """A line an array and series, over the places."""
    index = view.column("dictionaries", "index")
    series = _series(view)
    return [
        Curve(
            label=label if len(series) == 1 else f"{label}, {called}",
            x=[index[item] for item in items],
            y=view.values(of)[items].tolist(),
            group=label,
        )
        for of, label in labels.items()
        for called, items in series.items()
    ]


def _x_label(view: SubjectView) -> str:
    if set(view.column("dictionaries", "site")) == {Site.RESIDUAL.value}:
        return axis_label(relative=False)
    return say("sae_contrast.x", "layer or block of the dictionary")


def _shares_in_common(view: SubjectView) -> Curves:
    """The Jaccard index and its control."""
    what = say("sae_contrast.in_common", "in common")
    curves = _curves(view, {"in_common_by_item": what, "in_common_moved": say("sae_contrast.moved", "of other tokens")})
    return describe_curves(
        view,
        name="in-common",
        title=say(
            "sae_contrast.in_common.title", "{model}: features that fire in both on the same token", model=view.name
        ),
        what=what,
        x_label=_x_label(view),
        y_label=say("sae_contrast.in_common.y", "share of the features that fire in either"),
        curves=curves,
        y_range=(0.0, 1.0),
    )


def _draw_unexplained(view: SubjectView) -> Curves:
    """FVU of base's dictionaries in both."""
    base, other = view.subject.split(SUBJECT)
    curves = _curves(view, {"fvu_base_by_item": base, "fvu_other_by_item": other})
    highest = float(np.nanmax([y for curve in curves for y in curve.y], initial=0.0)) * 1.05 or 1.0
    return describe_curves(
        view,
        name="fvu",
        title=say("sae_contrast.fvu.title", "{model}: what the dictionaries leave unexplained", model=view.name),
        what=say("sae_contrast.fvu", "FVU"),
        x_label=_x_label(view),
        y_label=say("sae_contrast.fvu.y", "share of the variance (FVU)"),
        curves=curves,
        y_range=(0.0, highest),
    )


def _bars(view: SubjectView, item: int) -> Rankings:
    """What rises and what falls at one place."""
    records = [r for r in view.rows("differences") if r["item"] == item]
    place, names = place_names(view.outcome)[item], feature_names(view.outcome)
    heads = {
        1: say("sae_contrast.rises", "{place}: fires more", place=place),
        -1: say("sae_contrast.falls", "{place}: fires less", place=place),
    }
    rankings = []
    for sign, head in heads.items():
        chosen = [r for r in records if r["difference"] * sign > 0]
        if chosen:
            called = [names[item, r["feature"]].called for r in chosen]
            rankings.append(Ranking(title=head, labels=called, values=[abs(float(r["difference"])) for r in chosen]))
    return Rankings(
        name=f"differences-{item}",
        subject=(view.subject,),
        title=say(
            "sae_contrast.bars.title", "{model}, {place}: features that changed most", model=view.name, place=place
        ),
        alt=sentences(
            say("sae_contrast.bars.alt", "{where}: {features}.", where=one.title, features=list_items(one.labels))
            for one in rankings
        ),
        rankings=rankings,
        value_label=say("sae_contrast.difference", "difference of mean activations"),
        value_range=(0.0, max(value for one in rankings for value in one.values)),
        model=view.subject.partition(SUBJECT)[2],
    )
