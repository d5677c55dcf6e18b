"""The data of a report's figures as the page carries them: for its readouts, and to be saved as CSV."""

import base64
import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace

import numpy as np

from reportgen.figures.data import csv_of
from reportgen.figures.describe import Figure, list_texts
from reportgen.report.content.drawn import PageFigure

MOST_VALUES = 1_000_000
"""A figure of more values has its data in its file alone: they would take seconds to write, and most of a page."""

WELL = 6
"""How hard gzip tries: at its hardest it takes three times as long, and saves half a percent."""


def add_data(drawn: PageFigure) -> PageFigure:
    """The figure, and its CSV for the page."""
    if sum(_sizes(drawn.description)) > MOST_VALUES:
        return replace(drawn, data_left_out=True)
    return replace(drawn, data=pack_csv(csv_of(drawn.description)))


def find_hidden_texts(drawings: Mapping[str, Sequence[PageFigure]]) -> set[str]:
    """Every text that a page says only of what its reader points at: its fonts must hold them too."""
    carried = [one.description for of_probe in drawings.values() for one in of_probe if one.data]
    return {text for description in carried for text in list_texts(description)}


def pack_csv(csv: str) -> str:
    """A table as the page holds it: UTF-8, gzipped without a clock, in base64."""
    return base64.b64encode(gzip.compress(csv.encode(), WELL, mtime=0)).decode()


def _sizes(figure: Figure) -> Iterator[int]:
    values = (getattr(figure, field.name) for field in fields(figure))
    return (value.size for value in values if isinstance(value, np.ndarray))
