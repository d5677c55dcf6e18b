"""Figures too large for one sheet, as several: the same description, a stretch of it each; layers, every n-th."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from reportgen.figures.describe import Figure, Maps, Ranking, Rankings, TokenGrid
from reportgen.figures.remarks import tell_first, tell_one_in, tell_one_in_and_named
from reportgen.language import list_items, say

NAMED = 60
"""Characters of what several lists are about that a title names."""


@dataclass(frozen=True)
class Room:
    """What stays legible on one sheet."""

    maps: int
    """Panels of a `Maps` that names its points."""
    bare_maps: int
    """Panels of a `Maps` that does not."""
    rankings: int
    """Lists of a `Rankings`."""
    columns: int
    """Columns of a `TokenGrid`."""
    rows: int
    """Rows of a `TokenGrid` that may leave some out."""
    labels: int = 1000
    """Rows of a list of a `Rankings`: those beyond are left out, which it says."""
    split_rows: bool = False
    """Whether a `TokenGrid` of more rows, which may leave none out, goes on over several sheets."""


def split_figure(figure: Figure, room: Room, named: Collection[str] = ()) -> list[Figure]:
    """The figure alone where there is room for it; else as many as it takes, about equally large, in reading order.

    `named` are rows that are told of beside it: where rows are left out, these stay. Names of several end in -1, -2, …,
    and their titles say what each is about, or which part it is.
    """
    found = list(_stretches(figure, room, named))
    if len(found) == 1:
        return found
    titles = _title_parts(figure, found)
    return [
        replace(part, name=f"{figure.name}-{at}", title=title)
        for at, (part, title) in enumerate(zip(found, titles, strict=True), 1)
    ]


def _title_parts(figure: Figure, parts: Sequence[Figure]) -> list[str]:
    """Parts of lists by what these are about, where that is short; else which part of how many each is."""
    panels = [list_items([one.title.strip() for one in part.rankings]) for part in parts if isinstance(part, Rankings)]
    if len(panels) == len({*panels}) == len(parts) and max(map(len, panels)) <= NAMED:
        return [say("figures.part_named", "{title}: {what}", title=figure.title, what=what) for what in panels]
    return [
        say("figures.part", "{title} ({part} of {parts})", title=figure.title, part=at, parts=len(parts))
        for at in range(1, len(parts) + 1)
    ]


def _stretches(figure: Figure, room: Room, named: Collection[str]) -> Iterator[Figure]:
    if isinstance(figure, Maps):
        most = room.maps if any(figure.labels) else room.bare_maps
        yield from (replace(figure, panels=figure.panels[some]) for some in _slices(len(figure.panels), most))
    elif isinstance(figure, Rankings):
        for some in _slices(len(figure.rankings), room.rankings):
            yield keep_first(replace(figure, rankings=figure.rankings[some]), room.labels)
    elif isinstance(figure, TokenGrid):
        grid = _wrap(figure, room.columns) if figure.line else figure
        if grid.sampleable:
            grid = sample_rows(grid, room.rows, named)
        step = max(grid.line, 1)
        most = room.rows // step * step if room.split_rows else len(grid.rows)
        for rows in _slices(len(grid.rows) // step, max(most // step, 1)):
            part = _rows(grid, range(rows.start * step, rows.stop * step))
            yield from (_columns(part, some) for some in _slices(len(grid.columns), room.columns))
    else:
        yield figure


def keep_first(figure: Rankings, most: int) -> Rankings:
    """The first rows of each list, where one is longer; what the bars mean says so."""
    longest = max((len(one.labels) for one in figure.rankings), default=0)
    if longest <= most:
        return figure
    told = tell_first(figure.value_label, most, longest)
    kept = [shorten_ranking(one, most) for one in figure.rankings]
    return replace(figure, rankings=kept, value_label=told)


def shorten_ranking(ranking: Ranking, most: int) -> Ranking:
    """Its first rows."""
    return replace(
        ranking, labels=ranking.labels[:most], values=ranking.values[:most], intervals=ranking.intervals[:most]
    )


def sample_rows(grid: TokenGrid, most: int, named: Collection[str] = ()) -> TokenGrid:
    """A grid with every n-th of its rows, the first among them, and those that are named, so that at most `most` are
    left, as far as fewer are named; its axis says so.
    """
    count = len(grid.rows)
    if count <= most:
        return grid
    extra = {at for at, row in enumerate(grid.rows) if row in named}
    if len(extra) >= most:
        extra = set()
    every = next(n for n in range(2, count + 1) if n == count or len({*range(0, count, n), *extra}) <= most)
    alone = extra <= {*range(0, count, every)}
    label = tell_one_in(grid.row_label, every) if alone else tell_one_in_and_named(grid.row_label, every)
    return replace(_rows(grid, sorted({*range(0, count, every), *extra})), row_label=label)


def _wrap(grid: TokenGrid, most: int) -> TokenGrid:
    """A text in lines of at most `most` columns, in lines of about that length."""
    if len(grid.columns) <= most:
        return grid
    kept = [  # (row of a line) its cells, one line after the other, without what fills the last
        [
            (at, column)
            for at in range(of_line, len(grid.rows), grid.line)
            for column in range(len(grid.columns))
            if grid.values[at, column] == grid.values[at, column]
        ]
        for of_line in range(grid.line)
    ]
    lines = _slices(len(kept[0]), most)
    wide = max(some.stop - some.start for some in lines)
    texts: list[list[str]] = []
    values = np.full((len(lines) * grid.line, wide), np.nan)
    outlined = np.zeros(values.shape, dtype=bool)
    rows = []
    for some in lines:
        for of_line, cells in enumerate(kept):
            first = say("figures.from", "from {position}", position=some.start)
            rows.append(grid.rows[of_line] if of_line else first)
            here = cells[some]
            values[len(texts), : len(here)] = [grid.values[place] for place in here]
            outlined[len(texts), : len(here)] = [grid.outlined[place] for place in here]
            texts.append([grid.texts[at][column] for at, column in here] + [""] * (wide - len(here)))
    return replace(grid, rows=rows, columns=[""] * wide, texts=texts, values=values, outlined=outlined, alternatives=())


def _rows(grid: TokenGrid, some: Sequence[int]) -> TokenGrid:
    """A grid's rows at these places."""
    return replace(
        grid,
        rows=[grid.rows[at] for at in some],
        texts=[grid.texts[at] for at in some],
        values=grid.values[list(some)],
        outlined=grid.outlined[list(some)],
        alternatives=[grid.alternatives[at] for at in some] if grid.alternatives else (),
    )


def _columns(grid: TokenGrid, some: slice) -> TokenGrid:
    """A grid's rows, each cut to some of its columns."""
    return replace(
        grid,
        columns=grid.columns[some],
        texts=[row[some] for row in grid.texts],
        values=grid.values[:, some],
        outlined=grid.outlined[:, some],
        alternatives=[row[some] for row in grid.alternatives],
    )


def _slices(length: int, most: int) -> list[slice]:
    """As few stretches of at most `most` as there can be, the first ones longer by one where they are not equal."""
    count = max(-(-length // most), 1)
    ends = [-(-length * at // count) for at in range(count + 1)]
    return [slice(start, end) for start, end in pairwise(ends)]
