"""What its figures show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from reportgen.figures.describe import Curve, Curves, Figure, HeatMap, TokenGrid
from reportgen.language import list_items, say
from reportgen.numerals import write_cell, write_number, write_share
from reportgen.probes.weights import MOST_DRAWN
from reportgen.probes.weights.view import random_edge
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section
from reportgen.text.characters import mark_space


def figures(section: Section) -> Iterable[Figure]:
    """Of each tensor its histogram, its corner, the first of its numbers and its singular values."""
    views = SubjectView.each(section)
    for item in range(MOST_DRAWN):
        for draw in (_histogram, _corner, _values, _spectrum):
            for view in views:
                if item < len(view.rows("tensors")):
                    record = view.rows("tensors")[item]
                    yield from draw(view, record)


def _histogram(view: SubjectView, record: Mapping[str, Any]) -> Iterator[Curves]:
    """Shares a bin, next to those of a normal distribution of the same mean and standard deviation."""
    shares = view.values("histogram")[record["item"]]
    edges = np.linspace(record["low"], record["high"], len(shares) + 1)
    middles = (edges[:-1] + edges[1:]) / 2
    own = say("weights.numbers", "its numbers")
    curves = [Curve(label=own, x=middles.tolist(), y=shares.tolist(), group=own)]
    if record["std"] > 0:
        normal = [_normal_share(a, b, record["mean"], record["std"]) for a, b in pairwise(edges)]
        label = say("weights.normal", "normal distribution")
        curves.append(Curve(label=label, x=middles.tolist(), y=normal, group=label, faint=True))
    yield Curves(
        name=f"histogram-{record['item']}",
        subject=(view.subject,),
        title=say(
            "weights.histogram.title", "{model}: numbers of {tensor}", model=view.name, tensor=record["tensor"]
        ),
        alt=say(
            "weights.histogram.alt",
            "Numbers of {tensor} of {model}: from {min} to {max}, mean {mean}, standard deviation {std}, {zeros} of "
            "them 0",
            tensor=record["tensor"],
            model=view.name,
            min=write_number(record["min"]),
            max=write_number(record["max"]),
            mean=write_number(record["mean"]),
            std=write_number(record["std"]),
            zeros=write_share(record['zeros']),
        ),
        x_label=say("weights.number", "number"),
        y_label=say("weights.share", "share of all numbers, each bar a hundredth of the range"),
        curves=curves,
        y_range=(0.0, max(max(curve.y) for curve in curves) * 1.05),
    )  # fmt: skip


def _normal_share(low: float, high: float, mean: float, std: float) -> float:
    """Of a normal distribution between two numbers."""
    ends = (math.erf((end - mean) / (std * math.sqrt(2))) for end in (low, high))
    first, last = ends
    return (last - first) / 2


def _corner(view: SubjectView, record: Mapping[str, Any]) -> Iterator[HeatMap]:
    """White is 0."""
    corner = view.values(f"corners/{record['item']}")
    values = {
        "model": view.name,
        "tensor": record["tensor"],
        "rows": corner.shape[0],
        "columns": corner.shape[1],
        "shape": record["shape"],
    }
    yield HeatMap(
        name=f"corner-{record['item']}",
        subject=(view.subject,),
        title=say("weights.corner.title", "{model}: the first {rows} × {columns} of {tensor}", **values),
        alt=say(
            "weights.corner.alt",
            "The first {rows} × {columns} numbers of {tensor} ({shape}) of {model}, from {low} to {high}",
            low=write_number(float(corner.min())),
            high=write_number(float(corner.max())),
            **values,
        ),
        values=corner,
        row_label=say("weights.row", "row"),
        column_label=say("weights.column", "column"),
        value_label=say("weights.number", "number"),
        scale="diverging",
    )


def _values(view: SubjectView, record: Mapping[str, Any]) -> Iterator[TokenGrid]:
    """The numbers themselves of the first rows and columns; nothing where they are not asked for."""
    asked = view.options.get("numbers")
    if asked is None:
        return
    values = view.values(f"corners/{record['item']}")[:asked, :asked].astype(np.float64)
    sizes = np.abs(values)
    told = {
        "model": view.name,
        "tensor": record["tensor"],
        "rows": values.shape[0],
        "columns": values.shape[1],
    }
    yield TokenGrid(
        name=f"values-{record['item']}",
        subject=(view.subject,),
        title=say("weights.values.title", "{model}: the first numbers of {tensor}", **told),
        alt=say(
            "weights.values.alt",
            "The first {rows} × {columns} numbers of {tensor} of {model}; its first row: {numbers}",
            numbers=list_items([write_cell(value, 3) for value in values[0].tolist()]),
            **told,
        ),
        row_label=say("weights.row", "row"),
        rows=_name_rows(view, record, values.shape[0]),
        column_label=say("weights.column", "column"),
        columns=[str(column) for column in range(values.shape[1])],
        texts=[[write_cell(value, 3) for value in row] for row in values.tolist()],
        values=sizes / (sizes.max() or 1.0),
        value_label=say("weights.size", "size, as a share of the largest here"),
        outlined=np.zeros(values.shape, bool),
        sampleable=False,
    )


def _name_rows(view: SubjectView, record: Mapping[str, Any], count: int) -> list[str]:
    """(row) its number, with its token if it is one of an embedding table."""
    found = view.rows("named_rows") if "named_rows" in view.outcome.tables else []
    tokens = {row["row"]: mark_space(str(row["token"])) for row in found if row["item"] == record["item"]}
    return [
        say("weights.row_of_token", "{row}: {token}", row=row, token=tokens[row]) if row in tokens else str(row)
        for row in range(count)
    ]


def _spectrum(view: SubjectView, record: Mapping[str, Any]) -> Iterator[Curves]:
    """Singular values from the largest on; nothing where they are not asked for, or but one."""
    found = view.outcome.arrays.get(f"spectrum/{record['item']}")
    if found is None or len(found.values) < 2:
        return
    values = found.values.tolist()
    edge = random_edge(record)
    yield Curves(
        name=f"spectrum-{record['item']}",
        subject=(view.subject,),
        title=say(
            "weights.spectrum.title", "{model}: singular values of {tensor}", model=view.name, tensor=record["tensor"]
        ),
        alt=say(
            "weights.spectrum.alt",
            "Singular values of {tensor} of {model}: from {first} to {last}; the largest of a random matrix would be "
            "{edge}",
            tensor=record["tensor"],
            model=view.name,
            first=write_number(values[0]),
            last=write_number(values[-1]),
            edge=write_number(edge),
        ),
        x_label=say("weights.rank", "singular value, counted from 1"),
        y_label=say("weights.singular_value", "singular value"),
        curves=[
            Curve(
                label=say("weights.spectrum", "this tensor"),
                x=list(range(1, len(values) + 1)),
                y=values,
                model=view.subject,
            )
        ],
        references={say("weights.random", "largest of noise"): edge},
        y_range=(0.0, max(values[0], edge) * 1.05),
    )
