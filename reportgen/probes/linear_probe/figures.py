"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from reportgen.figures.describe import Curve, Curves, Figure
from reportgen.language import list_items, say, say_count
from reportgen.numerals import write_count
from reportgen.probes.linear_probe.view import View
from reportgen.probing.parts import describe_beside_controls, name_random_weights
from reportgen.probing.probe import axis_label, tell_ends
from reportgen.results.section import Section


def figures(section: Section) -> Iterable[Figure]:
    """Each model with its controls; then all models together."""
    views = View.each(section)
    for view in views:
        yield _draw_controls(view)
    if len(views) > 1:
        yield _draw_together(views)


def _draw_controls(view: View) -> Curves:
    controls = [(say("linear_probe.random_labels", "random labels"), view.values("accuracy_control"))]
    if view.twin is not None:
        controls.append((name_random_weights(), view.twin))
    # A curve, though it needs no layer: of two lines across none could be told from the other.
    by_heart = np.full(len(view.layers), view.random_coordinates)
    controls.append((say("linear_probe.random_coordinates", "random coordinates"), by_heart))
    return describe_beside_controls(
        view,
        "accuracy",
        name="accuracy",
        what=say("linear_probe.accuracy", "held-out prompts with the right label"),
        label=say("linear_probe.given_labels", "given labels"),
        controls=controls,
        y_label=_name_shares(view),
        references={say("linear_probe.most_frequent", "most frequent label"): float(view.metric("majority") or 0)},
        y_range=(0.0, 1.0),
        band=view.bounds,
    )


def _draw_together(views: Sequence[View]) -> Curves:
    """Accuracies of all models in one figure."""
    relative = _is_relative(views[0])
    curves = [
        Curve(
            label=view.name, x=_place(view), y=view.values("accuracy").tolist(), model=view.subject,
            band=view.bounds,
        )
        for view in views
    ]  # fmt: skip
    frequent = max(float(view.metric("majority") or 0) for view in views)
    return Curves(
        name="models",
        subject=tuple(view.subject for view in views),
        title=say("linear_probe.together", "Held-out prompts with the right label, by model"),
        alt=say(
            "linear_probe.together_alt",
            "Share of held-out prompts with the right label over the layers: {curves}.",
            curves=list_items([tell_ends(curve) for curve in curves]),
        ),
        x_label=axis_label(relative=relative),
        y_label=_name_shares(views[0]),
        curves=curves,
        references={say("linear_probe.most_frequent", "most frequent label"): frequent},
        y_range=(0.0, 1.0),
        x_range=(0.0, 1.0) if relative else None,
    )


def _name_shares(view: View) -> str:
    groups = max(view.units) + 1
    if groups < view.count:
        return say(
            "linear_probe.grouped_share_axis",
            "share of {count} prompts (95 % band of {groups} groups)",
            count=write_count(view.count),
            groups=write_count(groups),
        )
    return say_count(
        "linear_probe.share_axis",
        "share of {count} prompt (95 % band)",
        "share of {count} prompts (95 % band)",
        view.count,
    )


def _is_relative(view: View) -> bool:
    return bool(view.options["axis"] == "relative")


def _place(view: View) -> list[float]:
    """(layer) where each stands on the axis."""
    return [layer / view.last_layer if _is_relative(view) else float(layer) for layer in view.layers]
