"""One number, array or table before and after: what became of it, by how much, and where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.baseline.prompts import PromptsChange
from reportgen.baseline.tolerance import Tolerance
from reportgen.baseline.verdict import Verdict
from reportgen.numerals import write_change, write_number
from reportgen.results.quantities import Array, Metric

DEPTHS = ("layer", "block")
"""Dims along which a model is read from below: the first place beyond tolerance is where a change begins."""


@dataclass(frozen=True)
class Change:
    """What became of one quantity."""

    name: str
    kind: str
    """metric, array or table."""
    verdict: Verdict
    gate: bool = True
    """Whether it decides about the comparison's end."""
    told: str = ""
    """What changed, by how much and where, in one sentence; empty where nothing did."""
    before: float | None = None
    after: float | None = None
    worst: float | None = None
    """Largest difference, in the quantity's unit; of a ranked table, the share of entries that went."""
    mean: float | None = None
    """Mean difference over all elements."""
    bound: float | None = None
    """Largest difference that was allowed where it is largest."""
    place: Mapping[str, int] = field(default_factory=dict)
    """Dim -> coordinate of the largest difference."""
    first: Mapping[str, int] = field(default_factory=dict)
    """`layer` or `block` -> the first beyond tolerance."""
    prompts: PromptsChange | None = None
    """Of a metric that is a mean over prompts: how it changed prompt by prompt."""
    said: bool = False
    """Of a table: whether what a model says changed, another token at rank 1 or another text, and not its numbers
    alone."""

    @property
    def order(self) -> int:
        """Where it stands among changes of one verdict: what a reader of the report sees first.

        First what a model says: tables in which its words changed, and shares of answers (metrics whose prompts each
        give 0 or 1). Then other metrics, which the report's first page compares; then arrays, which are drawn; then
        tables of numbers and of labels.
        """
        if self.said or (self.prompts is not None and self.prompts.yes_or_no):
            return 0
        return {"metric": 1, "array": 2}.get(self.kind, 3)


def compare_metric(name: str, before: Metric, after: Metric, tolerance: Tolerance) -> Change:
    """What became of a metric that both bundles have."""
    known: dict[str, Any] = {
        "name": name,
        "kind": "metric",
        "gate": tolerance.gate,
        "before": before.value,
        "after": after.value,
    }
    if told := _explain_other_meaning(before, after, ("unit", "direction")):
        return Change(**known, verdict=Verdict.NOT_COMPARABLE, told=told)
    if before.value is None or after.value is None:
        if before.value is None and after.value is None:
            return Change(**known, verdict=Verdict.SAME)
        if after.value is None:
            return Change(**known, verdict=Verdict.UNDEFINED, told=f"it is undefined now: {after.reason}")
        return Change(**known, verdict=Verdict.DEFINED, told=f"it was undefined: {before.reason}")
    difference = after.value - before.value
    bound = tolerance.bound(abs(before.value))
    measured: dict[str, Any] = {"worst": abs(difference), "mean": abs(difference), "bound": bound}
    if difference == 0:
        return Change(**known, **measured, verdict=Verdict.SAME)
    if abs(difference) <= bound:
        return Change(**known, **measured, verdict=Verdict.WITHIN)
    told = f"{' → '.join(write_change(before.value, after.value))}{_unit(before.unit)}"
    return Change(**known, **measured, verdict=_judge_direction(difference, tolerance), told=told)


def compare_array(name: str, before: Array, after: Array, tolerance: Tolerance) -> Change:
    """What became of an array that both bundles have, element by element; NaN equals NaN."""
    known: dict[str, Any] = {"name": name, "kind": "array", "gate": tolerance.gate}
    if before.dims != after.dims or before.values.shape != after.values.shape:
        shapes = f"{_shape(before)} → {_shape(after)}"
        return Change(**known, verdict=Verdict.NOT_COMPARABLE, told=f"its shape changed: {shapes}")
    if any(before.along(dim) != after.along(dim) for dim in before.dims):
        return Change(**known, verdict=Verdict.NOT_COMPARABLE, told="its coordinates changed")
    if told := _explain_other_meaning(before, after, ("unit", "relative_to")):
        return Change(**known, verdict=Verdict.NOT_COMPARABLE, told=told)
    one, other = before.values.astype(np.float64), after.values.astype(np.float64)
    gone = np.isfinite(one) & ~np.isfinite(other)
    if gone.any():
        place = _locate_element(before, int(gone.argmax()))
        told = f"{int(gone.sum())} values are undefined now, the first at {describe_place(place)}"
        return Change(**known, verdict=Verdict.UNDEFINED, told=told, place=place, first=_find_first(before, gone))
    other_kind = ~np.isfinite(one) & ~np.isfinite(other) & (one != other) & ~(np.isnan(one) & np.isnan(other))
    if other_kind.any():
        at = int(other_kind.argmax())
        change = f"{one.flat[at]} → {other.flat[at]} at {describe_place(_locate_element(before, at))}"
        told = f"{int(other_kind.sum())} values are undefined in another way now, the first {change}"
        return Change(**known, verdict=Verdict.DRIFTED, told=told, first=_find_first(before, other_kind))
    came = ~np.isfinite(one) & np.isfinite(other)
    if came.any():
        where = describe_place(_locate_element(before, int(came.argmax())))
        told = f"{int(came.sum())} values were undefined, the first at {where}"
        return Change(**known, verdict=Verdict.DEFINED, told=told)
    compared = np.isfinite(one)
    with np.errstate(over="ignore", invalid="ignore"):  # a difference of two largest numbers is infinite, and beyond
        difference = np.where(compared, np.abs(np.subtract(other, one, where=compared, out=np.zeros_like(one))), 0.0)
        bounds = tolerance.abs + tolerance.rel * np.where(compared, np.abs(one), 0.0)
        return _judge_difference(known, before, difference, bounds)


