"""The numbers that a figure shows, as a table and as CSV: the file next to the figure, and what a page tells of it.

Texts are the strangers' own, not made legible: only what no CSV can hold is spelled out, as `<U+0000>`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.figures import describe

_QUOTED = re.compile('[",\n\r]')
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")

Row = tuple[Any, ...]


@dataclass(frozen=True)
class FigureData:
    """What a figure shows: names of the columns, and a value of each a row.

    Values are str, int, bool, or a float of the dtype it was stored in; NaN and None where there is none.
    """

    columns: tuple[str, ...]
    rows: list[Row]


def table_of(figure: describe.Figure) -> FigureData:
    """The numbers of a figure, a row a cell, point or bar.

    Raises:
        TypeError: nobody knows what figures of this kind show.
    """
    columns, rows = _table(figure)
    return FigureData(columns, list(rows))


def csv_of(figure: describe.Figure) -> str:
    """The same as CSV, with a head line.

    Raises:
        TypeError: as `table_of`.
    """
    return write_csv(*_table(figure))


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    r"""Rows under a head line as CSV (RFC 4180 but for its line ends, which are \n).

    Numbers are the shortest that read back as the same number of their own dtype; NaN is an empty field. A text stays
    what it is, though a spreadsheet takes one that begins with = for a formula: `=` is a token like others.
    """
    return "".join(",".join(map(_field, row)) + "\n" for row in (columns, *rows))


def _table(figure: describe.Figure) -> tuple[tuple[str, ...], Iterator[Row]]:
    for kind in type(figure).__mro__:
        if kind in _TABLES:
            columns, rows = _TABLES[kind]
            return (columns(figure) if callable(columns) else columns), rows(figure)
    raise TypeError(f"nobody knows the numbers of a figure of kind {type(figure).__name__}")


def _field(value: Any) -> str:
    if isinstance(value, str):
        text = _UNWRITABLE.sub(lambda found: f"<U+{ord(found[0]):04X}>", value)
        return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text
    if value is None or value != value:
        return ""
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)


def _of_token_grid(grid: describe.TokenGrid) -> Iterator[Row]:
    for (row, column), value in np.ndenumerate(np.asarray(grid.values)):
        place = (row, column, grid.rows[row], grid.columns[column])
        outlined = bool(grid.outlined[row, column])
        yield (*place, 1, grid.texts[row][column], value, outlined)
        further = grid.alternatives[row][column] if grid.alternatives else ()
        for rank, (token, probability) in enumerate(further, 2):
            yield (*place, rank, token, probability, outlined)


def _of_head_mosaic(mosaic: describe.HeadMosaic) -> Iterator[Row]:
    patterns = np.asarray(mosaic.patterns)
    queries, keys = find_shown_places(patterns)
    blocks = mosaic.blocks or range(len(patterns))
    for block, head in np.ndindex(patterns.shape[:2]):
        weights = patterns[block, head][queries, keys]
        for query, key, weight in zip(queries.tolist(), keys.tolist(), weights, strict=True):
            yield blocks[block], head, query, key, weight


def _of_attention_head(head: describe.AttentionHead) -> Iterator[Row]:
    pattern = np.asarray(head.pattern)
    for query, key in zip(*(places.tolist() for places in find_shown_places(pattern)), strict=True):
        yield query, key, head.queries[query], head.keys[key], pattern[query, key]


def find_shown_places(patterns: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(… x query x key) -> the queries and the keys of all weights that mean anything.

    Where no query attends to what comes after it, that half is left out.
    """
    queries, keys = np.indices(patterns.shape[-2:]).reshape(2, -1)
    if patterns.shape[-2] != patterns.shape[-1]:
        return queries, keys
    ahead = keys > queries
    later = patterns.reshape(*patterns.shape[:-2], -1)[..., ahead]
    if (np.isnan(later) | (later == 0)).all():
        return queries[~ahead], keys[~ahead]
    return queries, keys


