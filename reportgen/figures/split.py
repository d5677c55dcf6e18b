"""Figures too large for one sheet, as several: the same description, a stretch of it each; layers, every n-th."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from reportgen.figures.describe import Figure, Maps, Rankings, TokenGrid
from reportgen.language import say


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


def split_figure(figure: Figure, room: Room) -> list[Figure]:
    """The figure alone where there is room for it; else as many as it takes, about equally large, in reading order.

    Their names end in -1, -2, …, and their titles say which part each is.
    """
    found = list(_stretches(figure, room))
    if len(found) == 1:
        return found
    return [
        replace(
            part,
            name=f"{figure.name}-{at}",
            title=say(
                "figures.part", "{title} ({part} of {parts})", title=figure.title, part=at, parts=len(found)
            ),
        )
        for at, part in enumerate(found, 1)
    ]  # fmt: skip


def _stretches(figure: Figure, room: Room) -> Iterator[Figure]:
    if isinstance(figure, Maps):
        most = room.maps if any(figure.labels) else room.bare_maps
        yield from (replace(figure, panels=figure.panels[some]) for some in _slices(len(figure.panels), most))
    elif isinstance(figure, Rankings):
        for some in _slices(len(figure.rankings), room.rankings):
            yield _keep_first(replace(figure, rankings=figure.rankings[some]), room.labels)
    elif isinstance(figure, TokenGrid):
        grid = _sample_rows(figure, room.rows) if figure.sampleable else figure
        yield from (_columns(grid, some) for some in _slices(len(grid.columns), room.columns))
    else:
        yield figure


def _keep_first(figure: Rankings, most: int) -> Rankings:
    """The first rows of each list, where one is longer; what the bars mean says so."""
    longest = max((len(one.labels) for one in figure.rankings), default=0)
    if longest <= most:
        return figure
    told = say("figures.first_of", "{label}, the first {most} of {count}", label=figure.value_label, most=most,
               count=longest)  # fmt: skip
    kept = [replace(one, labels=one.labels[:most], values=one.values[:most]) for one in figure.rankings]
    return replace(figure, rankings=kept, value_label=told)


def _sample_rows(grid: TokenGrid, most: int) -> TokenGrid:
    """A grid with every n-th of its rows, the first among them, so that at most `most` are left; its axis says so."""
    every = -(-len(grid.rows) // most)
    if every <= 1:
        return grid
    return replace(
        grid,
        row_label=say("figures.one_in", "{label}, one in {every}", label=grid.row_label, every=every),
        rows=grid.rows[::every],
        texts=grid.texts[::every],
        values=grid.values[::every],
        outlined=grid.outlined[::every],
        alternatives=grid.alternatives[::every],
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
