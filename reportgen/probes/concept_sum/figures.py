"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable

from reportgen.figures.describe import Figure, Ranking, Rankings
from reportgen.language import listed, say, sentences
from reportgen.probes.concept_sum.view import MEASURES, rows_by_item
from reportgen.results.quantities import Outcome
from reportgen.results.section import Section
from reportgen.text.characters import mark_space


def figures(section: Section) -> Iterable[Figure]:
    """One figure a model and measure, a panel a concept."""
    for measure in MEASURES:
        for subject, outcome in section.ok().items():
            if outcome.tables["concepts"].rows:
                yield _drawn(section.name(subject), subject, outcome, measure)


def _measured(measure: str) -> str:
    if measure == "cosine":
        return say("concept_sum.cosine", "cosine similarity")
    return say("concept_sum.dot", "dot product")


def _drawn(name: str, subject: str, outcome: Outcome, measure: str) -> Rankings:
    records = rows_by_item(outcome, measure)
    rankings = [
        Ranking(
            title=concept["name"],
            labels=[mark_space(str(record["token"])) for record in records[concept["item"]]],
            values=[max(float(record["score"]), 0.0) for record in records[concept["item"]]],
        )
        for concept in outcome.tables["concepts"].records()
    ]
    top = max((value for ranking in rankings for value in ranking.values), default=1.0)
    told = [
        say("concept_sum.alt", "Nearest to {concept}: {tokens}.", concept=one.title, tokens=listed(one.labels))
        for one in rankings
    ]
    return Rankings(
        name=measure,
        subject=(subject,),
        title=say("figure.of_model", "{model}: {what}", model=name, what=_measured(measure)),
        alt=sentences(told),
        rankings=rankings,
        value_label=_measured(measure),
        value_range=(0.0, 1.0 if measure == "cosine" else top or 1.0),
        model=subject,
    )
