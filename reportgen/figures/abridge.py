"""A figure as it can be read where there is room for little of it: fewer cells, panels and words, as large as ever.

What a thumbnail shows is drawn anew from this, never the whole picture made small: letters of a third of their size are
no letters. It is the beginning or an even choice of what the figure holds, and names are cut; the figure itself says
all of it. Cost: a second, smaller drawing of each figure that has a thumbnail.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reportgen.figures.describe import (
    Arcs,
    AttentionHead,
    Curves,
    Figure,
    HeadMosaic,
    HeatMap,
    Maps,
    Rankings,
    StackedBars,
    TokenGrid,
)
from reportgen.figures.remarks import tell_others
from reportgen.figures.split import sample_rows, shorten_ranking

ROWS, COLUMNS = 6, 3
"""Of a grid of tokens."""
BLOCKS, HEADS = 8, 5
"""Of a mosaic of heads: blocks evenly chosen, the first heads."""
TOKENS = 7
"""On each axis of a head."""
RANKED = 5
"""Of a list of tokens."""
POINTS = 14
"""Of a map, evenly chosen."""
BARS, SEGMENTS = 5, 3
WORDS = 8
"""Of a sentence, the first."""
LONGEST = 11
"""Characters of a name."""
CELLS = 300.0
"""Points that the cells of a heat map take of a figure of the usual width."""
_ASIDE = re.compile(r"\s*[(（][^)）]*[)）]")
"""What an axis' label adds in brackets."""


def abridge_figure(figure: Figure) -> Figure:
    """The figure as a thumbnail shows it; what is of no kind that is known here, as it is."""
    if isinstance(figure, Curves):
        return _abridge_curves(figure)
    if isinstance(figure, TokenGrid):
        return _abridge_grid(figure)
    if isinstance(figure, HeadMosaic):
        return _abridge_mosaic(figure)
    if isinstance(figure, AttentionHead):
        some = slice(TOKENS)
        return replace(
            figure, pattern=figure.pattern[some, some], queries=_cut_all(figure.queries[some]),
            keys=_cut_all(figure.keys[some]), axes=_main(figure.axes), value_label=_main(figure.value_label),
            marked=[cell for cell in figure.marked if max(cell) < TOKENS],
        )  # fmt: skip
    if isinstance(figure, HeatMap):
        return replace(figure, width=CELLS, value_label=_main(figure.value_label))
    if isinstance(figure, Maps):
        return _abridge_maps(figure)
    if isinstance(figure, Rankings):
        first = [shorten_ranking(ranking, RANKED) for ranking in figure.rankings[:1]]
        return replace(figure, rankings=first, value_label=_main(figure.value_label))
    if isinstance(figure, Arcs):
        return _abridge_arcs(figure)
    return _abridge_bars(figure) if isinstance(figure, StackedBars) else figure


def _abridge_curves(figure: Curves) -> Curves:
    groups = _cut_apart([one.group for one in figure.curves if one.group])
    curves = [replace(one, label=_cut(one.label), group=groups.get(one.group or "")) for one in figure.curves]
    names = _cut_apart(list(figure.references))
    return replace(
        figure,
        x_label=_main(figure.x_label),
        y_label=_main(figure.y_label),
        curves=curves,
        references={names[name]: value for name, value in figure.references.items()},
    )


def _abridge_grid(figure: TokenGrid) -> TokenGrid:
    grid = sample_rows(figure, ROWS) if figure.sampleable else figure
    return replace(
        grid,
        row_label=_main(grid.row_label),
        rows=grid.rows[:ROWS],
        column_label=_main(grid.column_label),
        columns=grid.columns[:COLUMNS],
        texts=[row[:COLUMNS] for row in grid.texts[:ROWS]],
        values=grid.values[:ROWS, :COLUMNS],
        outlined=grid.outlined[:ROWS, :COLUMNS],
        value_label=_main(grid.value_label),
        outline_label="",
        alternatives=(),
    )


def _abridge_mosaic(figure: HeadMosaic) -> HeadMosaic:
    blocks = _choose_evenly(figure.patterns.shape[0], BLOCKS)
    numbers = list(figure.blocks) or list(range(figure.patterns.shape[0]))
    return replace(
        figure,
        patterns=figure.patterns[blocks, :HEADS],
        blocks=[numbers[at] for at in blocks],
        axes=_main(figure.axes.rpartition(" · ")[0] or figure.axes),
        value_label=_main(figure.value_label),
        pooled_label=_main(figure.value_label),
        width=None,
    )


def _abridge_maps(figure: Maps) -> Maps:
    first = [list(figure.groups).index(group) for group in dict.fromkeys(figure.groups)]  # its colour is by its place
    some = sorted({*_choose_evenly(len(figure.labels), POINTS), *first})
    groups = _cut_apart(figure.groups)
    last = figure.panels[-1:]
    return replace(
        figure,
        panels=[
            replace(
                one,
                points=np.asarray(one.points)[some],
                edges=[(some.index(a), some.index(b)) for a, b in one.edges if a in some and b in some],
            )
            for one in last
        ],
        labels=[_cut(figure.labels[at]) for at in some],
        groups=[groups[figure.groups[at]] for at in some],
    )


def _abridge_arcs(figure: Arcs) -> Arcs:
    """The first words, with the arcs between them."""
    above, below = ([edge for edge in edges if max(edge) < WORDS] for edges in (figure.above, figure.below))
    return replace(
        figure,
        words=_cut_all(figure.words[:WORDS]),
        above=above,
        below=below,
        above_label=_main(figure.above_label),
        below_label=_main(figure.below_label),
        other_label=_main(figure.other_label),
    )


def _abridge_bars(figure: StackedBars) -> StackedBars:
    """The largest segments by name, in their order, and all others as one."""
    values = np.nan_to_num(np.asarray(figure.values, dtype=float))[:BARS]
    largest = sorted(np.argsort(-values.sum(axis=0), kind="stable")[:SEGMENTS].tolist())
    others = np.delete(values, largest, axis=1).sum(axis=1, keepdims=True)
    segments, kept, colours = [_cut(figure.segments[at]) for at in largest], values[:, largest], largest
    if others.any():
        segments, kept = [*segments, tell_others()], np.hstack([kept, others])
        colours = [*largest, next(at for at in range(len(figure.segments)) if at not in largest)]
    return replace(figure, bars=_cut_all(figure.bars[:BARS]), segments=segments, values=kept, colours=colours)


def _choose_evenly(count: int, most: int) -> list[int]:
    """Numbers below `count`, at most so many, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return [round(at * (count - 1) / (most - 1)) for at in range(most)]


def _main(label: str) -> str:
    """An axis' label without what it adds."""
    return _ASIDE.sub("", label) or label


def _cut_all(names: Sequence[str]) -> list[str]:
    return [_cut(name) for name in names]


def _cut_apart(names: Sequence[str]) -> dict[str, str]:
    """Name -> how it is written: shortened, unless two would be written alike and pass for one."""
    short = {name: _cut(name) for name in names}
    return short if len(set(short.values())) == len(short) else {name: name for name in names}


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
