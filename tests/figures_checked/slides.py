"""Faults of slides: titles alike, a layer that is told of and not drawn, a series that nobody can tell."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from reportgen.figures.describe import Curves, Figure, HeadMosaic, HeatMap, Maps, TokenGrid
from reportgen.report.slides.slide import Deck, Slide
from reportgen.results.bundle import Bundle

_NAMED = re.compile(
    r"\b(layer|block|MLP)s? (\d+(?![\d.%])(?:(?:–|, | and | or | to )\d+(?![\d.%]))*)|\bheads? (\d+)\.\d+", re.I
)
"""As English names them: "layer 3", "blocks 0, 1 and 11", "layers 13–16", "MLP 28", "head 11.3"."""
_LAYERS, _BLOCKS = re.compile(r"layer|depth", re.IGNORECASE), re.compile(r"block", re.IGNORECASE)
_NUMBERED = re.compile(r"(?:prompt|pair|text|sentence|item|case|row)?s?\s*\d+(?:\s*[–&-]\s*\d+)?", re.IGNORECASE)
"""How a series is called by the place of its prompts."""


def find_faults_of_slides(bundle: Bundle, deck: Deck) -> Iterator[str]:
    """A line a fault, in an English deck."""
    for title, times in Counter(slide.title for slide in deck.slides).items():
        if times > 1:
            yield f"{times} slides are called {title!r}"
    figures = [picture.figure.description for slide in deck.slides for picture in slide.pictures]
    for slide in deck.slides:
        for fault in (*find_undrawn_layers(slide, figures), *_find_unnamed_series(slide, bundle)):
            yield f"slide {slide.title!r}: {fault}"


def find_undrawn_layers(slide: Slide, others: Sequence[Figure] = ()) -> Iterator[str]:
    """Layers that its title or its sentence names, of which none of its figures with an axis of layers has one.

    Maps go on over several slides, whose titles say which they show: `others` are the figures of all slides.
    """
    figures = [picture.figure.description for picture in slide.pictures]
    parts = [one for one in others if isinstance(one, Maps) and any(_goes_on(one, figure) for figure in figures)]
    drawn = [layers for figure in [*figures, *parts] if (layers := list_layers(figure))]
    if not drawn:
        return
    for name in sorted(_list_named(" ".join((slide.title, slide.kicker, slide.sentence)))):
        if not any(name in layers for layers in drawn):
            yield f"its text names {name.what} {name.number}, which is not drawn"


def _goes_on(one: Maps, figure: Figure) -> bool:
    stem = re.compile(r"[\d-]+$")
    return stem.sub("", one.name) == stem.sub("", figure.name) and one.subject == figure.subject


class Place(NamedTuple):
    """A layer, or a block: block 5 lies between layer 5 and layer 6."""

    what: str
    number: int


def _list_named(text: str) -> set[Place]:
    named: set[Place] = set()
    for what, numbers, head in _NAMED.findall(text):
        axis = "layer" if what.lower() == "layer" else "block"
        named |= {Place(axis, int(number)) for number in re.findall(r"\d+", numbers or head)}
    return named


def list_layers(figure: Figure) -> set[Place]:
    """The layers and blocks that a figure draws; empty where it has no axis of them."""
    if isinstance(figure, Maps):
        titled = {at for panel in figure.panels for at in _on_axis(panel.title, _read([panel.title]))}
        return titled | {at for panel in figure.panels for at in _list_named(f"{panel.x_label}; {panel.y_label}")}
    if isinstance(figure, HeadMosaic):
        return _on_axis("block", figure.blocks or range(len(figure.patterns)))
    if isinstance(figure, TokenGrid):
        rows, columns = _read(figure.rows), _read(figure.columns)
    elif isinstance(figure, HeatMap):
        rows, columns = (set(range(count)) for count in np.asarray(figure.values).shape)
    elif isinstance(figure, Curves):
        return _on_axis(figure.x_label, _count_layers(figure))
    else:
        return set()
    of_all = _list_named(figure.row_label)  # what all of its rows are of
    return of_all | _on_axis(figure.row_label, rows) | _on_axis(figure.column_label, columns)


def _on_axis(label: str, numbers: Iterable[int]) -> set[Place]:
    """The places at these numbers of an axis; none where it is of something else."""
    if _LAYERS.search(label):
        return {place for at in numbers for place in (Place("layer", at), Place("block", at - 1))}
    if _BLOCKS.search(label):
        return {place for at in numbers for place in (Place("block", at), Place("layer", at), Place("layer", at + 1))}
    return set()


def _count_layers(figure: Curves) -> set[int]:
    """The numbers on the axis; by relative depth, the layers are as far apart as the points of a curve."""
    found: set[int] = set()
    for curve in figure.curves:
        if len(curve.x) > 1 and max(curve.x) <= 1 and curve.x[1] - curve.x[0] < 1:
            found |= {round(x / (curve.x[1] - curve.x[0])) for x in curve.x}
        else:
            found |= set(map(int, curve.x))
    return found


def _read(labels: Sequence[str]) -> set[int]:
    return {int(number) for label in labels for number in re.findall(r"\d+", label)}


def _find_unnamed_series(slide: Slide, bundle: Bundle) -> Iterator[str]:
    """Curves called by the number of a prompt, and by none of the words that its battery and its tables hold."""
    for picture in slide.pictures:
        figure = picture.figure.description
        if not isinstance(figure, Curves):
            continue
        of_probe = bundle.outcomes[picture.figure.probe_id].values()
        words = {word for outcome in of_probe for text in _list_strings(outcome) for word in _split(text)}
        for label in dict.fromkeys(curve.label for curve in figure.curves):
            if is_unnamed(label, words):
                yield f"the series {label!r} is named by no word of its prompt"


def is_unnamed(label: str, words: set[str]) -> bool:
    """Whether a label is a number, and nothing of a prompt's words after it."""
    numbered = _NUMBERED.match(label.strip())
    return numbered is not None and words.isdisjoint(_split(label.strip()[numbered.end() :]))


def _split(text: str) -> set[str]:
    """Words without numbers; signs that stand for bytes or for emoji are words of their own."""
    return {word for word in re.findall(r"[^\W\d_]+|[^\w\s,.;:|()\[\]…–-]+", text) if word}


def _list_strings(outcome: Any) -> Iterator[str]:
    yield from _strings(outcome.options)
    for table in outcome.tables.values():
        yield from (cell for row in table.rows for cell in row if isinstance(cell, str))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for each in value.values() for text in _strings(each))
    elif isinstance(value, list | tuple):
        yield from (text for each in value for text in _strings(each))
