"""Pictures of an array before and after, and of the difference, described from the stored numbers alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.baseline.quantities import DEPTHS, describe_place
from reportgen.figures.describe import Curve, Curves, Figure, HeadMosaic, HeatMap
from reportgen.numerals import write_number
from reportgen.report.comparison.states import AFTER, BEFORE, label_axis, name_figure
from reportgen.results.quantities import Array

MOST_LINES = 2
"""Curves drawn of an array that has more: those that moved most."""
THIRD = 262.0
"""Points a picture takes where three stand side by side."""
PATTERN = ("block", "head", "query", "key")


def make_array_figures(
    name: str, before: Array, after: Array, *, place: Mapping[str, int], allowed: float | None = None
) -> list[Figure]:
    """An array before, after, and the difference: of layers curves, of heads heat maps, of patterns a mosaic.

    Args:
        name: the quantity.
        before: (dims) what it was.
        after: (dims) what it is; arrays of another shape have no pictures.
        place: dim -> coordinate where the difference is worst: what does not fit a plane is shown there.
        allowed: the largest difference allowed at that place.
    """
    if before.dims != after.dims or before.values.shape != after.values.shape or not before.values.size:
        return []
    if not before.dims or any(before.along(dim) != after.along(dim) for dim in before.dims):
        return []
    pair = _Pair(name, before, after, place, allowed)
    if set(PATTERN) <= set(before.dims):
        return _mosaics(pair)
    if (plane := _plane(before)) is not None:
        return _heat_maps(pair, plane)
    return _curves(pair)


@dataclass(frozen=True)
class _Pair:
    """One array before and after."""

    name: str
    before: Array
    after: Array
    place: Mapping[str, int]
    allowed: float | None

    @property
    def words(self) -> str:
        """The quantity's name in words."""
        return self.name.replace("_", " ")

    @property
    def label(self) -> str:
        """Name and unit, as an axis has them."""
        unit = self.before.unit
        return f"{self.words} ({unit})" if unit else self.words

    def planes(self, dims: Sequence[str]) -> tuple[NDArray[Any], NDArray[Any], str]:
        """(dims) before and after where the difference is worst along all other dims, and where that is, in words."""
        rest = [dim for dim in self.before.dims if dim not in dims]
        fixed = {dim: self.place.get(dim, self.before.along(dim)[0]) for dim in rest}
        index = tuple(
            slice(None) if dim in dims else self.before.along(dim).index(fixed[dim]) for dim in self.before.dims
        )
        left = [dim for dim in self.before.dims if dim in dims]
        order = [left.index(dim) for dim in dims]
        one, other = (array.values[index].transpose(order) for array in (self.before, self.after))
        return one, other, f" at {describe_place(fixed)}" if fixed else ""

    def alt(self, state: str, one: NDArray[Any], other: NDArray[Any]) -> str:
        """What a picture shows, for who cannot see it."""
        moved = np.abs(_difference(one, other))
        known = moved[np.isfinite(moved)]
        at = f", largest at {describe_place(self.place)}" if self.place else ""
        most = _describe_sizes(known) + at if known.size else ""
        return f"{self.words}, {state}; {most or 'no element has a value both before and after'}"


def _difference(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.float64]:
    """After less before; NaN where either has no value."""
    known = np.isfinite(before) & np.isfinite(after)
    found = np.full(before.shape, np.nan)
    np.subtract(after, before, out=found, where=known, dtype=np.float64)
    return found


def _plane(array: Array) -> tuple[str, str] | None:
    """(rows, columns) of a heat map, where two dims ask for one and both count from 0, as a heat map does."""
    depth = next((dim for dim in DEPTHS if dim in array.dims), None)
    planes = [("head", depth), ("query", "key")] if depth else [("query", "key"), array.dims[-2:]]
    for rows, *others in planes:
        columns = others[0] if others else None
        if columns and all(_counts(array, dim) for dim in (rows, columns)):
            return rows, columns
    return None


def _counts(array: Array, dim: str) -> bool:
    """Whether an array has a dim that counts from 0."""
    return dim in array.dims and array.along(dim) == tuple(range(len(array.along(dim))))


def _mosaics(pair: _Pair) -> list[Figure]:
    one, other, where = pair.planes(PATTERN)
    known: dict[str, Any] = {"width": THIRD, "blocks": pair.before.coordinates.get("block", ())}

    def mosaic(state: str, patterns: NDArray[Any], subject: tuple[str, ...], **changed: Any) -> HeadMosaic:
        return HeadMosaic(
            name=name_figure(pair.name, state), subject=subject, title=f"{state.capitalize()}: {pair.words}{where}",
            alt=pair.alt(state, one, other), patterns=patterns, **known | changed,
        )  # fmt: skip

    moved = _difference(one, other)
    return [
        mosaic(BEFORE, one, (BEFORE,)),
        mosaic(AFTER, other, (AFTER,)),
        mosaic("difference", moved, (BEFORE, AFTER), scale="diverging", value_label="after − before"),
    ]


