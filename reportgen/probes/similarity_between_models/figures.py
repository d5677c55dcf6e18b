"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from reportgen.figures.describe import Curve, Curves, Figure, HeatMap
from reportgen.language import say, say_count
from reportgen.numerals import write_number
from reportgen.probes.similarity_between_models.view import MEASURES, Measure, View, measure_label
from reportgen.probing.parts import describe_curves
from reportgen.results.section import Section


def figures(section: Section) -> Iterable[Figure]:
    """Of each pair: every layer with every layer by both measures, and the best layer for each beside its control."""
    for view in View.each(section):
        for measure in MEASURES:
            if view.best_partners(measure):
                yield _draw_pairs(view, measure)
                yield _draw_best(view, measure)


def _draw_pairs(view: View, measure: Measure) -> HeatMap:
    """A cell per pair of layers, in standard deviations above its shuffles."""
    values = view.values(f"{measure}_by_layer_calibrated")
    best = view.best_partners(measure)
    return HeatMap(
        name=f"{measure}-pairs",
        subject=(view.subject,),
        title=_title(view, measure),
        alt=say(
            "similarity.pairs.alt",
            "Every layer of {base} with every layer of {other}, {what}: at most {most} standard deviations above the "
            "shuffles, at layers {layer} and {other_layer}",
            base=view.base,
            other=view.other,
            what=measure_label(view, measure),
            most=write_number(view.metric(f"{measure}_calibrated"), 2),
            layer=view.metric(f"{measure}_layer"),
            other_layer=view.metric(f"{measure}_other_layer"),
        ),
        values=values,
        row_label=say("similarity.layer_of", "layer of {model}", model=view.base),
        column_label=say("similarity.layer_of", "layer of {model}", model=view.other),
        value_label=say("similarity.above", "standard deviations above the shuffles (outlined: best of its row)"),
        value_range=(min(0.0, float(np.nanmin(values))), float(np.nanmax(values))),
        marked=best,
    )


def _draw_best(view: View, measure: Measure) -> Curves:
    """For each layer of base the highest score over other's layers, and the same of shuffled ones."""
    scores, control = view.values(f"{measure}_by_layer"), view.values(f"{measure}_best_shuffled")
    layers = [layer for layer, _ in view.best_partners(measure)]
    lines = {
        say("similarity.best", "best layer"): [float(np.nanmax(scores[layer])) for layer in layers],
        say("similarity.best_shuffled", "best, shuffled"): [float(control[layer]) for layer in layers],
    }
    curves = [Curve(label=label, x=layers, y=values, group=label) for label, values in lines.items()]
    return describe_curves(
        view,
        name=f"{measure}-best",
        title=_title_of_best(view, measure),
        what=measure_label(view, measure),
        x_label=say("similarity.layer_of_embedding", "layer of {model} (0 = embedding)", model=view.base),
        curves=curves,
        y_range=_find_range(curves),
    )


def _title_of_best(view: View, measure: Measure) -> str:
    if measure == "knn":
        return say("similarity.knn.best_title", "{model}: neighbours shared with the best layer", model=view.name)
    return say("similarity.cka.best_title", "{model}: CKA with the best layer", model=view.name)


def _find_range(curves: Sequence[Curve]) -> tuple[float, float]:
    """From 0, or what lies below it, to a little above the highest."""
    values = [value for curve in curves for value in curve.y if np.isfinite(value)]
    return min(0.0, *values), 1.05 * max(*values, 0.1)


def _title(view: View, measure: Measure) -> str:
    positions = int(view.metric("positions") or 0)
    if measure == "knn":
        return say_count(
            "similarity.knn.title",
            "{model}: shared nearest neighbours of {count} position",
            "{model}: shared nearest neighbours of {count} positions",
            positions,
            model=view.name,
        )
    return say_count(
        "similarity.cka.title",
        "{model}: CKA over {count} position",
        "{model}: CKA over {count} positions",
        positions,
        model=view.name,
    )