def _explain_other_meaning(before: object, after: object, parts: Sequence[str]) -> str:
    """What became another of what the numbers mean; empty where nothing did."""
    for part in parts:
        was, now = getattr(before, part), getattr(after, part)
        if was != now:
            return f"its {part.replace('_', ' ')} changed: {was or 'none'} → {now or 'none'}"
    return ""


def _judge_difference(
    known: Mapping[str, Any], before: Array, difference: NDArray[np.float64], bounds: NDArray[np.float64]
) -> Change:
    if not difference.size or not difference.any():
        return Change(**known, verdict=Verdict.SAME, worst=0.0, mean=0.0)
    # Where the difference most exceeds what was allowed, not where it is largest: tolerances grow with the values.
    beyond = difference - bounds
    at = int((beyond if (beyond > 0).any() else difference).argmax())
    worst, bound, mean = float(difference.flat[at]), float(bounds.flat[at]), float(difference.mean())
    place = _locate_element(before, at)
    measured: dict[str, Any] = {"worst": worst, "mean": mean, "bound": bound, "place": place}
    if not (beyond > 0).any():
        return Change(**known, **measured, verdict=Verdict.WITHIN)
    first = _find_first(before, beyond > 0)
    begins = f", from {describe_place(first)} on" if first else ""
    size = f"{write_number(worst)}{_unit(before.unit)}"
    told = f"by {size} at {describe_place(place)}{begins}; {write_number(mean)} on average"
    return Change(**known, **measured, verdict=Verdict.DRIFTED, told=told, first=first)


def _judge_direction(difference: float, tolerance: Tolerance) -> Verdict:
    if tolerance.direction == "none":
        return Verdict.DRIFTED
    return Verdict.BETTER if (difference > 0) == (tolerance.direction == "higher") else Verdict.WORSE


def _locate_element(array: Array, flat: int) -> dict[str, int]:
    """Dim -> coordinate of an element by its flat index."""
    indices = np.unravel_index(flat, array.values.shape)
    return {dim: int(array.along(dim)[int(index)]) for dim, index in zip(array.dims, indices, strict=True)}


def _find_first(array: Array, beyond: NDArray[np.bool_]) -> dict[str, int]:
    """The lowest layer, or block, that holds any of these elements; none where what is higher up moves all of them."""
    for dim in DEPTHS:
        if dim in array.dims and not array.relative_to:
            axis = array.dims.index(dim)
            others = tuple(i for i in range(beyond.ndim) if i != axis)
            return {dim: int(array.along(dim)[int(beyond.any(axis=others).argmax())])}
    return {}


def depth_of(place: Mapping[str, int]) -> float:
    """How deep in the model a place is: block b lies between layer b and layer b + 1; infinite where it is neither."""
    if "layer" in place:
        return 2.0 * place["layer"]
    return 2.0 * place["block"] + 1 if "block" in place else float("inf")


def describe_place(place: Mapping[str, int]) -> str:
    """A place in words: "layer 14, prompt 0"."""
    depth = [dim for dim in DEPTHS if dim in place]
    return ", ".join(f"{dim} {place[dim]}" for dim in (*depth, *(dim for dim in place if dim not in depth)))


def _shape(array: Array) -> str:
    return " x ".join(f"{dim} {size}" for dim, size in zip(array.dims, array.values.shape, strict=True))


def _unit(unit: str) -> str:
    return f" {unit}" if unit else ""


def names_of(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """Names of both, in the order in which they stand."""
    return list(dict.fromkeys([*one, *other]))
