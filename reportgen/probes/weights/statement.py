"""The rule of its sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from reportgen.figures.describe import Figure
from reportgen.language import say, say_count, sentences
from reportgen.numerals import write_change, write_number
from reportgen.probes.weights.view import random_edge
from reportgen.probing.view import SubjectView

FAR = 2.0
"""Times the distance that the farthest of as many normal numbers would have, from which a tensor has outliers."""


def tell(view: SubjectView) -> str:
    """Where the numbers have outliers, and how few directions hold most of a tensor."""
    first = next(iter(view.rows("tensors")), None)
    return sentences([_tell_outliers(view), _tell_directions(view, first) if first else ""])


def _tell_outliers(view: SubjectView) -> str:
    """The tensor whose farthest number lies farthest beyond those of as many normal ones."""
    beyond = [(_measure_excess(record), record) for record in view.rows("tensors")]
    if not beyond:
        return ""
    most, record = max(beyond, key=lambda one: one[0])
    return _tell_tensor(view, record, most)


def tell_figure(view: SubjectView, figure: Figure) -> str:
    """What the numbers of a figure's own tensor show."""
    kind, *numbers = figure.name.split("-")  # a tensor's; of a part of a figure, the part's behind it
    record = next((one for one in view.rows("tensors") if str(one["item"]) in numbers[:1]), None)
    if record is None:
        return ""
    return _tell_directions(view, record) if kind == "spectrum" else _tell_tensor(view, record, _measure_excess(record))


def _tell_tensor(view: SubjectView, record: Mapping[str, Any], most: float) -> str:
    """Whether a tensor has outliers: `most` is its farthest number by that of as many normal ones."""
    farthest, expected = write_change(float(record["farthest"]), _expected_farthest(record), significant=2)
    values = {
        "model": view.name,
        "tensor": record["tensor"],
        "farthest": farthest,
        "expected": expected,
    }
    if most >= FAR:
        return say(
            "weights.outliers",
            "In {model}, {tensor} has outliers: its numbers reach {farthest} standard deviations from their mean, "
            "normal ones would reach {expected}.",
            **values,
        )
    return say(
        "weights.no_clear_statement",
        "No clear outliers in {model}: the farthest number, in {tensor}, is {farthest} standard deviations from the "
        "mean; normal ones would reach {expected}.",
        **values,
    )


def _measure_excess(record: Mapping[str, Any]) -> float:
    return float(record["farthest"]) / _expected_farthest(record)


def _expected_farthest(record: Mapping[str, Any]) -> float:
    """About the farthest of as many normal numbers, in standard deviations."""
    numbers = math.prod(int(size) for size in record["shape"].split(" x "))
    return math.sqrt(2 * math.log(max(numbers, 2)))


def _tell_directions(view: SubjectView, record: Mapping[str, Any]) -> str:
    """How many directions hold half of a tensor's squares; nothing where they are not asked for."""
    found = view.outcome.arrays.get(f"spectrum/{record['item']}")
    if found is None or len(found.values) < 2:
        return ""
    squares = np.square(found.values)
    if not squares.sum():
        return ""
    half = int(np.searchsorted(np.cumsum(squares), squares.sum() / 2)) + 1
    return say_count(
        "weights.directions",
        "{count} of {all} directions of {tensor} holds half of its squared norm; the largest singular value is "
        "{times} times that of noise.",
        "{count} of {all} directions of {tensor} hold half of its squared norm; the largest singular value is "
        "{times} times that of noise.",
        half,
        all=len(squares),
        tensor=record["tensor"],
        times=write_number(found.values[0] / (random_edge(record) or 1.0), 2),
    )
