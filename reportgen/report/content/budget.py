"""How large one page may become, and what is left out of it first where the report is larger."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reportgen.report.content.drawn import PageFigure
from reportgen.report.content.feature_browser import AT_FIRST, Browser

ROWS, FEW_ROWS = 60, 12
"""Rows that a table may show on a page, and on one that would be too large."""
NOTE = 500
"""Bytes that a note may take in the place of what it tells of."""
STEPS = 20
"""Of cards so many parts are made, of which as many are left out as must."""


@dataclass(frozen=True)
class Load:
    """What a page carries."""

    drawings: Mapping[str, Sequence[PageFigure]]
    """Probe id -> its figures; what is left out of them is said by each."""
    rows: int = ROWS
    """Rows of a table."""
    browsers: Mapping[str, Mapping[str, Browser]] = field(default_factory=dict)
    """Probe id -> subject -> cards of features; what is left out of them is said by each."""

    @property
    def without_card(self) -> int:
        """Features whose cards were left out."""
        return sum(one.left_out for of_probe in self.browsers.values() for one in of_probe.values())

    @property
    def without_data(self) -> int:
        """Figures that are shown, and whose data were left out."""
        return sum(one.data_left_out and not one.left_out for one in self._figures())

    @property
    def without_picture(self) -> int:
        """Figures that were left out themselves."""
        return sum(one.left_out for one in self._figures())

    @property
    def short_tables(self) -> bool:
        """Whether tables show fewer rows than they would."""
        return self.rows < ROWS

    def _figures(self) -> Iterable[PageFigure]:
        return (one for of_probe in self.drawings.values() for one in of_probe)


def fit_page(
    fill: Callable[[Load], str],
    drawings: Mapping[str, Sequence[PageFigure]],
    budget: int,
    browsers: Mapping[str, Mapping[str, Browser]] | None = None,
) -> str:
    """The page of at most `budget` bytes, where leaving things out makes it so small.

    First go cards of features, then the data of the largest figures, then rows of long tables, then the largest
    pictures, each only as far as it must; equal input leaves out the same.
    """
    load = Load(drawings, browsers=browsers or {})
    page = fill(load)
    for lighter in (_with_fewer_cards, _without_data, _with_short_tables, _without_pictures):
        excess = len(page.encode()) - budget
        if excess <= 0:
            break
        lightened = lighter(load, excess + NOTE)
        if lightened is not load:
            load, page = lightened, fill(lightened)
    return page


def _with_fewer_cards(load: Load, excess: int) -> Load:
    """The same share of the cards of each browser; those that stand on the page without a script stay."""
    bytes_of = _bytes_of_cards(load)
    fewer = load
    for step in range(STEPS - 1, -1, -1):
        if not bytes_of or bytes_of - _bytes_of_cards(fewer) >= excess:
            break
        if step / STEPS > max(0.0, 1 - 0.9 * excess / bytes_of):  # surely too many
            continue
        fewer = replace(
            load,
            browsers={
                probe_id: {
                    subject: one.keep_first(max(AT_FIRST, len(one.cards) * step // STEPS))
                    for subject, one in of_probe.items()
                }
                for probe_id, of_probe in load.browsers.items()
            },
        )
    return fewer


def _bytes_of_cards(load: Load) -> int:
    return sum(len(one.data) for of_probe in load.browsers.values() for one in of_probe.values())


def _without_data(load: Load, excess: int) -> Load:
    chosen = _select_largest(load, excess, lambda one: len(one.data))
    return _change_figures(load, chosen, lambda one: replace(one, data="", data_left_out=True))


def _with_short_tables(load: Load, excess: int) -> Load:
    return replace(load, rows=FEW_ROWS)


def _without_pictures(load: Load, excess: int) -> Load:
    chosen = _select_largest(load, excess, lambda one: len(one.svg.encode()) + len(one.data) - NOTE)
    return _change_figures(load, chosen, lambda one: replace(one, data="", left_out=True))


def _select_largest(load: Load, excess: int, gain: Callable[[PageFigure], int]) -> set[str]:
    """Stems of the figures that gain most, until all gain the excess; in the report's order where they gain alike."""
    chosen: set[str] = set()
    for one in sorted((one for of_probe in load.drawings.values() for one in of_probe), key=lambda one: -gain(one)):
        if excess <= 0 or gain(one) <= 0:
            break
        chosen.add(one.file_stem)
        excess -= gain(one)
    return chosen


def _change_figures(load: Load, stems: set[str], change: Callable[[PageFigure], PageFigure]) -> Load:
    drawings = {
        probe_id: [change(one) if one.file_stem in stems else one for one in of_probe]
        for probe_id, of_probe in load.drawings.items()
    }
    return replace(load, drawings=drawings)
