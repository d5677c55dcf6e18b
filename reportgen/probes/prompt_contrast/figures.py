"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable

from reportgen.figures.describe import Curves, Figure
from reportgen.language import say
from reportgen.probing.axes import Axis, fit_axes
from reportgen.probing.parts import describe_beside_controls, list_controls, stack_with_controls
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section


def figures(section: Section) -> Iterable[Figure]:
    """How far the sets part at each layer, with what chance and random weights give."""
    views = [view for view in SubjectView.each(section) if view.metric("parting") is not None]
    if not views:
        return
    values = [stack_with_controls(view, "partings") for view in views]
    axes = fit_axes(values, [view.along("partings", "layer") for view in views], including=0.0)
    for view, axis in zip(views, axes, strict=True):
        yield _draw_partings(view, axis)


def _draw_partings(view: SubjectView, axis: Axis) -> Curves:
    one, other = view.options["names"]
    return describe_beside_controls(
        view,
        "partings",
        name="partings",
        what=say("prompt_contrast.what", "how far {one} and {other} part", one=one, other=other),
        label=say("prompt_contrast.true", "{one} | {other}", one=one, other=other),
        controls=list_controls(view, "partings"),
        y_label=axis.name(say("prompt_contrast.axis", "share of the distance between")),
        y_range=axis.ends,
    )
