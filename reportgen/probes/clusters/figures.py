"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Curve, Curves, Figure, Maps, Panel, Ranking, Rankings
from reportgen.language import say
from reportgen.numerals import write_share
from reportgen.probes.clusters import choose_layers
from reportgen.probing.axes import fit_axes
from reportgen.probing.parts import describe_beside_controls, describe_curves, list_controls, stack_with_controls
from reportgen.probing.probe import axis_label, place_layers
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section


def figures(section: Section) -> Iterable[Figure]:
    """Silhouettes with their controls, a map of the best layer, the shares of variance, the intrinsic dimension."""
    views = SubjectView.each(section)
    axes = fit_axes(
        [stack_with_controls(view, "silhouettes") for view in views],
        [view.along("silhouettes", "layer") for view in views],
        including=0.0,
    )
    for view, axis in zip(views, axes, strict=True):
        yield _draw_silhouettes(view, axis.ends, axis.name(say("clusters.silhouette_axis", "mean silhouette")))
    for view in views:
        yield _draw_map(view)
    for view in views:
        if view.options.get("umap"):
            yield _draw_neighbours(view)
    for view in views:
        yield _draw_scree(view)
    for view in views:
        if view.metric("intrinsic_dimension") is not None:
            yield _draw_dimensions(view)


def _draw_silhouettes(view: SubjectView, ends: tuple[float, float], y_label: str) -> Curves:
    return describe_beside_controls(
        view,
        "silhouettes",
        name="silhouettes",
        what=say("clusters.silhouette", "how clearly the groups lie apart"),
        label=say("clusters.true", "true groups"),
        controls=list_controls(view, "silhouettes"),
        y_label=y_label,
        y_range=ends,
    )


def _find_drawn_layers(view: SubjectView) -> list[int]:
    return choose_layers(int(view.metric("best_layer") or 0), view.last_layer)


def _draw_map(view: SubjectView) -> Maps:
    explained = view.values("explained_variance")

    def name_axis(layer: int, component: int) -> str:
        share = explained[layer, component]
        if np.isnan(share):
            return ""
        return say("pca_map.axis", "component {component} ({share})", component=component + 1, share=write_share(share))

    panels = [
        _make_panel(layer, view.values("points")[layer], name_axis(layer, 0), name_axis(layer, 1))
        for layer in _find_drawn_layers(view)
    ]
    return _make_maps(view, "map", say("clusters.map", "the words on their two main axes"), panels)


def _draw_neighbours(view: SubjectView) -> Maps:
    panels = [
        _make_panel(layer, view.values(f"neighbour_points/{at}"), say("clusters.no_axis", "UMAP: no scale"), "")
        for at, layer in enumerate(_find_drawn_layers(view))
    ]
    return _make_maps(
        view, "neighbours", say("clusters.neighbours", "the words on a map that keeps neighbours"), panels
    )


def _make_panel(layer: int, points: NDArray[Any], x_label: str, y_label: str) -> Panel:
    title = say("clusters.map_layer", "layer {layer}", layer=layer)
    return Panel(title=title, points=points, x_label=x_label, y_label=y_label)


def _make_maps(view: SubjectView, name: str, what: str, panels: Sequence[Panel]) -> Maps:
    items = view.outcome.tables["items"]
    return Maps(
        name=name,
        subject=(view.subject,),
        title=say("figure.of_model", "{model}: {what}", model=view.name, what=what),
        alt=say(
            "clusters.map_alt",
            "Maps of {count} words of {model} at the embedding, at layer {layer}, where groups lie apart most clearly, "
            "and at the last layer",
            count=len(items.rows),
            model=view.name,
            layer=int(view.metric("best_layer") or 0),
        ),
        panels=panels,
        labels=[str(text) for text in items.column("text")],
        groups=[str(group) for group in items.column("group")],
    )


def _draw_scree(view: SubjectView) -> Rankings:
    explained, layers = view.values("explained_variance"), _find_drawn_layers(view)
    top = float(np.nanmax(explained[layers])) if np.isfinite(explained[layers]).any() else 1.0
    rankings = [_rank_components(layer, explained[layer].tolist()) for layer in layers]
    what = say("clusters.scree", "how much of all differences each main axis holds")
    return Rankings(
        name="variance",
        subject=(view.subject,),
        title=say("figure.of_model", "{model}: {what}", model=view.name, what=what),
        alt=say(
            "clusters.scree_alt",
            "Bars of the share of variance along each principal component of {model}; the first holds {share} at the "
            "last layer",
            model=view.name,
            share=write_share(float(explained[-1, 0])),
        ),
        rankings=rankings,
        value_label=say("clusters.share_of_variance", "share of variance"),
        value_range=(0.0, top * 1.05),
        model=view.subject,
    )


def _rank_components(layer: int, shares: Sequence[float]) -> Ranking:
    known = [share for share in shares if np.isfinite(share)]
    return Ranking(
        title=say("clusters.map_layer", "layer {layer}", layer=layer),
        labels=[str(at) for at in range(1, len(known) + 1)],
        values=known,
    )


def _draw_dimensions(view: SubjectView) -> Curves:
    values, low, high = (view.values(name).tolist() for name in ("dimensions", "dimensions_low", "dimensions_high"))
    relative = view.options["axis"] == "relative"
    what = say("clusters.dimension", "how many dimensions the words fill")
    curve = Curve(
        label=view.name, x=place_layers(len(values), relative=relative), y=values, model=view.subject, band=(low, high)
    )
    return describe_curves(
        view,
        name="dimension",
        title=say("figure.of_model", "{model}: {what}", model=view.name, what=what),
        what=what,
        x_label=axis_label(relative=relative),
        y_label=say("clusters.dimension_axis", "intrinsic dimension (95 % band)"),
        curves=[curve],
        y_range=(0.0, float(np.nanmax(view.values("dimensions_high"))) * 1.05),
        x_range=(0.0, 1.0) if relative else None,
    )
