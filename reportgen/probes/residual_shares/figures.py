"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from reportgen.figures.describe import Curve, Curves, Figure
from reportgen.language import list_items, say
from reportgen.probes.residual_shares.view import PARTS, item_label, mean_of, output_depths, part_label
from reportgen.probing.axes import Axis, fit_axes
from reportgen.probing.parts import describe_curves
from reportgen.probing.probe import axis_label, tell_ends
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section

MOST_ITEMS = 4
"""Words of a model that are drawn, and all tokens together."""


def figures(section: Section) -> Iterable[Figure]:
    """What came in, of all models; then all three shares, a model and word each."""
    views = SubjectView.each(section)
    if not views:
        return
    yield _draw_kept(views)
    count = max(len(view.rows("items")) for view in views)
    for item in range(min(count, 1 + MOST_ITEMS)):
        shown = [view for view in views if item < len(view.rows("items"))]
        values = [np.stack([view.values(part)[item] for part in PARTS]) for view in shown]
        axes = fit_axes(values, [view.along("share_kept", "block") for view in shown], including=0.0)
        for view, axis in zip(shown, axes, strict=True):
            yield _draw_shares(view, item, axis)


def _draw_kept(views: Sequence[SubjectView]) -> Curves:
    curves = [
        Curve(label=view.name, x=output_depths(view), y=mean_of(view, "share_kept").tolist(), model=view.subject)
        for view in views
    ]
    return Curves(
        name="kept",
        subject=tuple(view.subject for view in views),
        title=say("residual_shares.kept.title", "How much of a block's output is what came in"),
        alt=list_items([tell_ends(curve) for curve in curves]),
        x_label=axis_label(relative=True),
        y_label=say("residual_shares.kept.share", "share of the output that came in, all tokens but the first"),
        curves=curves,
        references={say("residual_shares.nothing_added", "nothing added"): 1.0},
        x_range=(0.0, 1.0),
    )


def _draw_shares(view: SubjectView, item: int, axis: Axis) -> Curves:
    blocks = [float(block) for block in view.along("share_kept", "block")]
    curves = [
        Curve(label=part_label(part), x=blocks, y=view.values(part)[item].tolist(), group=part_label(part))
        for part in PARTS
    ]
    return describe_curves(
        view,
        name=f"shares-{item}",
        title=say(
            "residual_shares.title", "{model}: what a block's output is made of, {item}", model=view.name,
            item=item_label(view, item),
        ),
        what=say("residual_shares.share", "share of the block's output"),
        x_label=say("figure.block", "block"),
        curves=curves,
        y_label=axis.name(say("residual_shares.share", "share of the block's output")),
        y_range=axis.ends,
    )  # fmt: skip
