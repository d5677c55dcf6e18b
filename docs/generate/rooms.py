"""The architecture in one picture: the rooms of the program and which imports from which, as tests/test_rooms.py holds
it.
"""

from ast import get_docstring
from functools import cache
from html import escape

from docs.generate.markdown import keep_code, write_code, write_table
from tests.test_rooms import ARROWS, modules

WIDTH, BAND, BOX, GAP = 900, 66, 28, 12
"""Units of the picture: its width, from one row to the next, the height of a room, and between rooms."""
LETTER, FOOT = 7.4, 34
"""Of a letter across, and of the line below the picture."""


def draw_rooms() -> str:
    """One <svg>: each room above all that it imports from, a line to each that it imports from directly."""
    rows: dict[int, list[str]] = {}
    for room in ARROWS:
        rows.setdefault(_level_of(room), []).append(room)
    height = len(rows) * BAND + FOOT
    downwards = [rows[level] for level in sorted(rows, reverse=True)]
    boxes = {room: box for at, rooms in enumerate(downwards) for room, box in _place_row(at, rooms).items()}
    alt = f"The rooms of reportgen in rows, from {'; '.join(map(', '.join, downwards))}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" font-family="sans-serif">',
        f"<title>{escape(alt)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        *(_draw_arrow(boxes[room], boxes[other]) for room in ARROWS for other in list_direct(room)),
        *(_draw_box(room, *box) for room, box in boxes.items()),
        f'<text x="{WIDTH / 2}" y="{height - 12}" font-size="12" text-anchor="middle" fill="#444444">'
        "Imports lead down. Left out: lines to what a room reaches through another one.</text>",
        "</svg>",
    ]
    return "\n".join(parts)


def list_direct(room: str) -> list[str]:
    """The rooms that a room imports from and does not reach through another of them."""
    below = ARROWS[room].split()
    return [one for one in below if not any(one in _reach(other) for other in below)]


def write_rooms() -> str:
    """A table: what each room is for, and which rooms it imports from."""
    rows = []
    for room in sorted(ARROWS, key=lambda room: (-_level_of(room), room)):
        told = (get_docstring(modules()[room]) or "").split("\n\n")[0]
        below = ", ".join(map(write_code, ARROWS[room].split()))
        rows.append((write_code(room), keep_code(told), below or "none"))
    return write_table(("room", "what it is for", "imports from"), rows)


@cache
def _level_of(room: str) -> int:
    """How many rooms lie one below the other under it, at most."""
    return 1 + max(map(_level_of, ARROWS[room].split()), default=-1)


@cache
def _reach(room: str) -> frozenset[str]:
    """All that a room imports from, directly or through others."""
    below = ARROWS[room].split()
    return frozenset(below).union(*map(_reach, below))


def _place_row(at: int, rooms: list[str]) -> dict[str, tuple[float, float, float]]:
    """Room -> left, top and width of its box, a row of them in the middle."""
    widths = [LETTER * len(room) + 18 for room in rooms]
    spread = min(90.0, (WIDTH - 20 - sum(widths)) / max(len(rooms) - 1, 1)) if len(rooms) > 1 else 0.0
    # Every other row stands aside, so that lines do not run behind boxes one below the other.
    aside = (0, -70, 70)[at % 3] if len(rooms) < 4 else 0
    left = (WIDTH - sum(widths) - spread * (len(rooms) - 1)) / 2 + aside
    placed = {}
    for room, width in zip(rooms, widths, strict=True):
        placed[room] = (left, at * BAND + GAP, width)
        left += width + spread
    return placed


def _draw_arrow(upper: tuple[float, float, float], lower: tuple[float, float, float]) -> str:
    x, y = upper[0] + upper[2] / 2, upper[1] + BOX
    to_x, to_y = lower[0] + lower[2] / 2, lower[1]
    bend = (to_y - y) / 2
    return (
        f'<path d="M{x:.1f} {y} C{x:.1f} {y + bend:.1f} {to_x:.1f} {to_y - bend:.1f} {to_x:.1f} {to_y}" '
        'fill="none" stroke="#7b8794" stroke-width="1.2"/>'
        f'<path d="M{to_x - 3.5:.1f} {to_y - 6} L{to_x:.1f} {to_y} L{to_x + 3.5:.1f} {to_y - 6}z" fill="#7b8794"/>'
    )


def _draw_box(room: str, left: float, top: float, width: float) -> str:
    middle = left + width / 2
    return (
        f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{BOX}" rx="3" fill="#eef2f7" stroke="#5b6b7f"/>'
        f'<text x="{middle:.1f}" y="{top + 18}" font-size="13" text-anchor="middle" fill="#111111">{room}</text>'
    )
