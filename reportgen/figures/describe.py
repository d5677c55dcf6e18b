"""What a figure shows, as data: no colours of its own, no matplotlib, no model.

A probe describes its figures from stored results; `draw/` turns a description into SVG, PNG or PDF.
All text in a description is plain token or prompt text, unsanitised: drawing makes it legible.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Literal

from reportgen.errors import BundleError, Mistake

if TYPE_CHECKING:
    from numpy.typing import NDArray


_NAME = re.compile(r"[a-z0-9-]{1,120}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}(\.\.[A-Za-z0-9_-]{1,64})?")
"""Of a model, or of a pair of them."""
_QUOTED = 80
"""Characters of a name that a message quotes."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Base of every description. The file is called PROBE_ID-SUBJECT-NAME, with NAME made unique by the probe.

    Raises:
        BundleError: its name, or an id of its subject, is not fit for a file name: probes make names of what stands
            in tables and coordinates, and a stored table may hold anything.
    """

    name: str
    """Short and stable, of [a-z0-9-]: it becomes part of a file name."""
    subject: tuple[str, ...]
    """Ids of the models shown; one for most figures, several where they share one set of axes."""
    title: str
    """What the picture is of, in a few words."""
    alt: str
    """What a person who cannot see the picture is told."""

    def __post_init__(self) -> None:
        """Refuses what may not become part of a file name, of an id of a page or of an attribute."""
        _check(self.name, _NAME, "the name of a figure", "a-z, 0-9 and hyphens")
        for id in self.subject:
            _check(id, _ID, "the id of a model or of a pair of them", "letters, digits, hyphens and underscores")


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line of a `Curves` figure."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    model: str | None = None
    """Id of the model whose colour and dash the line takes; None: told apart by `group`."""
    group: str | None = None
    """Lines of one group share a colour where `model` is None."""
    faint: bool = False
    band: tuple[Sequence[float], Sequence[float]] | None = None
    """(lower, upper), drawn as a light area."""


@dataclass(frozen=True, kw_only=True)
class Curves(Figure):
    """Values over layers (or steps): thin lines, labelled at their ends."""

    x_label: str
    y_label: str
    curves: Sequence[Curve]
    references: Mapping[str, float] = field(default_factory=dict)
    """Named horizontal lines."""
    y_range: tuple[float, float] | None = None
    """Shared by the figures of several models, so that they can be compared."""
    x_range: tuple[float, float] | None = None
    wide: bool = False
    """Whether it takes the width of two: it stands where others stand side by side."""


@dataclass(frozen=True, kw_only=True)
class TokenGrid(Figure):
    """Tokens in a grid (layers x steps or positions), each cell filled by a value from 0 to 1, or from -1 to 1 on a
    diverging scale, where 0 is white.
    """

    row_label: str
    rows: Sequence[str]
    """(rows) drawn at the left edge, from top to bottom."""
    column_label: str
    columns: Sequence[str]
    """(columns) drawn above the grid."""
    texts: Sequence[Sequence[str]]
    """(rows x columns) token texts."""
    values: NDArray[Any]
    """(rows x columns) from 0 to 1; NaN is an empty cell."""
    value_label: str
    outlined: NDArray[Any]
    """(rows x columns) true where a cell is outlined."""
    outline_label: str = ""
    alternatives: Sequence[Sequence[Sequence[tuple[str, float]]]] = ()
    """(rows x columns x k) the tokens after the first of each cell, with their probabilities; not drawn."""
    sampleable: bool = False
    """Whether every n-th row, from the first, still tells the whole where there is no room for all: layers do."""
    scale: Literal["sequential", "diverging"] = "sequential"
    line: int = 0
    """Rows of one line of a text that goes on in the next line of as many rows; 0: columns are not text in lines."""


@dataclass(frozen=True, kw_only=True)
class HeadMosaic(Figure):
    """The attention patterns of all heads of all blocks of one prompt, as one picture."""

    patterns: NDArray[Any]
    """(block x head x query x key) weights from 0 to 1, or differences of weights."""
    blocks: Sequence[int] = ()
    """(block) their numbers, where they do not count from 0: some models have attention in some blocks only."""
    scale: Literal["sequential", "diverging"] = "sequential"
    value_label: str = "attention weight"
    pooled_label: str = "{label} (largest of {pooled} x {pooled} per pixel)"
    """Takes the place of `value_label` where several weights become one pixel."""
    axes: str = "↓ head · → block · within each: ↓ query, → key"
    """What goes downwards and to the right."""
    width: float | None = None
    """Points it takes, where not as many as other figures."""
    queries: Sequence[str] = ()
    """(query) token texts, or the names of bins; not drawn."""
    keys: Sequence[str] = ()
    """(key) token texts, or the names of bins; not drawn."""


@dataclass(frozen=True, kw_only=True)
class AttentionHead(Figure):
    """One head, large, with its tokens on both axes."""

    pattern: NDArray[Any]
    """(query x key) weights from 0 to 1."""
    queries: Sequence[str]
    """(query) token texts, or the names of bins."""
    keys: Sequence[str]
    """(key) token texts, or the names of bins."""
    value_label: str = "attention weight"
    axes: str = "↓ query (the token that looks) · → key (what it looks at)"
    """What goes downwards and to the right."""
    marked: Sequence[tuple[int, int]] = ()
    """(query, key) of the cells that the title is about: outlined, and their tokens always written."""


@dataclass(frozen=True, kw_only=True)
class HeatMap(Figure):
    """A matrix of values over two counted axes."""

    values: NDArray[Any]
    """(rows x columns); NaN is left empty."""
    row_label: str
    column_label: str
    value_label: str
    scale: Literal["sequential", "diverging"] = "sequential"
    value_range: tuple[float, float] | None = None
    width: float | None = None
    """Points its cells may take, where not as many as in other figures."""
    marked: Sequence[tuple[int, int]] = ()
    """(row, column) of the cells that are outlined; `value_label` says why."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One scatter of a `Maps` figure."""

    title: str
    points: NDArray[Any]
    """(item x 2)"""
    x_label: str
    y_label: str
    edges: Sequence[tuple[int, int]] = ()
    """Items that a line joins."""
    backdrop: Sequence[NDArray[Any]] = ()
    """(vertex x 2) of each open line that lies below the points, such as a coast."""
    x_range: tuple[float, float] | None = None
    """What the panel shows whatever its points are; None for as much as they take."""
    y_range: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Maps(Figure):
    """Small multiples of labelled points, one panel a layer."""

    panels: Sequence[Panel]
    labels: Sequence[str]
    """(item) text next to each point."""
    groups: Sequence[str]
    """(item) points of one group share colour and marker; empty strings: one group without a name."""


