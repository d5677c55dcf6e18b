"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from reportgen.features.names import JOINED, feature_names, place_names
from reportgen.figures.describe import Curve, Curves, Figure
from reportgen.language import say
from reportgen.numerals import write_share
from reportgen.probes.sae_atlas.view import DENSE
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section

_CURVES = 6


def figures(section: Section) -> Iterable[Figure]:
    """How many features fire how often; how strongly the strongest of each dictionary fires."""
    for view in SubjectView.each(section):
        yield _densities(view)
    for view in SubjectView.each(section):
        yield _strengths(view)


def _choose_drawn(view: SubjectView) -> list[int]:
    """Items that are drawn: some, evenly spaced, where there are many."""
    count = len(view.rows("dictionaries"))
    if count <= _CURVES:
        return list(range(count))
    return sorted({round(at * (count - 1) / (_CURVES - 1)) for at in range(_CURVES)})


def _densities(view: SubjectView) -> Curves:
    """Features by the power of ten of their density, three bins to each."""
    fewest = 1 / int(view.rows("summary")[0]["tokens"])
    edges = np.arange(int(np.floor(3 * np.log10(fewest))), 1) / 3
    names, curves = place_names(view.outcome), []
    for item in _choose_drawn(view):
        density = view.values(f"density/{item}")
        alive = density[density > 0]
        counts, _ = np.histogram(np.log10(alive), np.append(edges, 1 / 3))
        curves.append(
            Curve(label=names[item], x=(edges + 1 / 6).tolist(), y=(counts / len(density)).tolist(), group=names[item])
        )
    dead = float(view.metric("dead_share") or 0.0)
    return Curves(
        name="density",
        subject=(view.subject,),
        title=say("sae_atlas.density.title", "{model}: how often features fire", model=view.name),
        alt=say(
            "sae_atlas.density.alt",
            "Share of the features of {model} by the share of tokens on which they fire; {dead} fire on none",
            model=view.name,
            dead=write_share(dead),
        ),
        x_label=say("sae_atlas.density.x", "share of tokens on which a feature fires, powers of ten"),
        y_label=say("sae_atlas.density.y", "share of features ({dead} are dead and not drawn)", dead=write_share(dead)),
        curves=curves,
    )


def _strengths(view: SubjectView) -> Curves:
    """Of each dictionary the card with the strongest activation among those that are not dense."""
    lower = np.log10([float(record["lower"]) for record in view.rows("bins")])
    places, names, curves, told = place_names(view.outcome), feature_names(view.outcome), [], []
    for item in _choose_drawn(view):
        records = [r for r in view.rows("features") if r["item"] == item and r["density"] <= DENSE]
        if not records:
            continue
        strongest = max(records, key=lambda record: float(record["strongest"]))
        counts = view.values(f"histogram/{item}")[int(strongest["feature"])]
        label = JOINED.join([places[item], names[item, strongest["feature"]].called])
        told.append(label)
        curves.append(Curve(label=label, x=(lower + 1 / 8).tolist(), y=(counts / counts.sum()).tolist(), group=label))
    there = [at for curve in curves for at, y in enumerate(curve.y) if y > 0]
    held = slice(max(min(there, default=0) - 1, 0), max(there, default=0) + 2)
    return Curves(
        name="activations",
        subject=(view.subject,),
        title=say("sae_atlas.activations.title", "{model}: how strongly the strongest features fire", model=view.name),
        alt=say(
            "sae_atlas.activations.alt",
            "Activations of the strongest feature of each dictionary of {model}: {features}",
            model=view.name,
            features="; ".join(told),
        ),
        x_label=say("sae_atlas.activations.x", "activation, powers of ten"),
        y_label=say("sae_atlas.activations.y", "share of the tokens on which the feature fires"),
        curves=[Curve(label=c.label, x=c.x[held], y=c.y[held], group=c.group) for c in curves],
    )
