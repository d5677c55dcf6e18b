"""Pictures of one quantity before and after, and of the difference, described from the stored numbers alone."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from reportgen.baseline.quantities import DEPTHS, said
from reportgen.baseline.tables import ENTRY, RANK, VALUES
from reportgen.figures.describe import Curve, Curves, Figure, HeadMosaic, HeatMap, Ranking, Rankings, TokenGrid
from reportgen.numerals import write_number
from reportgen.results.quantities import Array, Cell, Table

BEFORE, AFTER = "before", "after"
"""What takes the place of a model: the two states that are compared, each with a style of its own."""
MOST_LINES = 2
"""Curves drawn of an array that has more: those that moved most."""
MOST_COLUMNS = 4
"""Columns of a token grid: three grids stand side by side."""
MOST_LISTS = 3
"""Ranked lists drawn of a table that has no layers."""
THIRD = 262.0
"""Points a picture takes where three stand side by side."""
PATTERN = ("block", "head", "query", "key")
PROMPT = "prompt"

Key = tuple[Cell, ...]
Records = list[dict[str, Any]]
T = TypeVar("T")


def array_figures(
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


def table_figures(
    name: str, before: Table, after: Table, texts: Mapping[Cell, str] = MappingProxyType({})
) -> list[Figure]:
    """A ranked table before and after: with layers the leaders as token grids, else the lists that changed.

    Args:
        name: the quantity.
        before: what it was.
        after: what it is; tables of other columns, and those that rank nothing, have no pictures.
        texts: prompt -> its text.
    """
    if before.columns != after.columns or RANK not in before.columns or not before.rows:
        return []
    entry = next((column for column in ENTRY if column in before.columns), None)
    if entry is None:
        return []
    pair = _Lists(name, before, after, entry)
    changed = pair.changed()
    if not changed:
        return []
    depth = next((dim for dim in DEPTHS if dim in pair.keys), None)
    return _rankings(pair, changed) if depth is None else _grids(pair, depth, changed, texts)


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
        return one, other, f" at {said(fixed)}" if fixed else ""

    def alt(self, state: str, one: NDArray[Any], other: NDArray[Any]) -> str:
        """What a picture shows, for who cannot see it."""
        moved = np.abs(_difference(one, other))
        known = moved[np.isfinite(moved)]
        at = f", largest at {said(self.place)}" if self.place else ""
        most = _told_sizes(known) + at if known.size else ""
        return f"{self.words}, {state}; {most or 'no element has a value both before and after'}"


def _told_sizes(moved: NDArray[np.float64]) -> str:
    return f"the largest difference is {write_number(float(moved.max()))}, the mean {write_number(float(moved.mean()))}"


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
            name=_file_name(pair.name, state), subject=subject, title=f"{state.capitalize()}: {pair.words}{where}",
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
    known: dict[str, Any] = {"row_label": plane[0], "column_label": _axis(plane[1]), "width": THIRD}

    def heat_map(state: str, values: NDArray[Any], subject: tuple[str, ...], label: str, **changed: Any) -> HeatMap:
        return HeatMap(
            name=_file_name(pair.name, state), subject=subject, title=f"{state.capitalize()}: {pair.words}{where}",
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
    known: dict[str, Any] = {"subject": (BEFORE, AFTER), "x_label": _axis(along)}
    figures: list[Figure] = [
        Curves(
            name=_file_name(pair.name, "overlaid"), title=f"Before (dashed) and after: {pair.words}{shown}",
            alt=pair.alt("before and after", one, other), y_label=pair.label, curves=overlaid, **known,
        )
    ]  # fmt: skip
    if any(value > 0 for curve in moved for value in curve.y):  # else values only came or went
        unit = f" ({pair.before.unit})" if pair.before.unit else ""
        allowed = {f"allowed{_at_depth(pair.place)}": pair.allowed} if pair.allowed else {}
        figures.append(
            Curves(
                name=_file_name(pair.name, "difference"), title=f"Difference: {pair.words}{shown}",
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
        return said({dim: pair.before.along(dim)[int(i)] for dim, i in zip(rest, indices, strict=True)})

    return [(label(line), one[line], other[line]) for line in chosen], len(one)


def _at_depth(place: Mapping[str, int]) -> str:
    depth = {dim: place[dim] for dim in DEPTHS if dim in place}
    return f" at {said(depth)}" if depth else ""


def _axis(dim: str) -> str:
    return "layer (0 = embedding)" if dim == "layer" else dim


def _file_name(name: str, state: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", f"{name}-{state}".lower()).strip("-")


class _Lists:
    """One ranked table before and after, list by list."""

    def __init__(self, name: str, before: Table, after: Table, entry: str) -> None:
        self.name = name
        self.words = name.replace("_", " ")
        self.entry = entry
        self.label = "token" if "token" in before.columns else entry
        self.value = next((column for column in VALUES if column in before.columns), None)
        self.keys = before.columns[: before.columns.index(RANK)]
        self.before, self.after = self._by_key(before), self._by_key(after)
        self.every = list({**self.before, **self.after})

    def _by_key(self, table: Table) -> dict[Key, Records]:
        found: dict[Key, Records] = {}
        for record in table.records():
            found.setdefault(tuple(record[key] for key in self.keys), []).append(record)
        return found

    def changed(self) -> dict[Key, float]:
        """List -> how much of it went, and 1 more where another entry leads; those in which nothing did are left out.

        A list in one table only counts as wholly changed.
        """
        found = {key: self.gone(key) / self.length(key) + self.leads_anew(key) for key in self.every}
        return {key: weight for key, weight in found.items() if weight > 0}

    def gone(self, key: Key) -> int:
        """Entries of the list before that it has no longer; all of them where it has vanished or is new."""
        if key not in self.before or key not in self.after:
            return self.length(key)
        return len({r[self.entry] for r in self.before[key]} - {r[self.entry] for r in self.after[key]})

    def length(self, key: Key) -> int:
        """Entries of a list."""
        return max(len(self.before.get(key, ())), len(self.after.get(key, ())))

    def leads_anew(self, key: Key) -> bool:
        """Whether another entry leads the list."""
        one, other = self.before.get(key), self.after.get(key)
        return one is None or other is None or one[0][self.entry] != other[0][self.entry]

    def worth(self, record: Mapping[str, Any]) -> float:
        """Why an entry stands where it does, as a number; NaN where nothing says it."""
        value = None if self.value is None else record[self.value]
        return float(value) if isinstance(value, int | float) else float("nan")


def _grids(pair: _Lists, depth: str, changed: Mapping[Key, float], texts: Mapping[Cell, str]) -> list[Figure]:
    """The leader of each layer, in the columns that changed most, and how many entries each list lost."""
    at = pair.keys.index(depth)
    columns = _columns(pair, at, changed)
    every = {key for key in pair.every if _without(key, at) in columns}
    # As the lens is drawn: the last layer on top.
    layers = sorted({key[at] for key in every}, key=lambda layer: (isinstance(layer, str), layer), reverse=True)
    cells = [[(*column[:at], layer, *column[at:]) for column in columns] for layer in layers]
    heads = _heads(_without(pair.keys, at), columns, texts)
    anew = np.array([[cell in every and pair.leads_anew(cell) for cell in row] for row in cells])
    told = [
        f"{depth} {row} of {heads.texts[column]}"
        for row, flags in reversed(list(zip(layers, anew, strict=True)))
        for column in np.flatnonzero(flags)
    ]
    shown = f"{pair.words}{heads.shared}"
    known: dict[str, Any] = {
        "row_label": _axis(depth), "rows": [str(layer) for layer in layers], "column_label": heads.label,
        "columns": heads.texts, "outlined": anew, "outline_label": "another leads",
    }  # fmt: skip
    alt = f"{shown}; another entry leads at {', '.join(told) or 'no layer'}"

    def leaders(state: str, lists: Mapping[Key, Records]) -> TokenGrid:
        first = [[lists[cell][0] if cell in lists else None for cell in row] for row in cells]
        # A list without numbers is filled as 0, so that its entry is read.
        values = [[np.nan if one is None else np.nan_to_num(pair.worth(one)) for one in row] for row in first]
        return TokenGrid(
            name=_file_name(pair.name, state), subject=(state,), title=f"{state.capitalize()}: {shown}",
            alt=f"{state.capitalize()}: {alt}", value_label=(pair.value or "").replace("_", " "),
            texts=[["" if one is None else str(one[pair.label]) for one in row] for row in first],
            values=np.array(values, dtype=np.float64), **known,
        )  # fmt: skip

    gone = [[pair.gone(cell) if cell in every else 0 for cell in row] for row in cells]
    shares = [[pair.gone(cell) / pair.length(cell) if cell in every else np.nan for cell in row] for row in cells]
    lost = TokenGrid(
        name=_file_name(pair.name, "difference"), subject=(BEFORE, AFTER),
        title=f"Difference: how many entries each list lost, {shown}", alt=f"Entries lost: {alt}",
        value_label="share lost", texts=[[str(count or "") for count in row] for row in gone],
        values=np.array(shares, dtype=np.float64), **known,
    )  # fmt: skip
    return [leaders(BEFORE, pair.before), leaders(AFTER, pair.after), lost]


def _columns(pair: _Lists, at: int, changed: Mapping[Key, float]) -> list[Key]:
    """The columns that changed most, in the table's order: those of one prompt, where it has several."""
    weights: dict[Key, float] = {}
    for key, weight in changed.items():
        weights[_without(key, at)] = weights.get(_without(key, at), 0.0) + weight
    names = _without(pair.keys, at)
    if PROMPT in names:
        weights = _of_worst_prompt(weights, names.index(PROMPT))
    most = sorted(weights, key=lambda column: -weights[column])[:MOST_COLUMNS]
    return [column for column in dict.fromkeys(_without(key, at) for key in pair.every) if column in most]


