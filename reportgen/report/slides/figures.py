"""The figures of a bundle as slides show them: joined where models give a curve each, split and thinned where there is
no room for all.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

from reportgen.figures.describe import Curve, Curves, Figure, TokenGrid
from reportgen.figures.split import Room, split_figure
from reportgen.language import QUOTED, say
from reportgen.look.theme import SLIDES, Theme
from reportgen.probing.probe import axis_label
from reportgen.report.content.bundle_figures import BundleDescription
from reportgen.report.content.statements import state_figure, state_section
from reportgen.report.slides.layout import HALL_FROM, SIDE, WIDTH
from reportgen.results.section import Section, subject_of

if TYPE_CHECKING:
    from reportgen.results.bundle import Bundle

ROOM = Room(maps=4, bare_maps=16, rankings=2, columns=14, rows=12)
"""What of a figure can still be read on a slide."""
HALL_ROOM = Room(maps=2, bare_maps=4, rankings=2, columns=8, rows=8, labels=8, split_rows=True)
"""The same in a hall, where text has 18 points."""
HALF_WIDE = 0.7
"""Size of text in a figure that is half a slide wide, by that of one that is as wide as the slide."""
_BETWEEN = r"\s:：–—、,،"
"""What stands between a model's name and the rest of a title."""
_COUNT = re.compile(r"(?<![A-Za-z0-9.,-])[0-9]{1,3}(?![A-Za-z0-9%-]|[.,][0-9]| ?%)")
"""A whole number that may be that of a layer: no share, no part of a word or of another number."""


class StatementsAlone:
    """What is found in one subject, whatever the others: computed when it is asked for, and once."""

    def __init__(self, bundle: "Bundle", statements: Mapping[str, str]) -> None:
        """`statements`: what each probe found in all subjects."""
        self._bundle, self._statements = bundle, statements
        self._found: dict[tuple[str, str], str] = {}

    def find(self, probe: str, subject: str) -> str:
        """What a probe found in a subject."""
        key = probe, subject
        if key not in self._found:
            section, statement = self._bundle.section(probe), self._statements.get(probe, "")
            alone = replace(section, outcomes={subject: section.outcomes[subject]})
            self._found[key] = statement if len(section.outcomes) == 1 else state_section(alone)
        return self._found[key]

    def tell_shown(self, probe: str, figure: Figure, subject: str) -> str:
        """What a figure shows of a subject: what was found in it, unless the figure shows something else."""
        return state_figure(self._bundle.section(probe), figure).get(subject) or self.find(probe, subject)


def on_slides(
    described: BundleDescription, bundle: "Bundle", theme: Theme = SLIDES, alone: StatementsAlone | None = None
) -> BundleDescription:
    """The figures as slides of this theme show them: the curves of models that have one each stand in one figure, what
    would be too small to read goes on over several slides, and of layers that are left out none is one that the slide
    tells of: `alone` are the statements of each subject, where others ask for them too. The figures are drawn in what
    `theme_on_slides` makes of the theme.
    """
    told = alone or StatementsAlone(bundle, described.statements)
    room = HALL_ROOM if theme.legible >= HALL_FROM else ROOM
    halved = theme_on_slides(theme, bundle) != theme
    figures: dict[str, list[Figure]] = {}
    for probe, of_probe in described.figures.items():
        section = bundle.section(probe)
        figures[probe] = [
            part
            for figure in join_single_curves(section, of_probe, wide=halved)
            for part in split_figure(figure, room, _find_named(section, figure, told))
        ]
    return replace(described, figures=figures)


def theme_on_slides(theme: Theme, bundle: "Bundle") -> Theme:
    """A theme for figures as wide as a slide, as a bundle of several models draws it: for two figures side by side,
    where they can be read so.
    """
    text = theme.text * HALF_WIDE * (WIDTH - 2 * SIDE) / theme.width
    if len(bundle.models) < 2 or text < theme.legible:
        return theme
    return theme.model_copy(update={"width": theme.width / 2, "text": theme.text * HALF_WIDE})


def find_subjects(section: Section, figure: Figure) -> list[str]:
    """The subjects whose numbers a figure shows."""
    models = figure.subject
    return [pair] if (pair := subject_of(models)) in section.outcomes else [m for m in models if m in section.outcomes]


