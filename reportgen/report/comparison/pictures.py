"""Which quantities of a comparison are pictured, and their pictures drawn: before, after, difference."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from reportgen.baseline.compare import Comparison, Judgement, OutcomeComparison
from reportgen.baseline.quantities import Change
from reportgen.baseline.verdict import QUIET
from reportgen.figures.canonical import canonicalize_value
from reportgen.figures.describe import Figure
from reportgen.figures.kept import CachedFigure
from reportgen.look.model_styles import MUTED, ModelStyle, model_styles
from reportgen.probes import registry
from reportgen.report.comparison.array_pictures import make_array_figures
from reportgen.report.comparison.states import AFTER, BEFORE
from reportgen.report.comparison.table_pictures import make_table_figures
from reportgen.report.content.bundle_figures import make_cached_figures
from reportgen.report.content.drawn import PageFigure
from reportgen.report.content.prompts import TABLE as PROMPTS
from reportgen.results.quantities import Cell, Outcome
from reportgen.results.section import SUBJECT, ModelCard, Section

if TYPE_CHECKING:
    from reportgen.figures.draw import SvgText

MOST_PICTURED = 24
"""Sections with pictures: the worst stand first, and drawing takes time."""
DRAWN = ("array", "table")
DASHED = ModelStyle(MUTED, (3, 2), "o")
STATES = (BEFORE.encode(), AFTER.encode())
Path = tuple[str, str]
"""(probe id, subject)"""


@dataclass(frozen=True)
class Picture:
    """Figures that stand side by side, and their drawings."""

    path: Path
    figures: Sequence[Figure]
    drawings: Sequence[CachedFigure]

    def make_page_figures(self, text: "SvgText") -> list[PageFigure]:
        """The figures for a page or for paper."""
        stem = ".".join(self.path)
        return [
            PageFigure(figure, f"{stem}-{figure.name}", drawing.svg(text))
            for figure, drawing in zip(self.figures, self.drawings, strict=True)
        ]


def draw_pictures(
    comparison: Comparison, sections: Sequence[tuple[OutcomeComparison, Sequence[Judgement]]]
) -> list[Picture]:
    """The pictures of the first `MOST_PICTURED` sections that have any: the array and the table that moved furthest.

    Args:
        comparison: where the numbers are.
        sections: what is loud, and the judgements about each, in the page's order.
    """
    pictured = ((outcome, list(_of_section(comparison, outcome, judged))) for outcome, judged in sections)
    first = islice((pair for pair in pictured if pair[1]), MOST_PICTURED)
    described = [(outcome, figures) for outcome, rows in first for figures in rows]
    styled = [(figure, _styles(comparison, outcome)) for outcome, figures in described for figure in figures]
    drawings = make_cached_figures(styled, cache=True)
    return [
        Picture((outcome.probe_id, outcome.subject), figures, [next(drawings) for _ in figures])
        for outcome, figures in described
    ]


def _of_section(
    comparison: Comparison, outcome: OutcomeComparison, judged: Sequence[Judgement]
) -> Iterator[Sequence[Figure]]:
    """Figures of the worst array and of the worst ranked table; where neither can be drawn, the probe's own."""
    old, new = (
        bundle.outcomes.get(outcome.probe_id, {}).get(outcome.subject)
        for bundle in (comparison.before, comparison.after)
    )
    if old is None or new is None or old.status != "ok" or new.status != "ok":
        return
    changes = [one.change for one in judged if one.change is not None and one.verdict not in QUIET]
    found = [_find_first(_of_change(change, old, new) for change in changes if change.kind == kind) for kind in DRAWN]
    drawn = [figures for figures in found if figures]
    yield from drawn
    if changes and not drawn and (own := _find_own_figures(comparison, outcome, old, new)):
        yield own


def _find_first(found: Iterable[Sequence[Figure]]) -> Sequence[Figure]:
    return next((figures for figures in found if figures), ())


def _of_change(change: Change, old: Outcome, new: Outcome) -> Sequence[Figure]:
    name = change.name
    if name in old.arrays and name in new.arrays:
        return make_array_figures(name, old.arrays[name], new.arrays[name], place=change.place, allowed=change.bound)
    if name in old.tables and name in new.tables:
        return make_table_figures(name, old.tables[name], new.tables[name], _texts(new))
    return ()


def _texts(outcome: Outcome) -> dict[Cell, str]:
    """Prompt -> its text."""
    table = outcome.tables.get(PROMPTS)
    if table is None or not {"prompt", "text"} <= set(table.columns):
        return {}
    return {prompt: str(text) for prompt, text in zip(table.column("prompt"), table.column("text"), strict=True)}


def _find_own_figures(
    comparison: Comparison, outcome: OutcomeComparison, old: Outcome, new: Outcome
) -> Sequence[Figure]:
    """The first of the probe's own figures that is not the same before and after: both, on their shared scale."""
    models = {**comparison.before.models, **comparison.after.models}
    states = {state: _card(models, outcome, state) for state in (BEFORE, AFTER)}
    section = Section(outcome.probe_id, {BEFORE: old, AFTER: new}, {**models, **states})
    named: dict[str, list[Figure]] = {}
    with suppress(Exception):  # a probe may raise anything, or be of another version: its numbers are shown alone
        for figure in registry.find(outcome.probe).figures(section):
            named.setdefault(figure.name, []).append(figure)
    return _find_first(figures for figures in named.values() if _differ(figures))


def _card(models: Mapping[str, ModelCard], outcome: OutcomeComparison, state: str) -> ModelCard:
    """What stands in the place of a model: its name is the first word of the figures' titles."""
    ids = [id for id in outcome.subject.split(SUBJECT) if id in models]
    name = " → ".join(models[id].name for id in ids) or outcome.subject
    known = models[ids[-1]] if ids else ModelCard(state, name, "", 0)
    return replace(known, id=state, name=f"{state.capitalize()}: {name}")


def _differ(figures: Sequence[Figure]) -> bool:
    """Whether figures of one name show anything that changed; one figure of both states is taken to."""
    spelled = [
        [part for part in canonicalize_value(replace(figure, title="", alt="")) if part not in STATES]
        for figure in figures
    ]
    return len(spelled) == 1 or any(one != spelled[0] for one in spelled)


def _styles(comparison: Comparison, outcome: OutcomeComparison) -> dict[str, ModelStyle]:
    """Before dashed and grey, after solid in the colour that the model has everywhere."""
    styles = model_styles(list({**comparison.after.models, **comparison.before.models}))
    id = outcome.subject.split(SUBJECT)[-1]
    own = styles[id] if id in styles else next(iter(model_styles([id]).values()))
    return {**styles, BEFORE: DASHED, AFTER: replace(own, dash=())}