def _columns_of_curves(curves: describe.Curves) -> tuple[str, ...]:
    banded = any(curve.band is not None for curve in curves.curves)
    return ("curve", "model", "group", "x", "y", *(("lower", "upper") if banded else ()))


def _of_curves(curves: describe.Curves) -> Iterator[Row]:
    banded = "lower" in _columns_of_curves(curves)
    for curve in curves.curves:
        nowhere = [None] * len(curve.x)
        edges = (curve.band or (nowhere, nowhere)) if banded else ()
        for point in zip(curve.x, curve.y, *edges, strict=True):
            yield curve.label, curve.model or "", curve.group or "", *point


def _of_heat_map(heat_map: describe.HeatMap) -> Iterator[Row]:
    for (row, column), value in np.ndenumerate(np.asarray(heat_map.values)):
        yield row, column, value


def _of_maps(maps: describe.Maps) -> Iterator[Row]:
    for at, panel in enumerate(maps.panels):
        items = zip(maps.labels, maps.groups, np.asarray(panel.points), strict=True)
        for item, (label, group, (x, y)) in enumerate(items):
            yield at, item, label, group, x, y


def _of_arcs(arcs: describe.Arcs) -> Iterator[Row]:
    for first, second in sorted({*arcs.above, *arcs.below}):
        joined = (first, second)
        yield first, second, arcs.words[first], arcs.words[second], joined in arcs.above, joined in arcs.below


def _of_stacked_bars(stacked: describe.StackedBars) -> Iterator[Row]:
    for (bar, segment), value in np.ndenumerate(np.asarray(stacked.values)):
        yield stacked.bars[bar], stacked.segments[segment], value


def _columns_of_rankings(rankings: describe.Rankings) -> tuple[str, ...]:
    bounds = ("lower", "upper") if any(ranking.intervals for ranking in rankings.rankings) else ()
    return ("ranking", "rank", "label", "value", *bounds)


def _of_rankings(rankings: describe.Rankings) -> Iterator[Row]:
    bounded = "lower" in _columns_of_rankings(rankings)
    for ranking in rankings.rankings:
        unknown: Sequence[tuple[float | None, float | None]] = [(None, None)] * len(ranking.labels)
        bounds = ranking.intervals or unknown
        of_label = zip(ranking.labels, ranking.values, bounds, strict=True)
        for rank, (label, value, ends) in enumerate(of_label, 1):
            yield ranking.title, rank, label, value, *(ends if bounded else ())


def _of_timelines(timelines: describe.Timelines) -> Iterator[Row]:
    for timeline in timelines.timelines:
        for run, value in zip(timelines.runs, timeline.values, strict=True):
            yield timeline.label, run, value


Columns = tuple[str, ...] | Callable[[Any], tuple[str, ...]]

_TABLES: dict[type, tuple[Columns, Callable[[Any], Iterator[Row]]]] = {
    describe.TokenGrid: (
        ("row", "column", "row_label", "column_label", "rank", "token", "probability", "outlined"), _of_token_grid
    ),
    describe.HeadMosaic: (("block", "head", "query", "key", "weight"), _of_head_mosaic),
    describe.AttentionHead: (("query", "key", "query_token", "key_token", "weight"), _of_attention_head),
    describe.Curves: (_columns_of_curves, _of_curves),
    describe.HeatMap: (("row", "column", "value"), _of_heat_map),
    describe.Maps: (("panel", "item", "label", "group", "x", "y"), _of_maps),
    describe.Arcs: (("first", "second", "first_word", "second_word", "above", "below"), _of_arcs),
    describe.StackedBars: (("bar", "segment", "value"), _of_stacked_bars),
    describe.Rankings: (_columns_of_rankings, _of_rankings),
    describe.Timelines: (("timeline", "night", "value"), _of_timelines),
}  # fmt: skip
