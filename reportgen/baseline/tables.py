"""Tables before and after: ranked lists by what they share and where they part, others row by row."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reportgen.baseline.quantities import DEPTHS, Change
from reportgen.baseline.tolerance import MEASURED, Tolerance
from reportgen.baseline.verdict import Verdict
from reportgen.documents.problem import describe_value
from reportgen.numerals import write_change, write_count
from reportgen.results.quantities import Cell, Table

RANK = "rank"
ENTRY = ("token_id", "token", "feature", "label")
"""Columns that say what stands at a rank, the first that a table has."""
VALUES = ("probability", "similarity", "activation", "score")
"""Columns that say why it stands there."""
SAID = frozenset(
    {"answer", "base_token", "is_right", "named", "next_token", "other_token", "own_token", "refused", "right", "says",
     "steered", "text", "token", "unsteered"}
)  # fmt: skip
"""Columns of what a model says, or whether that is right. What it read is the same before and after: else the two would
not be compared."""

Key = tuple[Cell, ...]


def compare_table(name: str, before: Table, after: Table, tolerance: Tolerance) -> Change:
    """What became of a table that both bundles have."""
    known: dict[str, Any] = {"name": name, "kind": "table", "gate": tolerance.gate}
    if before.columns != after.columns:
        told = f"its columns changed: {', '.join(before.columns)} → {', '.join(after.columns)}"
        return Change(**known, verdict=Verdict.NOT_COMPARABLE, told=told)
    if before.rows == after.rows and _kinds(before) == _kinds(after):
        return Change(**known, verdict=Verdict.SAME, worst=0.0)
    if RANK in before.columns and _entry_column(before) is not None:
        return _ranked_change(known, before, after, tolerance)
    return _rows_change(known, before, after, tolerance)


def measure_losses(before: Table, after: Table) -> list[float]:
    """Of each list of a ranked table, the share that another table of the same lists does not hold."""
    new = _lists(after)
    return [_measure_loss(rows, new.get(key, [])) for key, rows in _lists(before).items()]


def find_largest_move(before: Table, after: Table) -> float:
    """Largest difference of the values (probability, similarity, …) of entries that both ranked tables hold."""
    column = _value_column(before)
    new = _lists(after)
    pairs = (pair for key, rows in _lists(before).items() for pair in _pair_entries(rows, new.get(key, [])))
    values = ((one.value(column), other.value(column)) for one, other in pairs)
    return max((abs(one - other) for one, other in values if one is not None and other is not None), default=0.0)


def _kinds(table: Table) -> list[set[type]]:
    """The types in each column: to Python, true is 1."""
    return [set(map(type, table.column(column))) for column in table.columns]


@dataclass(frozen=True)
class _Entry:
    """What stands at a rank."""

    cells: Mapping[str, Any]
    identity: tuple[Cell, ...]
    """All that is not measured of it: its ids, its words and whatever else tells it from another."""

    def value(self, column: str | None) -> float | None:
        """The number under a column; None where there is none."""
        cell = None if column is None else self.cells[column]
        return cell if isinstance(cell, float) and cell == cell else None


def _ranked_change(known: dict[str, Any], before: Table, after: Table, tolerance: Tolerance) -> Change:
    old, new = _lists(before), _lists(after)
    if set(old) != set(new):
        changed = len(set(old) ^ set(new))
        return Change(**known, verdict=Verdict.DRIFTED, told=f"{changed} lists are in one of the two bundles only")
    lost = {key: _measure_loss(old[key], new[key]) for key in old}
    value = _value_column(before)
    moved = {key: _explain_moved(old[key], new[key], value, tolerance) for key in old}
    led = {key: _has_new_leader(old[key], new[key], value, tolerance) for key in old}
    beyond = [key for key in old if lost[key] > 1 - tolerance.overlap or moved[key] or led[key]]
    measured: dict[str, Any] = {
        "worst": max(lost.values()),
        "mean": sum(lost.values()) / len(lost),
        "bound": 1 - tolerance.overlap,
    }
    if not beyond:
        return Change(**known, **measured, verdict=Verdict.WITHIN)
    first = min(beyond, key=lambda key: _depth(before, key))
    parting = moved[first] or _describe_parting(before, old[first], new[first])
    told = f"{_describe_list(before, first)}, {parting}; {len(beyond)} of {len(old)} lists changed"
    place = dict(zip(_keys(before), first, strict=True))
    depth = {dim: at for dim in DEPTHS if isinstance(at := place.get(dim), int)}
    said = any(led.values()) and "token" in before.columns
    return Change(**known, **measured, verdict=Verdict.DRIFTED, told=told.removeprefix(", "), first=depth, said=said)


def _keys(table: Table) -> list[str]:
    """The columns that say which list a row belongs to: those before the rank."""
    return list(table.columns[: table.columns.index(RANK)])


def _entry_column(table: Table) -> str | None:
    return next((column for column in ENTRY if column in table.columns), None)


def _value_column(table: Table) -> str | None:
    return next((column for column in VALUES if column in table.columns), None)


def _lists(table: Table) -> dict[Key, list[_Entry]]:
    found: dict[Key, list[_Entry]] = {}
    keys = _keys(table)
    apart = {*keys, RANK}
    for record in table.records():
        told = tuple(cell for name, cell in record.items() if name not in apart and not isinstance(cell, float))
        found.setdefault(tuple(record[key] for key in keys), []).append(_Entry(record, told))
    return found


def _measure_loss(old: Sequence[_Entry], new: Sequence[_Entry]) -> float:
    """Share of the old list that the new one does not hold."""
    held = {one.identity for one in old}
    return 1 - len(held & {one.identity for one in new}) / max(len(held), 1)


def _pair_entries(old: Sequence[_Entry], new: Sequence[_Entry]) -> Iterator[tuple[_Entry, _Entry]]:
    """Entries that both lists hold; of those that stand in a list more than once, the first with the first."""
    left: dict[Key, list[_Entry]] = {}
    for one in reversed(new):
        left.setdefault(one.identity, []).append(one)
    for one in old:
        if left.get(one.identity):
            yield one, left[one.identity].pop()


def _explain_moved(old: Sequence[_Entry], new: Sequence[_Entry], value: str | None, tolerance: Tolerance) -> str:
    """What of the numbers next to the entries is beyond tolerance, or not counted as before; empty where nothing is."""
    for one, other in zip(old, new, strict=False):
        if one.cells[RANK] != other.cells[RANK]:
            return f"rank {one.cells[RANK]} → {other.cells[RANK]}"
    for one, other in _pair_entries(old, new):
        for column, cell in one.cells.items():
            # Calibration measures how far the first of them moves; the others are measured numbers like any.
            limits = (tolerance,) if column == value else (tolerance, MEASURED)
            after = other.cells[column]
            if isinstance(cell, float) and not any(_agree_within(cell, after, limit) for limit in limits):
                return f"rank {one.cells[RANK]}: {column} {_describe_cells(cell, after)}"
    return ""


def _has_new_leader(old: Sequence[_Entry], new: Sequence[_Entry], value: str | None, tolerance: Tolerance) -> bool:
    """Whether another entry leads, and the two were not as good as equal before."""
    led, leader = old[0], new[0].identity
    if led.identity == leader:
        return False
    was = next((one for one in old if one.identity == leader), None)
    best, other = led.value(value), was.value(value) if was is not None else None
    return best is None or other is None or best - other > tolerance.bound(abs(best))


def _depth(table: Table, key: Key) -> tuple[int, str]:
    """Lists of lower layers first."""
    place = dict(zip(_keys(table), key, strict=True))
    depth = next((at for dim in DEPTHS if isinstance(at := place.get(dim), int)), 0)
    return depth, repr(key)


def _describe_list(table: Table, key: Key) -> str:
    """Which list it is: "layer 3, prompt 0"."""
    place = dict(zip(_keys(table), key, strict=True))
    depth = [dim for dim in DEPTHS if dim in place]
    return ", ".join(f"{dim} {place[dim]}" for dim in (*depth, *(dim for dim in place if dim not in depth)))


def _describe_parting(table: Table, old: Sequence[_Entry], new: Sequence[_Entry]) -> str:
    """Where two lists part, and what stood and stands there."""
    label = "token" if "token" in table.columns else _entry_column(table) or RANK
    apart = (i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a.identity != b.identity)
    at = next(apart, min(len(old), len(new), len(old) - 1))
    before, after = (row[at].cells[label] if at < len(row) else "nothing" for row in (old, new))
    told = f"“{before}” → “{after}”"
    if before == after:  # the same word, but something else of it
        cells = ((name, old[at].cells[name], new[at].cells[name]) for name in table.columns)
        told = next(
            (f"{name} {_describe_cells(a, b)}" for name, a, b in cells if not _agree_within(a, b, MEASURED)), told
        )
    return f"rank {old[at].cells[RANK]}: {told}"


def _rows_change(known: dict[str, Any], before: Table, after: Table, tolerance: Tolerance) -> Change:
    if len(before.rows) != len(after.rows):
        told = f"{write_count(len(before.rows))} → {write_count(len(after.rows))} rows"
        return Change(**known, verdict=Verdict.DRIFTED, told=told, said=not SAID.isdisjoint(before.columns))
    changed = [
        (index, column, a, b)
        for index, (one, other) in enumerate(zip(before.rows, after.rows, strict=True))
        for column, a, b in zip(before.columns, one, other, strict=True)
        if not _agree_within(a, b, tolerance)
    ]
    if not changed:
        return Change(**known, verdict=Verdict.WITHIN)
    answers = [one for one in changed if one[1] in SAID]
    index, column, a, b = (answers or changed)[0]
    rows = len({row for row, *_ in changed})
    where = f"the first {'answer ' if answers else ''}is row {index}: {column} {_describe_cells(a, b)}"
    told = f"{write_count(rows)} of {write_count(len(before.rows))} rows changed, {where}"
    return Change(**known, verdict=Verdict.DRIFTED, told=told, worst=rows / len(before.rows), said=bool(answers))


def _describe_cells(before: Cell, after: Cell) -> str:
    """What a cell held and holds: measured numbers in few digits, everything else as it stands."""
    if isinstance(before, float) and isinstance(after, float):
        return " → ".join(write_change(before, after))
    return f"{describe_value(before)} → {describe_value(after)}"


def _agree_within(a: Cell, b: Cell, tolerance: Tolerance) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        # A cell that is undefined is NaN in both, or changed.
        return abs(a - b) <= tolerance.bound(abs(a)) or (a != a and b != b)
    return type(a) is type(b) and a == b
