"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable

from reportgen.figures.describe import Figure, Ranking, Rankings
from reportgen.language import list_items, say, sentences
from reportgen.probes.concept_sum.view import MEASURES, rows_by_item
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section
from reportgen.text.characters import mark_space


def figures(section: Section) -> Iterable[Figure]:
    """One figure a model and measure, a panel a concept."""
    for measure in MEASURES:
        for view in SubjectView.each(section):
            if view.rows("concepts"):
                yield _draw_rankings(view, measure)


def _name_measure(measure: str) -> str:
    if measure == "cosine":
        return say("concept_sum.cosine", "cosine similarity")
    return say("concept_sum.dot", "dot product")


def _draw_rankings(view: SubjectView, measure: str) -> Rankings:
    records = rows_by_item(view, measure)
    rankings = [
        Ranking(
            title=concept["name"],
            labels=[mark_space(str(record["token"])) for record in records[concept["item"]]],
            values=[max(float(record["score"]), 0.0) for record in records[concept["item"]]],
        )
        for concept in view.rows("concepts")
    ]
    top = max((value for ranking in rankings for value in ranking.values), default=1.0)
    told = [
        say("concept_sum.alt", "Nearest to {concept}: {tokens}.", concept=one.title, tokens=list_items(one.labels))
        for one in rankings
    ]
    return Rankings(
        name=measure,
        subject=(view.subject,),
        title=say("figure.of_model", "{model}: {what}", model=view.name, what=_name_measure(measure)),
        alt=sentences(told),
        rankings=rankings,
        value_label=_name_measure(measure),
        value_range=(0.0, 1.0 if measure == "cosine" else top or 1.0),
        model=view.subject,
    )
