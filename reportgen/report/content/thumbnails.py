"""The small drawings that stand by a report's findings: of each section that is among them, its first figure."""

from collections.abc import Collection

from reportgen.figures.abridge import abridge_figure
from reportgen.look.model_styles import model_styles
from reportgen.look.theme import Theme
from reportgen.report.content.bundle_figures import BundleDescription, list_stems, make_cached_figures
from reportgen.report.content.findings import choose_findings
from reportgen.results.bundle import Bundle

WIDTH, HEIGHT = 174.0, 78.0
"""Points across, and of curves upwards, with text of the page's own size."""


def draw_thumbnails(
    bundle: Bundle, described: BundleDescription, *, theme: Theme, cache: bool = False, unshown: Collection[str] = ()
) -> dict[str, str]:
    """Stem of a figure -> its thumbnail's SVG: of each section among the findings the first figure of each subject.

    Args:
        bundle: whose models have their colours in its own order.
        described: its figures and statements.
        theme: what its figures look like on a page.
        cache: whether to take what was drawn before, and to keep what is drawn.
        unshown: stems of figures that the page does not show.
    """
    probes = {id: next(iter(of_one.values())).probe for id, of_one in bundle.outcomes.items()}
    told = [(id, probes[id]) for id, statement in described.statements.items() if statement]
    chosen = choose_findings(told)
    first: dict[str, str] = {}
    wanted = {}
    for probe_id, stem, figure in list_stems(described):
        if probe_id in chosen and stem not in unshown and first.setdefault(probe_id, figure.name) == figure.name:
            wanted[stem] = abridge_figure(figure)
    small = theme.model_copy(update={"width": WIDTH, "widest": WIDTH, "height": HEIGHT})
    styles = model_styles(list(bundle.models), theme)
    drawn = make_cached_figures([(figure, styles) for figure in wanted.values()], theme=small, cache=cache)
    return {stem: one.svg("characters") for stem, one in zip(wanted, drawn, strict=True)}
