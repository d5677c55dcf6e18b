"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from reportgen.figures.describe import Curve, Curves, Figure
from reportgen.language import say
from reportgen.probing.axes import Axis, fit_axes
from reportgen.probing.parts import describe_curves
from reportgen.probing.probe import axis_label, place_layers
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section


def figures(section: Section) -> Iterable[Figure]:
    """How far the sets part at each layer, with what chance and random weights give."""
    views = [view for view in SubjectView.each(section) if view.metric("parting") is not None]
    if not views:
        return
    values = [np.stack([view.values(name) for name in list_curves(view)]).astype(np.float32) for view in views]
    axes = fit_axes(values, [view.along("partings", "layer") for view in views], including=0.0)
    for view, axis in zip(views, axes, strict=True):
        yield _draw_partings(view, axis)


def _draw_partings(view: SubjectView, axis: Axis) -> Curves:
    relative = view.options["axis"] == "relative"
    one, other = view.options["names"]
    names = {
        "partings": say("prompt_contrast.true", "{one} | {other}", one=one, other=other),
        "partings_shuffled": say("prompt_contrast.shuffled", "shuffled (95 %)"),
        "partings_random": say("prompt_contrast.random", "random weights"),
    }
    curves = [
        Curve(
            label=names[name],
            x=place_layers(len(view.values(name)), relative=relative),
            y=view.values(name).tolist(),
            model=view.subject if name == "partings" else None,
            group=None if name == "partings" else names[name],
            faint=name != "partings",
        )
        for name in list_curves(view)
    ]
    what = say("prompt_contrast.what", "how far {one} and {other} part", one=one, other=other)
    return describe_curves(
        view,
        name="parting",
        title=say("figure.of_model", "{model}: {what}", model=view.name, what=what),
        what=what,
        x_label=axis_label(relative=relative),
        y_label=axis.name(say("prompt_contrast.axis", "share of the distance between")),
        curves=curves,
        y_range=axis.ends,
        x_range=(0.0, 1.0) if relative else None,
    )


def list_curves(view: SubjectView) -> list[str]:
    """The arrays that are drawn by layer: what was measured, and its controls."""
    return [name for name in ("partings", "partings_shuffled", "partings_random") if name in view.outcome.arrays]