def _heat_maps(pair: _Pair, plane: tuple[str, str]) -> list[Figure]:
    one, other, where = pair.planes(plane)
    finite = np.concatenate([values[np.isfinite(values)] for values in (one, other)])
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    signed = low < 0
    scale: dict[str, Any] = {"scale": "diverging" if signed else "sequential", "value_range": (min(low, 0.0), high)}
    known: dict[str, Any] = {"row_label": plane[0], "column_label": label_axis(plane[1]), "width": THIRD}

    def heat_map(state: str, values: NDArray[Any], subject: tuple[str, ...], label: str, **changed: Any) -> HeatMap:
        return HeatMap(
            name=name_figure(pair.name, state), subject=subject, title=f"{state.capitalize()}: {pair.words}{where}",
            alt=pair.alt(state, one, other), values=np.where(np.isfinite(values), values, np.nan), value_label=label,
            **known | changed,
        )  # fmt: skip

    return [
        heat_map(BEFORE, one, (BEFORE,), pair.label, **scale),
        heat_map(AFTER, other, (AFTER,), pair.label, **scale),
        heat_map("difference", _difference(one, other), (BEFORE, AFTER), "after − before", scale="diverging"),
    ]


def _curves(pair: _Pair) -> list[Figure]:
    """The lines that moved most, before and after in one figure, and how far they moved in another."""
    along = next((dim for dim in DEPTHS if dim in pair.before.dims), pair.before.dims[-1])
    lines, count = _lines(pair, along)
    if not lines:
        return []
    x = [float(at) for at in pair.before.along(along)]
    overlaid: list[Curve] = []
    moved: list[Curve] = []
    for label, one, other in lines:
        single = len(lines) == 1
        name = AFTER if single else label
        overlaid.append(Curve(label=BEFORE, x=x, y=one.tolist(), model=BEFORE))
        overlaid.append(Curve(label=name, x=x, y=other.tolist(), model=AFTER))
        difference = np.abs(_difference(one, other)).tolist()
        moved.append(Curve(label="moved by" if single else label, x=x, y=difference, model=AFTER))
    shown = f", the {len(lines)} of {count} lines that moved most" if count > len(lines) > 1 else ""
    shown = shown or (f", {lines[0][0]}" if lines[0][0] else "")
    one, other = pair.before.values, pair.after.values
    known: dict[str, Any] = {"subject": (BEFORE, AFTER), "x_label": label_axis(along)}
    figures: list[Figure] = [
        Curves(
            name=name_figure(pair.name, "overlaid"), title=f"Before (dashed) and after: {pair.words}{shown}",
            alt=pair.alt("before and after", one, other), y_label=pair.label, curves=overlaid, **known,
        )
    ]  # fmt: skip
    if any(value > 0 for curve in moved for value in curve.y):  # else values only came or went
        unit = f" ({pair.before.unit})" if pair.before.unit else ""
        allowed = {f"allowed{_describe_depth(pair.place)}": pair.allowed} if pair.allowed else {}
        figures.append(
            Curves(
                name=name_figure(pair.name, "difference"), title=f"Difference: {pair.words}{shown}",
                alt=pair.alt("difference", one, other), y_label=f"|after − before|{unit}", curves=moved,
                references=allowed, **known,
            )
        )  # fmt: skip
    return figures


def _lines(pair: _Pair, along: str) -> tuple[list[tuple[str, NDArray[Any], NDArray[Any]]], int]:
    """(label, (along) before, (along) after) of the lines that moved most, and how many lines there are."""
    axis = pair.before.dims.index(along)
    rest = [dim for dim in pair.before.dims if dim != along]
    one, other = (
        np.moveaxis(array.values, axis, -1).astype(np.float64).reshape(-1, array.values.shape[axis])
        for array in (pair.before, pair.after)
    )
    movement = np.abs(_difference(one, other))
    # A value that came or went is the largest of all movements.
    movement[np.isfinite(one) != np.isfinite(other)] = np.inf
    furthest = np.nan_to_num(movement, nan=0.0, posinf=np.inf).max(axis=1)
    sizes = [len(pair.before.along(dim)) for dim in rest]
    worst = 0
    if set(rest) <= set(pair.place):
        at = tuple(pair.before.along(dim).index(pair.place[dim]) for dim in rest)
        worst = int(np.ravel_multi_index(at, sizes)) if sizes else 0
    order = [worst, *(int(line) for line in np.argsort(-furthest, kind="stable") if line != worst)]
    chosen = [line for line in order[:MOST_LINES] if furthest[line] > 0]

    def label(line: int) -> str:
        indices = np.unravel_index(line, sizes) if sizes else ()
        return describe_place({dim: pair.before.along(dim)[int(i)] for dim, i in zip(rest, indices, strict=True)})

    return [(label(line), one[line], other[line]) for line in chosen], len(one)


def _describe_depth(place: Mapping[str, int]) -> str:
    depth = {dim: place[dim] for dim in DEPTHS if dim in place}
    return f" at {describe_place(depth)}" if depth else ""


def _describe_sizes(moved: NDArray[np.float64]) -> str:
    return f"the largest difference is {write_number(float(moved.max()))}, the mean {write_number(float(moved.mean()))}"
