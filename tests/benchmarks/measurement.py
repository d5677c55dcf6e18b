"""What a row of the table says, and the table."""

from collections.abc import Sequence
from dataclasses import dataclass

HEADINGS = ("", "what", "measured", "target", "verdict")


@dataclass(frozen=True)
class Measurement:
    """A number, and what it must not exceed."""

    what: str
    measured: float
    target: float | None = None
    """None where the number is told and not judged."""
    unit: str = ""
    """Empty for a ratio."""
    note: str = ""
    series: tuple[float, ...] = ()
    """Costs at 1, 4 and 16 times the work, relative to the first."""

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        return "met" if self.measured <= self.target else "MISSED"


def table(rows: Sequence[tuple[int, Measurement]]) -> str:
    """One table of all measurements, each with the number of its row in the benchmark."""
    cells = [HEADINGS]
    for number, one in rows:
        target = "" if one.target is None else f"≤ {_number(one.target)}{_unit(one)}"
        note = f" ({one.note})" if one.note else ""
        cells.append((str(number), one.what, f"{_number(one.measured)}{_unit(one)}{note}", target, one.verdict))
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADINGS))]
    cells.insert(1, tuple("-" * width for width in widths))
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)


def growth_table(rows: Sequence[Measurement]) -> str:
    """The Markdown table of what grows how."""
    lines = [
        f"| {one.what.partition(':')[0]} | {' | '.join(f'{cost:.3g}' for cost in one.series)} |"
        for one in rows
        if one.series
    ]
    return "\n".join(["| cost at … times the work | 1 | 4 | 16 |", "| --- | --- | --- | --- |", *lines])


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2f}"


def _unit(one: Measurement) -> str:
    return f" {one.unit}" if one.unit else ""
