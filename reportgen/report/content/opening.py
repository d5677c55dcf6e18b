"""The opening of a report: what was compared, and which numbers tell the models apart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reportgen.language import say, say_count
from reportgen.numerals import UNDEFINED, write_count
from reportgen.report.content.numerals import abbreviate_count, write_table_number
from reportgen.report.content.sections import SectionView
from reportgen.report.content.sheets import Entry, MetricRow
from reportgen.results.part import read_part
from reportgen.results.section import ModelCard

if TYPE_CHECKING:
    from reportgen.results.bundle import Bundle

GLYPH_WIDTH = 64.0
GLYPH_HEIGHT = 48.0
HEADLINES = ("total_parameters",)
"""Metrics that the table of telling numbers begins with, whatever their values."""
MOST_NUMBERS = 8
MOST_OF_A_SECTION = 2
LEAST_SPREAD = 0.02
"""Numbers that are closer than this tell no models apart."""


@dataclass(frozen=True)
class Glyph:
    """An architecture drawn to scale: layers high, hidden size wide, a stroke a head."""

    width: float
    height: float
    strokes: Sequence[float]
    """x of the lines between heads."""


@dataclass(frozen=True)
class ModelLine:
    """One model of a report."""

    id: str
    name: str
    facts: Sequence[str]
    source: str
    glyph: Glyph | None
    failure: str
    """Why it could not be used; empty where it was."""


@dataclass(frozen=True)
class TellingNumber:
    """A metric in which the models differ."""

    section: str
    title: str
    line: MetricRow
    entries: Mapping[str, Entry]
    """Model -> its value."""
    of_all: MetricRow
    """The same as a row of all models of the report."""


def make_model_lines(bundle: "Bundle") -> list[ModelLine]:
    """Every model of a bundle, in the battery's order; the glyphs share one scale."""
    widest = max((_size(card, "hidden_size") for card in bundle.models.values()), default=0)
    deepest = max((card.layers for card in bundle.models.values()), default=0)
    return [
        ModelLine(
            card.id,
            card.name,
            list(_facts(card, _parameters(bundle, card.id))),
            _source(card),
            _glyph(card, widest, deepest),
            str(card.facts.get("failed", "")),
        )
        for card in bundle.models.values()
    ]


def select_telling_numbers(bundle: "Bundle", sections: Sequence[SectionView]) -> list[TellingNumber]:
    """The numbers that tell the models apart: headlines, then what differs most, in the report's order.

    A number counts where every model measured has one and they are further apart than `LEAST_SPREAD` of the largest; of
    each section the `MOST_OF_A_SECTION` that are furthest apart, of all these the `MOST_NUMBERS` furthest. What the
    lines of the models say (layers, heads, vocabulary, …) is not said again; what is of other prompts in one model than
    in another tells nothing apart.
    """
    found: list[TellingNumber] = []
    for section in sections:
        lines = [line for line in _list_apart(bundle, section) if line.name not in section.unequal]
        numbers = [_make_telling_number(section, line, list(section.subjects), bundle) for line in lines]
        found += _select_furthest(numbers, MOST_OF_A_SECTION)
    return _select_furthest(found, MOST_NUMBERS)


def list_unequal_numbers(bundle: "Bundle", sections: Sequence[SectionView]) -> list[str]:
    """The numbers that differ, but are of other prompts in one model than in another, each with its section."""
    return [
        say("opening.number_of", "{number} ({section})", number=line.label, section=section.id)
        for section in sections
        for line in _list_apart(bundle, section)
        if line.name in section.unequal
    ]


def _list_apart(bundle: "Bundle", section: SectionView) -> list[MetricRow]:
    """The numbers in which the models of a section differ, which the lines of the models do not say."""
    said = {"layers", *(fact for card in bundle.models.values() for fact in card.facts)}
    if len(section.subjects) < 2 or not section.subjects.keys() <= bundle.models.keys():
        return []
    return [line for line in section.metrics if line.spread > LEAST_SPREAD and line.name not in said]


def _make_telling_number(
    section: SectionView, line: MetricRow, models: Sequence[str], bundle: "Bundle"
) -> TellingNumber:
    missing = dict.fromkeys(bundle.models, Entry(UNDEFINED, "number"))
    entries = missing | dict(zip(models, line.entries, strict=True))
    values = dict.fromkeys(bundle.models) | dict(zip(models, line.values, strict=True))
    of_all = replace(line, entries=list(entries.values()), values=list(values.values()))
    return TellingNumber(section.id, section.title, line, entries, of_all)


