"""The opening of a report: what was compared, a line a model, and where the numbers come from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reportgen.probes.base import ModelCard
from reportgen.report.numerals import brief, written

if TYPE_CHECKING:
    from reportgen.store import Bundle

GLYPH_WIDTH = 64.0
GLYPH_HEIGHT = 48.0


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


def model_lines(bundle: "Bundle") -> list[ModelLine]:
    """Every model of a bundle, in the battery's order; the glyphs share one scale."""
    widest = max((_size(card, "hidden_size") for card in bundle.models.values()), default=0)
    deepest = max((card.layers for card in bundle.models.values()), default=0)
    return [
        ModelLine(
            card.id,
            card.id if (failure := str(card.facts.get("failed", ""))) else card.name,
            list(_facts(card, _parameters(bundle, card.id))),
            _source(card),
            _glyph(card, widest, deepest),
            failure,
        )
        for card in bundle.models.values()
    ]


def provenance(bundle: "Bundle") -> list[str]:
    """Library versions, seeds and what ran the passes, a phrase each; never a clock."""
    versions = bundle.run.get("versions", {})
    outcomes = [outcome for of_probe in bundle.outcomes.values() for outcome in of_probe.values()]
    seeds = sorted({outcome.options["seed"] for outcome in outcomes if "seed" in outcome.options})
    phrases = [f"{name} {version}" for name, version in versions.items()]
    for fact in ("device", "dtype", "attention"):
        values = dict.fromkeys(str(card.facts[fact]) for card in bundle.models.values() if card.facts.get(fact))
        if values:
            phrases.append(f"{fact} {', '.join(values)}")
    if seeds:
        phrases.append(f"seed {', '.join(map(str, seeds))}")
    return phrases


def _facts(card: ModelCard, parameters: int | None) -> Iterator[str]:
    if card.architecture:
        yield card.architecture
    if parameters is not None:
        exact = written(parameters)
        yield f"{brief(parameters)} parameters ({exact})" if brief(parameters) else f"{exact} parameters"
    shape = [f"{card.layers} layers"] if card.layers else []
    if width := _size(card, "hidden_size"):
        shape.append(f"{written(width)} wide")
    if heads := _size(card, "heads"):
        shape.append(f"{heads} heads")
    if shape:
        yield " × ".join(shape)
    if vocabulary := _size(card, "vocabulary"):
        yield f"vocabulary {written(vocabulary)}"
    if context := _size(card, "context_length"):
        yield f"context {written(context)}"
    if dtype := card.facts.get("dtype"):
        yield str(dtype)


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
