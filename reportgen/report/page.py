"""A bundle as one HTML file that asks the network for nothing, and as the HTML that becomes the PDF."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from reportgen.language import list_items
from reportgen.look.presentation import PAGE_BYTES
from reportgen.look.theme import PAPER, Theme
from reportgen.report.content import citations, feature_browser, findings, numerals, opening, paper_flow, sections
from reportgen.report.content.budget import Load, fit_page
from reportgen.report.content.drawn import PageFigure
from reportgen.report.content.figure_data import add_data, find_hidden_texts
from reportgen.report.content.many_models import MANY, UnshownFigures
from reportgen.report.content.paper_tables import paper_sheets
from reportgen.report.content.statements import state_bundle, word_bundle
from reportgen.report.templates.templating import fill_page
from reportgen.results.section import SubjectWords

if TYPE_CHECKING:
    from reportgen.results.bundle import Bundle

ROWS_ON_PAPER = 12
Target = Literal["page", "paper"]


def render_page(
    bundle: "Bundle",
    drawings: Mapping[str, Sequence[PageFigure]],
    *,
    statements: Mapping[str, str] | None = None,
    words: Mapping[str, Mapping[str, SubjectWords]] | None = None,
    stamp: str = "",
    has_figure_files: bool = False,
    budget: int = PAGE_BYTES,
    theme: Theme = PAPER,
    unshown: UnshownFigures | None = None,
) -> str:
    """`report.html`. `drawings` holds each probe id's figures; `stamp` is a date to print, if any.

    `statements`: what each probe found, where it has been asked; `words`: what of that each said of each model alone.
    `has_figure_files`: the figures' files lie next to the page, or will. `budget`: the bytes it may have; what must be
    left out for that, and where it is found instead, the page says. `theme`: the colours, font and logo of all that is
    no figure. `unshown`: the figures that it only names, as it is of many models.
    """
    carried = {probe_id: [add_data(one) for one in of_probe] for probe_id, of_probe in drawings.items()}
    features = {probe_id: feature_browser.make_browsers(outcomes) for probe_id, outcomes in bundle.outcomes.items()}
    found = _collect_words(bundle, statements, words)
    return fit_page(
        lambda load: _fill_report("page", bundle, load, found, stamp, has_figure_files, theme, unshown or {}),
        carried,
        budget,
        features,
    )


def render_paper(
    bundle: "Bundle",
    drawings: Mapping[str, Sequence[PageFigure]],
    *,
    statements: Mapping[str, str] | None = None,
    words: Mapping[str, Mapping[str, SubjectWords]] | None = None,
    stamp: str = "",
    has_figure_files: bool = False,
    theme: Theme = PAPER,
    unshown: UnshownFigures | None = None,
) -> str:
    """The HTML that `document.print_pdf` prints: nothing folded, tables short, figures in millimetres."""
    found = _collect_words(bundle, statements, words)
    return _fill_report(
        "paper", bundle, Load(drawings, ROWS_ON_PAPER), found, stamp, has_figure_files, theme, unshown or {}
    )


@dataclass(frozen=True)
class _Found:
    """What the probes of a bundle say."""

    statements: Mapping[str, str]
    words: Mapping[str, Mapping[str, SubjectWords]]


def _collect_words(
    bundle: "Bundle",
    statements: Mapping[str, str] | None,
    words: Mapping[str, Mapping[str, SubjectWords]] | None,
) -> _Found:
    """What was said before; else the probes are asked now."""
    told = state_bundle(bundle) if statements is None else statements
    return _Found(told, word_bundle(bundle, told) if words is None else words)


def _fill_report(
    target: Target,
    bundle: "Bundle",
    load: Load,
    found: "_Found",
    stamp: str,
    has_figure_files: bool,
    theme: Theme,
    unshown: UnshownFigures,
) -> str:
    shown = [
        sections.build_view(
            bundle.section(probe),
            found.statements.get(probe, ""),
            load.drawings.get(probe, ()),
            load.rows,
            load.browsers.get(probe),
            found.words.get(probe),
            unshown.get(probe),
        )
        for probe in bundle.outcomes
    ]
    told = findings.list_findings(shown)
    table = findings.tabulate_findings(told, shown, list(bundle.models))
    context: dict[str, Any] = {
        "target": target,
        "title": bundle.title,
        "many_models": len(bundle.models) > MANY,
        "names": {id: card.name for id, card in bundle.models.items()},
        "models": opening.make_model_lines(bundle),
        "provenance": opening.list_provenance(bundle),
        "citations": citations.cite_bundle(bundle),
        "stamp": numerals.write_day(stamp),
        "part": opening.tell_part(bundle),
        "sections": shown,
        "findings": [one for one in told if table is None or one not in table.columns],
        "findings_table": table,
        "telling": opening.select_telling_numbers(bundle, shown),
        "unequal": list_items(opening.list_unequal_numbers(bundle, shown)),
        "load": load,
        "flow": paper_flow.flow_sections,
        "paper_sheets": paper_sheets,
        "figure_files": has_figure_files and any(load.drawings.values()),
    }
    packed = find_hidden_texts(load.drawings)
    packed |= {one.characters for of_probe in load.browsers.values() for one in of_probe.values()}
    if target == "paper":
        packed |= {one.characters for of_probe in load.drawings.values() for one in of_probe}
    return fill_page(
        context,
        body="body.html.j2",
        shell=f"{target}.html.j2",
        models=list(bundle.models),
        packed=packed,
        theme=theme,
    )
