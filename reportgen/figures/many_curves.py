"""Curves of so many models that nobody can tell them apart, as a grid: a row a model, a column a layer."""

from collections.abc import Sequence

import numpy as np

from reportgen.figures.describe import Curves, Figure, TokenGrid
from reportgen.language import say
from reportgen.numerals import write_cell, write_number

MOST = 12
"""Models whose curves can be told apart by colour and dash in one figure."""


def grid_many_curves(figure: Figure) -> Figure:
    """The figure; of curves of more than `MOST` models, one each and over the same layers, the grid of their values.

    A cell's fill says where its value lies between the least and the largest of all, its text the value.
    """
    if not isinstance(figure, Curves) or not _are_too_many(figure):
        return figure
    values = np.array([curve.y for curve in figure.curves], dtype=np.float64)
    known = values[np.isfinite(values)]
    if not known.size:
        return figure
    least, largest = float(known.min()), float(known.max())
    return TokenGrid(
        name=figure.name,
        subject=figure.subject,
        title=figure.title,
        alt=figure.alt,
        row_label=say("many_curves.model", "model"),
        rows=[curve.label for curve in figure.curves],
        column_label=figure.x_label,
        columns=[write_cell(x, 3) for x in figure.curves[0].x],
        texts=[[write_cell(float(value)) if np.isfinite(value) else "" for value in row] for row in values],
        values=(values - least) / ((largest - least) or 1.0),
        value_label=_name_values(figure, least, largest),
        outlined=np.zeros(values.shape, dtype=bool),
    )


def _are_too_many(curves: Curves) -> bool:
    """Whether there are so many models, each with one curve, and all curves have values at the same places."""
    models = [curve.model for curve in curves.curves]
    if len(models) <= MOST or None in models or len(set(models)) < len(models):
        return False
    places: Sequence[float] = list(curves.curves[0].x)
    return all(list(curve.x) == places and not curve.faint for curve in curves.curves)


def _name_values(curves: Curves, least: float, largest: float) -> str:
    """What the fill means, with the levels that the curves would be held against."""
    levels = "".join(f"; {name}: {write_number(level)}" for name, level in curves.references.items())
    return say(
        "many_curves.value",
        "{quantity}, from the least ({least}) to the largest ({largest}){levels}",
        quantity=curves.y_label,
        least=write_number(least),
        largest=write_number(largest),
        levels=levels,
    )
