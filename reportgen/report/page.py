"""A bundle as one HTML file that asks the network for nothing, and as the HTML that becomes the PDF."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from reportgen.report import opening, sections
from reportgen.report.drawn import Drawn
from reportgen.report.templating import filled

if TYPE_CHECKING:
    from reportgen.store import Bundle

ROWS_ON_PAGE = 60
ROWS_ON_PAPER = 12
Target = Literal["page", "paper"]


def html(
    bundle: "Bundle", drawings: Mapping[str, Sequence[Drawn]], *, stamp: str = "", figures_beside: bool = False
) -> str:
    """`report.html`. `drawings` holds each probe id's figures; `stamp` is a date to print, if any.

    `figures_beside`: the figures' files lie beside the page, or will.
    """
    return _filled("page", bundle, drawings, stamp, figures_beside)


def paper(
    bundle: "Bundle", drawings: Mapping[str, Sequence[Drawn]], *, stamp: str = "", figures_beside: bool = False
) -> str:
    """The HTML that `document.pdf` prints: nothing folded, tables short, figures in millimetres."""
    return _filled("paper", bundle, drawings, stamp, figures_beside)


def _filled(
    target: Target, bundle: "Bundle", drawings: Mapping[str, Sequence[Drawn]], stamp: str, figures_beside: bool
) -> str:
    most = ROWS_ON_PAGE if target == "page" else ROWS_ON_PAPER
    context: dict[str, Any] = {
        "target": target,
        "title": bundle.title,
        "models": opening.model_lines(bundle),
        "provenance": opening.provenance(bundle),
        "stamp": stamp,
        "sections": [sections.view(bundle.section(probe), drawings.get(probe, ()), most) for probe in bundle.outcomes],
        "figure_files": figures_beside and any(drawings.values()),
    }
    return filled(context, body="body.html.j2", shell=f"{target}.html.j2", models=list(bundle.models))
