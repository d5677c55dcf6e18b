"""What a deck of slides says, told once for `slides.pdf` and `slides.pptx`: one figure a slide."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from reportgen.errors import Mistake, OutputError
from reportgen.figures.describe import Figure, Maps, Rankings
from reportgen.language import list_items, say, say_count
from reportgen.look.slide_choice import DEFAULT, SlideChoice, kind_of, list_names
from reportgen.look.theme import Theme
from reportgen.numerals import write_count
from reportgen.report.content import opening, sections
from reportgen.report.content.bundle_figures import DrawnFigure
from reportgen.report.content.drawn import PageFigure
from reportgen.report.content.many_models import MANY, choose_shown
from reportgen.report.content.prompts import make_prompt_sheet
from reportgen.report.slides.figures import StatementsAlone, find_subjects, tell_subject_matter
from reportgen.report.slides.layout import Letters, choose_letters, stay_legible
from reportgen.report.slides.slide import Deck, Picture, Slide
from reportgen.report.slides.words import join_short, name_prompt, note_prompts, stay_short, tell_expected, tell_seen
from reportgen.results.section import Section
from reportgen.spelling import capitalize_first
from reportgen.suggest import suggestion

if TYPE_CHECKING:
    from reportgen.figures.draw import SvgText
    from reportgen.results.bundle import Bundle

QUOTED_PROMPTS = 20
"""Prompts that speaker notes quote."""


def build_deck(
    bundle: "Bundle",
    figures: Sequence[DrawnFigure],
    statements: Mapping[str, str],
    *,
    theme: Theme,
    measured: "SvgText",
    choice: SlideChoice = DEFAULT,
    alone: StatementsAlone | None = None,
) -> Deck:
    """What the slides of a bundle say, in the language that is spoken.

    `figures` are the drawings of what `on_slides` describes, in `theme`; `statements`: what each probe found;
    `measured` is the kind of SVG whose size is read: one that is drawn anyway; `choice` says which slides are the talk;
    `alone` are the statements of each subject, where others ask for them too.

    Raises:
        OutputError: the choice names a figure that a probe does not have.
    """
    told = alone or StatementsAlone(bundle, statements)
    talk: list[tuple[str, Slide]] = []
    appendix: list[tuple[str, Slide]] = []
    for probe in choice.order_probes(list(bundle.outcomes)):
        section = bundle.section(probe)
        of_probe = [figure for figure in figures if figure.probe_id == probe]
        pictures = [_picture(section, figure, measured, theme.text) for figure in of_probe]
        _check_choice(choice, probe, of_probe)
        kinds = list(dict.fromkeys(kind_of(figure.description.name) for figure in of_probe))
        for slide in _slides(section, statements.get(probe, ""), told, pictures, choose_letters(theme)):
            named = [picture.figure.description.name for picture in slide.pictures]
            main = not named or choice.is_main(probe, named[0], kinds)
            (talk if main else appendix).append((probe, slide))
    slides = _tell_apart([*talk, *appendix])
    if appendix:
        slides.insert(len(talk), _introduce_appendix(len(appendix)))
    lines = [opening.tell_part(bundle), *_list_models(bundle)]
    return Deck(bundle.title, [line for line in lines if line], slides, theme)


def _check_choice(choice: SlideChoice, probe: str, figures: Sequence[DrawnFigure]) -> None:
    """A probe that failed or was skipped has no figures, which is no mistake of who chose them."""
    known = {name for figure in figures for name in list_names(figure.description.name)}
    for place in choice.places:
        of, _, name = place.partition("/")
        if of == probe and name and known and name not in known:
            told = f"slides: the probe {probe} has no figure {name!r}"
            raise OutputError(Mistake(told, suggestion(name, sorted(known))))


def _tell_apart(found: Sequence[tuple[str, Slide]]) -> list[Slide]:
    """The slides of (probe, slide), no two of one title: alike ones of several probes have the probe's id behind it, of
    one probe a number.
    """
    probes: dict[str, set[str]] = {}
    for probe, slide in found:
        probes.setdefault(slide.title, set()).add(probe)
    named = [
        replace(one, title=say("deck.title_of_probe", "{title}: {probe}", title=one.title, probe=probe))
        if len(probes[one.title]) > 1
        else one
        for probe, one in found
    ]
    counts = Counter(slide.title for slide in named)
    numbers: Counter[str] = Counter()
    slides = []
    for slide in named:
        numbers[slide.title] += 1
        part = {"title": slide.title, "part": numbers[slide.title], "parts": counts[slide.title]}
        alike = counts[slide.title] > 1
        slides.append(
            replace(slide, title=say("figures.part", "{title} ({part} of {parts})", **part)) if alike else slide
        )
    return slides


def _introduce_appendix(count: int) -> Slide:
    held = say_count(
        "deck.appendix_holds", "{count} more slide, for questions.", "{count} more slides, for questions.", count
    )
    return Slide(say("deck.appendix", "Appendix"), held)


def _list_models(bundle: "Bundle") -> list[str]:
    """A line a model; of more than the title slide has room for, how many there are and which ones figures show."""
    if len(bundle.models) <= MANY:
        return [_model(line) for line in opening.make_model_lines(bundle)]
    count = say_count("opening.models", "{count} model", "{count} models", len(bundle.models))
    shown = list_items([bundle.models[id].name for id in choose_shown(list(bundle.models))])
    return [count, say("deck.some_shown", "Figures of a single model show {models}.", models=shown)]


def _model(line: opening.ModelLine) -> str:
    return " · ".join([line.name, *line.facts] if not line.failure else [line.name, line.failure])


def _picture(section: Section, figure: DrawnFigure, measured: "SvgText", text: float) -> Picture:
    size = PageFigure(figure.description, figure.stem, figure.drawing.svg(measured)).size
    return Picture(figure, _names(section, figure), size, text)


def _slides(
    section: Section, statement: str, told: StatementsAlone, pictures: Sequence[Picture], letters: Letters
) -> Iterator[Slide]:
    quoted = make_prompt_sheet(section.ok(), QUOTED_PROMPTS)
    view = replace(sections.build_view(section, statement, (), 0), prompts=quoted)
    absences = [
        say("deck.absent", "{name}: {reason}", name=absence.name, reason=absence.reason)
        for row in view.rows
        for absence in row.absences
    ]
    if view.failed:
        sentence = say("deck.failed", "It failed: {reason}", reason="; ".join(absences))
        yield Slide(view.title, sentence, remark=join_short([view.note]), notes=_notes(view, absences))
    for at, together in enumerate(_group_pictures(pictures, letters)):
        figures = [picture.figure for picture in together]
        described = [figure.description for figure in figures]
        what = tell_subject_matter(section, described)
        # Several pictures have the names of their models above them; one picture of several models, within it.
        of = section.name(one[0]) if len(figures) == 1 and len(one := _subjects(section, figures[0])) == 1 else ""
        # A part of a figure that is called like its model is "(1 of 2)" of what the section asks.
        asked = f"{view.title} {what}".strip() if not what or what.startswith(("(", "（")) else what
        yield Slide(
            title=say("deck.title", "{model}: {what}", model=of, what=asked) if of else _begin(asked, described[0]),
            kicker="" if asked.startswith(view.title) else view.title,
            sentence=tell_seen(
                section, view, partial(told.tell_shown, section.id, described[0]), described, letters.glance
            ),
            remark=_remark(section, view, described, letters, first=at == 0),
            pictures=together,
            definition=_definition(view, figures[0]),
            notes=_notes(view, [*absences, *(picture.alt for picture in together)]),
        )


def _begin(title: str, figure: Figure) -> str:
    """A title with a capital, unless it begins with a word of a list's name, which is a stranger's."""
    names = [one.title.strip() for one in figure.rankings] if isinstance(figure, Rankings) else []
    return title if names and title.startswith(names[0]) else capitalize_first(title)


def _group_pictures(pictures: Sequence[Picture], letters: Letters) -> Iterator[list[Picture]]:
    """Figures of one name side by side where all of them stay legible, else a slide each."""
    named: dict[str, list[Picture]] = {}
    for picture in pictures:
        named.setdefault(picture.figure.description.name, []).append(picture)
    for same in named.values():
        crowded = any(_names_points(picture.figure.description) for picture in same)
        if not crowded and stay_legible([picture.size for picture in same], same[0].text, letters):
            yield same
        else:
            yield from ([one] for one in same)


def _names_points(figure: Figure) -> bool:
    """Whether names stand next to points: half a slide is too narrow for these."""
    return isinstance(figure, Maps) and any(figure.labels)


def _subjects(section: Section, figure: DrawnFigure) -> list[str]:
    return find_subjects(section, figure.description)


def _names(section: Section, figure: DrawnFigure) -> str:
    return ", ".join(section.name(subject) for subject in _subjects(section, figure))


def _definition(view: sections.SectionView, figure: DrawnFigure) -> str:
    """Of the quantity that the figure is named after, else how the section is computed: of a metric and an array of
    one name the array, which is what is drawn.
    """
    quantity = kind_of(figure.description.name).replace("-", "_")
    for definition in reversed(view.definitions):
        if definition.name == quantity and definition.text:
            return capitalize_first(without_marks(without_dims(definition.text)))
    return without_marks(view.explanation.computed)


def without_dims(text: str) -> str:
    """A definition as a listener needs it: what comes first, the dims of an array, is for readers of the data."""
    return re.sub(r"^[(（][^()（）]*[)）]\s*", "", text)


def without_marks(text: str) -> str:
    """A probe's text as a slide writes it, which has one typeface: the page makes code of what is between backticks."""
    return text.replace("`", "")


