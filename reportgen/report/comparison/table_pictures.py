"""Pictures of a ranked table before and after, and of what changed, described from the stored rows alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from reportgen.baseline.quantities import DEPTHS
from reportgen.baseline.tables import ENTRY, RANK, VALUES
from reportgen.figures.describe import Figure, Ranking, Rankings, TokenGrid
from reportgen.report.comparison.states import AFTER, BEFORE, label_axis, name_figure
from reportgen.results.quantities import Cell, Table

MOST_COLUMNS = 4
"""Columns of a token grid: three grids stand side by side."""
MOST_LISTS = 3
"""Ranked lists drawn of a table that has no layers."""
PROMPT = "prompt"

Key = tuple[Cell, ...]
Records = list[dict[str, Any]]
T = TypeVar("T")


def make_table_figures(
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
    changed = pair.measure_changes()
    if not changed:
        return []
    depth = next((dim for dim in DEPTHS if dim in pair.keys), None)
    return _rankings(pair, changed) if depth is None else _grids(pair, depth, changed, texts)


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

    def measure_changes(self) -> dict[Key, float]:
        """List -> how much of it went, and 1 more where another entry leads; those in which nothing did are left out.

        A list in one table only counts as wholly changed.
        """
        found = {key: self.count_gone(key) / self.length(key) + self.leads_anew(key) for key in self.every}
        return {key: weight for key, weight in found.items() if weight > 0}

    def count_gone(self, key: Key) -> int:
        """Entries of the list before that it has no longer; all of them where it has vanished or is new."""
        if key not in self.before or key not in self.after:
            return self.length(key)
        return len({r[self.entry] for r in self.before[key]} - {r[self.entry] for r in self.after[key]})

    def count_lost(self, key: Key) -> tuple[int, int]:
        """How many entries of the list before it has no longer, of how many; (0, 0) where it is new."""
        had, has = ({record[self.entry] for record in one.get(key, ())} for one in (self.before, self.after))
        return len(had - has), len(had)

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
    every = {key for key in pair.every if _drop_at(key, at) in columns}
    # As the lens is drawn: the last layer on top.
    layers = sorted({key[at] for key in every}, key=lambda layer: (isinstance(layer, str), layer), reverse=True)
    cells = [[(*column[:at], layer, *column[at:]) for column in columns] for layer in layers]
    heads = _heads(_drop_at(pair.keys, at), columns, texts)
    anew = np.array([[cell in every and pair.leads_anew(cell) for cell in row] for row in cells])
    told = [
        f"{depth} {row} of {heads.texts[column]}"
        for row, flags in reversed(list(zip(layers, anew, strict=True)))
        for column in np.flatnonzero(flags)
    ]
    shown = f"{pair.words}{heads.shared}"
    known: dict[str, Any] = {
        "row_label": label_axis(depth), "rows": [str(layer) for layer in layers], "column_label": heads.label,
        "columns": heads.texts, "outlined": anew, "outline_label": "another leads",
    }  # fmt: skip
    alt = f"{shown}; another entry leads at {', '.join(told) or 'no layer'}"

    def leaders(state: str, lists: Mapping[Key, Records]) -> TokenGrid:
        first = [[lists[cell][0] if cell in lists else None for cell in row] for row in cells]
        # A list without numbers is filled as 0, so that its entry is read.
        values = [[np.nan if one is None else np.nan_to_num(pair.worth(one)) for one in row] for row in first]
        return TokenGrid(
            name=name_figure(pair.name, state), subject=(state,), title=f"{state.capitalize()}: {shown}",
            alt=f"{state.capitalize()}: {alt}", value_label=(pair.value or "").replace("_", " "),
            texts=[["" if one is None else str(one[pair.label]) for one in row] for row in first],
            values=np.array(values, dtype=np.float64), **known,
        )  # fmt: skip

    gone = [[pair.count_lost(cell) if cell in every else (0, 0) for cell in row] for row in cells]
    shares = [[missing / of if of else np.nan for missing, of in row] for row in gone]
    lost = TokenGrid(
        name=name_figure(pair.name, "difference"), subject=(BEFORE, AFTER),
        title=f"Difference: how many entries each list lost, {shown}", alt=f"Entries lost: {alt}",
        value_label="share lost", texts=[[f"{missing}/{of}" if missing else "" for missing, of in row] for row in gone],
        values=np.array(shares, dtype=np.float64), **known,
    )  # fmt: skip
    return [leaders(BEFORE, pair.before), leaders(AFTER, pair.after), lost]


def _columns(pair: _Lists, at: int, changed: Mapping[Key, float]) -> list[Key]:
    """The columns that changed most, in the table's order: those of one prompt, where it has several."""
    weights: dict[Key, float] = {}
    for key, weight in changed.items():
        weights[_drop_at(key, at)] = weights.get(_drop_at(key, at), 0.0) + weight
    names = _drop_at(pair.keys, at)
    if PROMPT in names:
        weights = _of_worst_prompt(weights, names.index(PROMPT))
    most = sorted(weights, key=lambda column: -weights[column])[:MOST_COLUMNS]
    return [column for column in dict.fromkeys(_drop_at(key, at) for key in pair.every) if column in most]


def _of_worst_prompt(weights: Mapping[Key, float], prompt: int) -> dict[Key, float]:
    """The columns of the prompt that changed most; all of them where it is but one column."""
    of_prompt: dict[Cell, float] = {}
    for column, weight in weights.items():
        of_prompt[column[prompt]] = of_prompt.get(column[prompt], 0.0) + weight
    worst = max(of_prompt, key=lambda one: of_prompt[one])
    chosen = {column: weight for column, weight in weights.items() if column[prompt] == worst}
    return chosen if len(chosen) > 1 else dict(weights)


def _drop_at(key: tuple[T, ...], at: int) -> tuple[T, ...]:
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
            name=name_figure(pair.name, state), subject=(state,), title=f"{state.capitalize()}: {pair.words}{shown}",
            alt="; ".join(f"{one.title}: {', '.join(one.labels)}" for one in found), rankings=found,
            value_label=(pair.value or "").replace("_", " "), value_range=ends, model=state,
        )  # fmt: skip

    return [rankings(BEFORE, pair.before), rankings(AFTER, pair.after)]