def _select_furthest(numbers: Sequence[TellingNumber], most: int) -> list[TellingNumber]:
    """Those that are furthest apart, headlines before all, in the order in which they came."""
    ranked = sorted(numbers, key=lambda one: (one.line.name not in HEADLINES, -one.line.spread))[:most]
    return [one for one in numbers if one in ranked]


def tell_part(bundle: "Bundle") -> str:
    """That a bundle holds a part of its battery only; empty where it is whole."""
    part = read_part(bundle.run)
    if part is None:
        return ""
    return say(
        "opening.part",
        "Part {this} of {of} of this report: what is measured in other parts is skipped here.",
        this=write_count(part.this),
        of=write_count(part.of),
    )


def list_provenance(bundle: "Bundle") -> list[str]:
    """Library versions, seeds and what ran the passes, a phrase each; never a clock."""
    versions = bundle.run.get("versions", {})
    outcomes = [outcome for of_probe in bundle.outcomes.values() for outcome in of_probe.values()]
    seeds = sorted({outcome.options["seed"] for outcome in outcomes if "seed" in outcome.options})
    phrases = [f"{name} {version}" for name, version in versions.items()]
    for fact in ("device", "dtype", "attention"):
        values = dict.fromkeys(str(card.facts[fact]) for card in bundle.models.values() if card.facts.get(fact))
        if values:
            phrases.append(f"{_fact(fact)} {', '.join(values)}")
    if seeds:
        phrases.append(f"{_fact('seed')} {', '.join(map(str, seeds))}")
    return phrases


def _fact(name: str) -> str:
    """What a fact of a run is called."""
    return {
        "device": say("opening.device", "device"),
        "dtype": say("opening.dtype", "dtype"),
        "attention": say("opening.attention", "attention"),
        "seed": say("opening.seed", "seed"),
    }[name]


def _facts(card: ModelCard, parameters: int | None) -> Iterator[str]:
    if card.own_name:
        yield card.own_name
    if card.architecture:
        yield card.architecture
    if parameters is not None:
        yield _write_parameters(parameters)
    shape = [say_count("opening.layers", "{count} layer", "{count} layers", card.layers)] if card.layers else []
    if width := _size(card, "hidden_size"):
        shape.append(say("opening.width", "{width} wide", width=write_table_number(width)))
    if heads := _size(card, "heads"):
        shape.append(say_count("opening.heads", "{count} head", "{count} heads", heads))
    if shape:
        yield " × ".join(shape)
    if vocabulary := _size(card, "vocabulary"):
        yield say("opening.vocabulary", "vocabulary {tokens}", tokens=write_table_number(vocabulary))
    if context := _size(card, "context_length"):
        yield say("opening.context", "context {tokens}", tokens=write_table_number(context))
    if dtype := card.facts.get("dtype"):
        yield str(dtype)
    if card.facts.get("continued"):  # which says why, in results.json
        yield say("opening.continued", "continues without its cache")


def _write_parameters(parameters: int) -> str:
    if not abbreviate_count(parameters):
        return say_count("opening.parameters", "{count} parameter", "{count} parameters", parameters)
    return say(
        "opening.many_parameters",
        "{brief} parameters ({exact})",
        brief=abbreviate_count(parameters),
        exact=write_table_number(parameters),
    )


def _source(card: ModelCard) -> str:
    revision = card.facts.get("revision")
    return f"{card.facts.get('source', '')}{f' @ {revision}' if revision else ''}"


def _parameters(bundle: "Bundle", model: str) -> int | None:
    for outcomes in bundle.outcomes.values():
        metric = outcomes[model].metrics.get("total_parameters") if model in outcomes else None
        if metric is not None and isinstance(metric.value, int):
            return metric.value
    return None


def _glyph(card: ModelCard, widest: int, deepest: int) -> Glyph | None:
    size, heads = _size(card, "hidden_size"), _size(card, "heads")
    if not size or not card.layers:
        return None
    width = round(GLYPH_WIDTH * size / widest, 1)
    height = round(GLYPH_HEIGHT * card.layers / deepest, 1)
    return Glyph(width, height, [round(width * i / heads, 1) for i in range(1, heads)] if heads <= 16 else [])


def _size(card: ModelCard, fact: str) -> int:
    value: Any = card.facts.get(fact)
    return value if isinstance(value, int) else 0
