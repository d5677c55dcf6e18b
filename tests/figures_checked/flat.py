"""Panels of curves in which there is nothing to see, and which do not say so."""

import re
from collections.abc import Iterator

import numpy as np

from reportgen.figures.describe import Curve, Curves
from reportgen.language import say
from tests.figures_checked.seen import SeenFigure

LEAST = 0.2
"""Share of the axis that at least one series covers."""


def find_flat(figure: SeenFigure) -> Iterator[str]:
    """A line a panel whose every curve covers less than a fifth of the axis, unless it is said."""
    if not isinstance(figure.description, Curves):
        return
    shares = [
        share
        for frame in figure.frames
        for curve in figure.description.curves
        if (share := _measure_share(curve, frame["y"])) is not None
    ]
    if shares and max(shares) < LEAST and not _says_flat(figure):
        yield f"is flat, and does not say so: its series cover {max(shares):.0%} of the axis"


def _measure_share(curve: Curve, ends: tuple[float, float]) -> float | None:
    """Of the axis, that a curve's values on it go through; None where there is but one."""
    low, high = ends
    values = np.asarray(curve.y, dtype=float)
    shown = np.clip(values[np.isfinite(values)], low, high)
    return float(np.ptp(shown)) / (high - low) if shown.size > 1 else None


def _says_flat(figure: SeenFigure) -> bool:
    """Whether the words that tell it, in the language that is spoken, stand in the picture."""
    told = (
        say("figures.flat", "flat: no curve varies by more than {extent}", extent="\0"),
        say("figures.flat_within", "flat within this axis: no curve varies by more than {extent} there", extent="\0"),
        say("figures.constant", "flat: no curve varies at all"),
    )
    drawn = " ".join(text.text for text in figure.texts)
    return any(re.search(r"\S+".join(map(re.escape, one.split("\0"))), drawn) for one in told)