def _of_worst_prompt(weights: Mapping[Key, float], prompt: int) -> dict[Key, float]:
    """The columns of the prompt that changed most; all of them where it is but one column."""
    of_prompt: dict[Cell, float] = {}
    for column, weight in weights.items():
        of_prompt[column[prompt]] = of_prompt.get(column[prompt], 0.0) + weight
    worst = max(of_prompt, key=lambda one: of_prompt[one])
    chosen = {column: weight for column, weight in weights.items() if column[prompt] == worst}
    return chosen if len(chosen) > 1 else dict(weights)


def _without(key: tuple[T, ...], at: int) -> tuple[T, ...]:
    return (*key[:at], *key[at + 1 :])


@dataclass(frozen=True)
class _Heads:
    """What stands above the columns of a grid."""

    label: str
    """The keys that differ from column to column."""
    texts: list[str]
    shared: str
    """What all columns have in common, as ", prompt 0"."""


def _heads(names: Sequence[str], columns: Sequence[Key], texts: Mapping[Cell, str]) -> _Heads:
    """As few keys as tell the columns apart; a prompt is told by its text."""
    shared = [i for i in range(len(names)) if len({column[i] for column in columns}) == 1]
    told = [i for i in range(len(names)) if i not in shared]
    while len(told) > 1 and len({tuple(column[i] for i in told[:-1]) for column in columns}) == len(columns):
        told.pop()

    def said_of(i: int, value: Cell) -> str:
        return texts.get(value, str(value)) if names[i] == PROMPT else str(value)

    quoted = {value: f" “{text}”" for value, text in texts.items()}
    common = [
        f"{names[i]} {columns[0][i]}{quoted.get(columns[0][i], '') if names[i] == PROMPT else ''}" for i in shared
    ]
    return _Heads(
        label=", ".join(names[i] for i in told) or "one list a layer",
        texts=[", ".join(said_of(i, column[i]) for i in told) for column in columns],
        shared=f", {', '.join(common)}" if common else "",
    )


