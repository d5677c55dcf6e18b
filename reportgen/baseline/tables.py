"""Tables before and after: ranked lists by what they share and where they part, others row by row."""

from collections.abc import Mapping, Sequence
from typing import Any

from reportgen.baseline.quantities import DEPTHS, Change
from reportgen.baseline.tolerance import Tolerance
from reportgen.baseline.verdict import Verdict
from reportgen.result import Cell, Table

RANK = "rank"
ENTRY = ("token_id", "token", "feature", "label")
"""Columns that say what stands at a rank, the first that a table has."""
VALUES = ("probability", "similarity", "activation", "score")
"""Columns that say why it stands there."""

Key = tuple[Cell, ...]
Row = Mapping[str, Any]


def table_change(name: str, before: Table, after: Table, tolerance: Tolerance) -> Change:
    """What became of a table that both bundles have."""
    known: dict[str, Any] = {"name": name, "kind": "table", "gate": tolerance.gate}
    if before.columns != after.columns:
        told = f"its columns changed: {', '.join(before.columns)} → {', '.join(after.columns)}"
        return Change(**known, verdict=Verdict.NOT_COMPARABLE, told=told)
    if before.rows == after.rows:
        return Change(**known, verdict=Verdict.SAME, worst=0.0)
    if RANK in before.columns and _entry_column(before) is not None:
        return _ranked_change(known, before, after, tolerance)
    return _rows_change(known, before, after, tolerance)


def lost_of(before: Table, after: Table) -> list[float]:
    """Of each list of a ranked table, the share that another table of the same lists does not hold."""
    entry = _entry_column(before)
    old, new = _lists(before), _lists(after)
    return [_lost(rows, new.get(key, []), entry) for key, rows in old.items()] if entry is not None else []


def values_moved(before: Table, after: Table) -> float:
    """Largest difference of the values (probability, similarity, …) of entries that both ranked tables hold."""
    entry = _entry_column(before)
    value = next((column for column in VALUES if column in before.columns), None)
    if entry is None or value is None:
        return 0.0
    old, new = _lists(before), _lists(after)
    pairs = [
        (row[value], other[value])
        for key, rows in old.items()
        for row in rows
        for other in new.get(key, [])
        if other[entry] == row[entry]
    ]
    return max((abs(one - other) for one, other in pairs), default=0.0)


def _ranked_change(known: dict[str, Any], before: Table, after: Table, tolerance: Tolerance) -> Change:
    old, new = _lists(before), _lists(after)
    entry = _entry_column(before)
    assert entry is not None
    if set(old) != set(new):
        changed = len(set(old) ^ set(new))
        return Change(**known, verdict=Verdict.DRIFTED, told=f"{changed} lists are in one of the two bundles only")
    lost = {key: _lost(old[key], new[key], entry) for key in old}
    beyond = [key for key in old if lost[key] > 1 - tolerance.overlap or _head_changed(old[key], new[key], tolerance)]
    measured: dict[str, Any] = {
        "worst": max(lost.values()),
        "mean": sum(lost.values()) / len(lost),
        "bound": 1 - tolerance.overlap,
    }
    if not beyond:
        return Change(**known, **measured, verdict=Verdict.WITHIN)
    first = min(beyond, key=lambda key: _depth(before, key))
    told = f"{_parting(before, first, old[first], new[first], entry)}; {len(beyond)} of {len(old)} lists changed"
    place = dict(zip(_keys(before), first, strict=True))
    depth = {dim: at for dim in DEPTHS if isinstance(at := place.get(dim), int)}
    return Change(**known, **measured, verdict=Verdict.DRIFTED, told=told, first=depth)


def _keys(table: Table) -> list[str]:
    """The columns that say which list a row belongs to: those before the rank."""
    return list(table.columns[: table.columns.index(RANK)])


def _entry_column(table: Table) -> str | None:
    return next((column for column in ENTRY if column in table.columns), None)


def _lists(table: Table) -> dict[Key, list[Row]]:
    found: dict[Key, list[Row]] = {}
    keys = _keys(table)
    for record in table.records():
        found.setdefault(tuple(record[key] for key in keys), []).append(record)
    return found


def _lost(old: Sequence[Row], new: Sequence[Row], entry: str) -> float:
    """Share of the old list that the new one does not hold."""
    kept = {row[entry] for row in old} & {row[entry] for row in new}
    return 1 - len(kept) / max(len({row[entry] for row in old}), 1)


def _head_changed(old: Sequence[Row], new: Sequence[Row], tolerance: Tolerance) -> bool:
    """Whether another entry leads, and the two were not as good as equal before."""
    column = next(column for column in ENTRY if column in old[0])
    value = next((column for column in VALUES if column in old[0]), None)
    leader = new[0][column]
    if old[0][column] == leader:
        return False
    was = next((row for row in old if row[column] == leader), None)
    if was is None or value is None:
        return True
    return bool(old[0][value] - was[value] > tolerance.bound(abs(old[0][value])))


def _depth(table: Table, key: Key) -> tuple[int, str]:
    """Lists of lower layers first."""
    place = dict(zip(_keys(table), key, strict=True))
    depth = next((at for dim in DEPTHS if isinstance(at := place.get(dim), int)), 0)
    return depth, repr(key)


def _parting(table: Table, key: Key, old: Sequence[Row], new: Sequence[Row], entry: str) -> str:
    """Where two lists part, and what stood and stands there."""
    label = "token" if "token" in table.columns else entry
    at = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a[entry] != b[entry]), 0)
    place = dict(zip(_keys(table), key, strict=True))
    depth = [dim for dim in DEPTHS if dim in place]
    where = ", ".join(f"{dim} {place[dim]}" for dim in (*depth, *(dim for dim in place if dim not in depth)))
    before, after = (row[at][label] if at < len(row) else "nothing" for row in (old, new))
    return f"{where}, rank {old[at][RANK]}: “{before}” → “{after}”"


def _rows_change(known: dict[str, Any], before: Table, after: Table, tolerance: Tolerance) -> Change:
    if len(before.rows) != len(after.rows):
        told = f"{len(before.rows):,} → {len(after.rows):,} rows"
        return Change(**known, verdict=Verdict.DRIFTED, told=told)
    changed = [
        (index, column, a, b)
        for index, (one, other) in enumerate(zip(before.rows, after.rows, strict=True))
        for column, a, b in zip(before.columns, one, other, strict=True)
        if not _alike(a, b, tolerance)
    ]
    if not changed:
        return Change(**known, verdict=Verdict.WITHIN)
    index, column, a, b = changed[0]
    rows = len({row for row, *_ in changed})
    told = f"{rows:,} of {len(before.rows):,} rows changed, the first is row {index}: {column} {a!r} → {b!r}"
    return Change(**known, verdict=Verdict.DRIFTED, told=told, worst=rows / len(before.rows))


def _alike(a: Cell, b: Cell, tolerance: Tolerance) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        # A cell that is undefined is NaN in both, or changed.
        return abs(a - b) <= tolerance.bound(abs(a)) or (a != a and b != b)
    return a == b
