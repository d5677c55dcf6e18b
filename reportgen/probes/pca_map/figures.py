"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Figure, Maps, Panel
from reportgen.language import list_items, say, say_count
from reportgen.numerals import write_share
from reportgen.probes.pca_map.groups import judge_layers
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section

SMALL_PANELS = 20
"""Panels of a figure of every layer; more would not fit a sheet of paper."""
LARGE_PANELS = 4
"""Panels of the figure in which points carry their text."""


def figures(section: Section) -> Iterable[Figure]:
    """A few layers large, with texts; then every layer small."""
    for view in SubjectView.each(section):
        yield _maps(view, _choose_layers(view), "map", texts=True)
    for view in SubjectView.each(section):
        layers = view.along("points", "layer")
        if len(layers) > LARGE_PANELS:
            for some in _sheets(len(layers)):
                figure = f"layers-{layers[some[0]]}-{layers[some[-1]]}"
                yield _maps(view, some, figure, texts=False)


def _choose_layers(view: SubjectView) -> list[int]:
    """Indices of a few layers from first to last, evenly spread, but for those that the sentence names."""
    count, gathering = len(view.along("points", "layer")), judge_layers(view)
    chosen = _spread_evenly(count)
    told = gathering.told if gathering is not None else []
    for layer in told:
        if layer not in chosen:
            given_up = [one for one in chosen[1:-1] if one not in told]
            chosen.remove(min(given_up, key=lambda one: abs(one - layer)))
            chosen = sorted([*chosen, layer])
    return chosen


def _spread_evenly(count: int) -> list[int]:
    """Indices of a few layers from first to last, evenly spread."""
    shown = min(LARGE_PANELS, count)
    return sorted({round(i * (count - 1) / max(shown - 1, 1)) for i in range(shown)})


def _sheets(count: int) -> list[range]:
    """Indices of all layers, on as few sheets as hold them, about as many on each."""
    sheets = -(-count // SMALL_PANELS)
    ends = [-(-count * at // sheets) for at in range(sheets + 1)]
    return [range(first, end) for first, end in pairwise(ends)]


def _maps(view: SubjectView, chosen: Sequence[int], figure: str, *, texts: bool) -> Maps:
    points, explained = view.outcome.arrays["points"], view.outcome.arrays["explained_variance"]
    layers = points.along("layer")
    panels = [
        Panel(
            title=say("pca_map.layer", "layer {layer}", layer=layers[i]),
            points=points.values[i],
            x_label=_axis(1, explained.values[i], texts),
            y_label=_axis(2, explained.values[i], texts),
        )
        for i in chosen
    ]
    items = view.outcome.tables["items"]
    return Maps(
        name=figure,
        subject=(view.subject,),
        title=view.name if texts else _title(view.name, [layers[i] for i in chosen]),
        alt=_tell_maps(view.name, len(items.rows), [layers[i] for i in chosen]),
        panels=panels,
        labels=[str(text) if texts else "" for text in items.column("text")],
        groups=[str(group) for group in items.column("group")],
    )


def _title(name: str, layers: Sequence[int]) -> str:
    if len(layers) <= layers[-1] - layers[0] or len(layers) == 1:  # not all from the first to the last
        what = list_items([say("pca_map.layer", "layer {layer}", layer=layer) for layer in layers])
        return say("figure.of_model", "{model}: {what}", model=name, what=what)
    return say("pca_map.layers", "{model}: layers {first} to {last}", model=name, first=layers[0], last=layers[-1])


def _tell_maps(name: str, items: int, layers: Sequence[int]) -> str:
    """What the maps are, for who cannot see them."""
    return say_count(
        "pca_map.alt",
        "Maps of {count} word at layers {first} to {last} of {model}",
        "Maps of {count} words at layers {first} to {last} of {model}",
        items,
        first=layers[0],
        last=layers[-1],
        model=name,
    )


def _axis(component: int, explained: NDArray[Any], texts: bool) -> str:
    if np.isnan(explained[component - 1]):
        return ""
    share = write_share(explained[component - 1])
    if not texts:
        return share
    return say("pca_map.axis", "component {component} ({share})", component=component, share=share)