def _remark(
    section: Section, view: sections.SectionView, figures: Sequence[Figure], letters: Letters, *, first: bool
) -> str:
    """What its author says; on a section's first slide, where that is nothing, what is expected, under what is seen."""
    own = join_short([view.note if first else "", *note_prompts(section, view, figures)])
    return own or (tell_expected(view) if first and letters.small_print else "")


def _notes(view: sections.SectionView, more: Sequence[str]) -> list[str]:
    told = []
    for one in view.prompt_sets:
        title, expected = one.get("title", ""), one.get("what_to_see", "")
        if title and expected:
            told.append(say("deck.expected_of", "{set}. Expected: {text}", set=title, text=expected))
        else:
            told.append(title or expected)
    told = [one for one in told if one]
    defined = [
        say(
            "deck.definition",
            "{name} ({unit}): {text}",
            name=one.name,
            unit=one.unit or one.kind,
            text=without_marks(without_dims(one.text)),
        )
        for one in view.definitions
        if one.text
    ]
    said = [without_marks(text) for text in (view.explanation.shows, view.explanation.read, view.explanation.computed)]
    own = [view.note, *(name_prompt(called, note) for called, note in view.prompt_notes.items())]
    return [part for part in (*own, view.statement, *told, *_quote_prompts(view), *said, *more, *defined) if part]


def _quote_prompts(view: sections.SectionView) -> list[str]:
    """The texts behind the numbers by which figures call prompts, which stand on no slide."""
    if view.prompts is None:
        return []
    lines, total = view.prompts.lines, view.prompts.total
    quoted = [f"{line.index}: {stay_short(line.text)}" for line in lines]
    if total == len(lines):
        return quoted
    rest = say_count(
        "section.first_prompts",
        "The first prompt of {total}; all of them are in {file}.",
        "The first {count} of {total} prompts; all of them are in {file}.",
        len(lines),
        total=write_count(total),
        file="results.json",
    )
    return [*quoted, rest]
