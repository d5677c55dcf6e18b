"""Names of groups behind their swatches, in lines above a figure."""

from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.figures.draw.lettering import LINE
from reportgen.figures.draw.look import Look

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


def key_entries(names: Sequence[str], look: Look) -> list[Entry]:
    """As many a line as there is room for."""
    entries: list[Entry] = []
    x, y = 0.0, LINE / 2
    for name in names:
        text = look.lettering.shorten(name, look.width / 2)
        width = SWATCH + look.lettering.width(text)
        if x and x + width > look.width:
            x, y = 0.0, y + LINE
        entries.append(Entry(name, text, x, y))
        x += width + BETWEEN
    return entries


def key_height(entries: Sequence[Entry]) -> float:
    """Points from the top to what stands below the key."""
    return entries[-1].y + LINE / 2 + 6 if entries else 0.0
