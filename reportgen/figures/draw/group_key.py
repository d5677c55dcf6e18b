"""Names of groups behind their swatches, in lines above a figure."""

from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.figures.draw.canvas import FULL_WIDTH
from reportgen.figures.draw.lettering import LINE, Lettering

SWATCH = 11.0
"""Points from the left of a swatch to its name."""
BETWEEN = 12.0


@dataclass(frozen=True)
class Entry:
    """A group's own name, that name as it is written, and where its swatch begins (y: its middle)."""

    name: str
    text: str
    x: float
    y: float


def key_entries(names: Sequence[str], lettering: Lettering) -> list[Entry]:
    """As many a line as there is room for."""
    entries: list[Entry] = []
    x, y = 0.0, LINE / 2
    for name in names:
        text = lettering.shortened(name, FULL_WIDTH / 2)
        width = SWATCH + lettering.width(text)
        if x and x + width > FULL_WIDTH:
            x, y = 0.0, y + LINE
        entries.append(Entry(name, text, x, y))
        x += width + BETWEEN
    return entries


def key_height(entries: Sequence[Entry]) -> float:
    """Points from the top to what stands below the key."""
    return entries[-1].y + LINE / 2 + 6 if entries else 0.0