def tell_subject_matter(section: Section, figures: Sequence[Figure]) -> str:
    """What the figures' titles say except the names of their models; empty where that is nothing, or not the same."""
    found = set()
    for figure in figures:
        title = figure.title
        for subject in find_subjects(section, figure):
            # A language puts the name first or last; a part of a figure has its number after that.
            name = re.escape(section.name(subject))
            title = re.sub(rf"^{name}[{_BETWEEN}]*|[{_BETWEEN}]*{name}(?=\s*[(（][^()（）]*[)）]$|$)", "", title)
        found.add(title.strip())
    return _find_common_head(sorted(found))


def _find_common_head(titles: Sequence[str]) -> str:
    """What titles have in common up to a colon; empty where that is nothing."""
    first, last = titles[0], titles[-1]  # of sorted ones, between which all others lie
    if first == last:
        return first
    same = "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))
    found = re.match(r"(.+)[:：]", same)
    return found[1] if found else ""


def find_numbers(told: str) -> set[str]:
    """The whole numbers that a sentence of ours names, those of layers among them."""
    return set(_COUNT.findall(QUOTED.sub("", told)))


def _find_named(section: Section, figure: Figure, told: StatementsAlone) -> set[str]:
    """The numbers that the text of a figure names, where the figure may leave out rows."""
    if not isinstance(figure, TokenGrid) or not figure.sampleable:
        return set()
    ok = section.ok()
    named = (told.find(section.id, one) for one in find_subjects(section, figure) if one in ok)
    return {number for statement in named for number in find_numbers(statement)}


def join_single_curves(section: Section, figures: Sequence[Figure], *, wide: bool = False) -> Iterator[Figure]:
    """The figures in their order; those of one name that hold a curve of one model each, on one axis, as one, which is
    twice as wide if others are drawn to stand side by side.

    Where the models differ in depth, their layers are shares of it.
    """
    named: dict[str, list[Figure]] = {}
    for figure in figures:
        named.setdefault(figure.name, []).append(figure)
    joined = {name: _join(section, alike) for name, alike in named.items()}
    for figure in figures:
        together = joined[figure.name]
        if together is None:
            yield figure
        elif figure is named[figure.name][0]:
            yield replace(together, wide=wide)


def _join(section: Section, alike: Sequence[Figure]) -> Curves | None:
    """None where they cannot be read as one."""
    single = [
        figure for figure in alike if isinstance(figure, Curves) and len(figure.subject) == len(figure.curves) == 1
    ]
    if len(single) < 2 or len(single) < len(alike):
        return None
    first = single[0]
    axes = {(one.x_label, one.y_label, one.y_range, tuple(one.references.items())) for one in single}
    title = tell_subject_matter(section, single)
    if len(axes) > 1 or not title or len({one.subject for one in single}) < len(single):
        return None
    labels = {one.curves[0].label for one in single} - {section.name(one.subject[0]) for one in single}
    if len(labels) == 1:  # what all curves are about is said once
        title = say("figures.part_named", "{title}: {what}", title=title, what=labels.pop())
    ends = {max(one.curves[0].x, default=0) for one in single}
    by_depth = len(ends) > 1 and first.x_label == axis_label(relative=False)
    return replace(
        first,
        subject=tuple(one.subject[0] for one in single),
        title=title,
        alt=" ".join(one.alt for one in single),
        curves=[_name_curve(section, one, by_depth=by_depth, alone=not labels) for one in single],
        x_label=axis_label(relative=True) if by_depth else first.x_label,
        x_range=(0.0, 1.0) if by_depth else first.x_range,
    )


def _name_curve(section: Section, figure: Curves, *, by_depth: bool, alone: bool) -> Curve:
    """A model's only curve in its model's colour and by its name, alone or with what it is about."""
    (curve,), (model,) = figure.curves, figure.subject
    name = section.name(model)
    own = alone or curve.label == name
    label = name if own else say("deck.curve", "{model}: {what}", model=name, what=curve.label)
    deepest = max(curve.x, default=0) or 1
    x = [layer / deepest for layer in curve.x] if by_depth else curve.x
    return replace(curve, x=x, label=label, model=model, group=None)