def _rankings(pair: _Lists, changed: Mapping[Key, float]) -> list[Figure]:
    """The lists that changed most, before and after, as bars on one scale."""
    most = sorted(changed, key=lambda key: -changed[key])[:MOST_LISTS]
    values = [
        pair.worth(record) for lists in (pair.before, pair.after) for key in most for record in lists.get(key, ())
    ]
    known = [value for value in values if np.isfinite(value)]
    ends = (min([0.0, *known]), max([0.0, *known]) or 1.0)
    shown = f", the {len(most)} of {len(changed)} changed lists that changed most" if len(changed) > len(most) else ""

    def rankings(state: str, lists: Mapping[Key, Records]) -> Rankings:
        found = [
            Ranking(
                title=", ".join(map(str, key)),
                labels=[str(record[pair.label]) for record in lists.get(key, ())],
                values=[pair.worth(record) for record in lists.get(key, ())],
            )
            for key in most
        ]
        return Rankings(
            name=_file_name(pair.name, state), subject=(state,), title=f"{state.capitalize()}: {pair.words}{shown}",
            alt="; ".join(f"{one.title}: {', '.join(one.labels)}" for one in found), rankings=found,
            value_label=(pair.value or "").replace("_", " "), value_range=ends, model=state,
        )  # fmt: skip

    return [rankings(BEFORE, pair.before), rankings(AFTER, pair.after)]