@dataclass(frozen=True, kw_only=True)
class Arcs(Figure):
    """The words of a sentence on a line: arcs of one tree above them, those of another below."""

    words: Sequence[str]
    above: Sequence[tuple[int, int]]
    """Words that an arc joins, the first one first."""
    below: Sequence[tuple[int, int]]
    """The same; those that are not above are dashed."""
    above_label: str
    below_label: str
    """Of the arcs below that are above too."""
    other_label: str
    """Of those that are not."""
    model: str
    """Id of the model whose colour the arcs below take."""


@dataclass(frozen=True, kw_only=True)
class StackedBars(Figure):
    """Horizontal bars made of named segments."""

    bars: Sequence[str]
    """(bar) names at the left edge, from top to bottom."""
    segments: Sequence[str]
    """(segment) names, in stacking order."""
    values: NDArray[Any]
    """(bar x segment) not negative."""
    value_label: str
    colours: Sequence[int] = ()
    """(segment) the places of their colours, where some of a larger figure's segments are left out."""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """One ranked list of a `Rankings` figure."""

    title: str
    labels: Sequence[str]
    values: Sequence[float]
    intervals: Sequence[tuple[float, float]] = ()
    """(label) lower and upper end of each value's interval; empty: none is drawn."""
    model: str = ""
    """Id of the model whose colour these bars take, where the panels are of several models."""


@dataclass(frozen=True, kw_only=True)
class Rankings(Figure):
    """Ranked token lists as bars, one panel a query, or a model."""

    rankings: Sequence[Ranking]
    value_label: str
    value_range: tuple[float, float]
    model: str
    """Id of the model whose colour the bars take."""


@dataclass(frozen=True, kw_only=True)
class Band:
    """What is allowed over some of the runs of a `Timeline`."""

    first: int
    last: int
    """Runs, counted from 0."""
    lower: float
    upper: float


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """One quantity, run after run."""

    label: str
    unit: str
    values: Sequence[float]
    """(run) NaN where it was not measured."""
    bands: Sequence[Band] = ()
    steps: Sequence[tuple[int, int]] = ()
    """First and last run of each change of level: the same but for a ramp."""
    breaks: Sequence[int] = ()
    """Runs on which something else began to be measured under the same name."""


@dataclass(frozen=True, kw_only=True)
class Timelines(Figure):
    """Small multiples below each other over the same runs, each on a scale of its own."""

    runs: Sequence[str]
    """(run) what each is called."""
    timelines: Sequence[Timeline]
    model: str
    """Id of the model whose colour the lines take."""
    steps: Sequence[int] = ()
    """(run) Its step, where runs are checkpoints of a training: where it stands, as `StepScale` says; else evenly."""


def _check(name: object, allowed: re.Pattern[str], what: str, made_of: str) -> None:
    if not isinstance(name, str) or not allowed.fullmatch(name):
        raise BundleError(Mistake(f"{str(name)[:_QUOTED]!r} is not {what}", f"it is made of {made_of}"))


def list_texts(figure: Figure) -> Iterator[str]:
    """Every string in a description: what its typefaces must cover."""
    yield from _strings(figure)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        for each in fields(value):
            yield from _strings(getattr(value, each.name))
    elif isinstance(value, Mapping):
        yield from _strings(list(value))
        yield from _strings(list(value.values()))
    elif isinstance(value, Sequence):
        for item in value:
            yield from _strings(item)
