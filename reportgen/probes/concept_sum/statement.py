"""The rule of its sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reportgen.language import list_items, say, sentences
from reportgen.numerals import write_count, write_number
from reportgen.probes.concept_sum.view import MEASURES, rows_by_item
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section
from reportgen.text.characters import mark_space

TOLD = 3
"""Tokens that a statement names."""
CLEAR = 3.0
"""Standard deviations of all rows' cosines above their mean from which the nearest row counts as near."""


def statement(section: Section) -> str:
    """Of the concept that most models have: what is nearest, by either measure, and whether it has a token."""
    found = [(view, view.column("concepts", "name")) for view in SubjectView.each(section)]
    names = list(dict.fromkeys(name for _, of_model in found for name in of_model))
    if not names:
        return ""
    name = max(names, key=lambda one: sum(one in of_model for _, of_model in found))
    return sentences(_tell_concept(view, of_model.index(name)) for view, of_model in found if name in of_model)


def _tell_concept(view: SubjectView, item: int) -> str:
    """What is nearest to one concept in one model."""
    concept = view.rows("concepts")[item]
    by_cosine, by_dot = (rows_by_item(view, measure)[item] for measure in MEASURES)
    missing = next((one for one in view.rows("missing") if one["item"] == item), None)
    above = (by_cosine[0]["score"] - concept["usual"]) / (concept["spread"] or 1.0)
    values = {
        "model": view.name,
        "concept": concept["name"],
        "tokens": _quote_tokens(by_cosine),
        "cosine": write_number(by_cosine[0]["score"], 2),
        "usual": write_number(concept["usual"], 2),
        "dot": _quote_tokens(by_dot),
    }
    if above < CLEAR:
        told = say(
            "concept_sum.no_clear_statement",
            "No clear statement about {model}: nothing is much nearer to {concept} (cosine {cosine} at most) than "
            "tokens are on average ({usual}).",
            **values,
        )
    elif [r["token_id"] for r in by_cosine[:TOLD]] == [r["token_id"] for r in by_dot[:TOLD]]:
        told = say(
            "concept_sum.same",
            "In {model}, {tokens} are nearest to {concept}, both by cosine ({cosine}; tokens on average: {usual}) "
            "and by dot product.",
            **values,
        )
    else:
        told = say(
            "concept_sum.other",
            "In {model}, {tokens} are nearest to {concept} by cosine ({cosine}; tokens on average: {usual}), {dot} "
            "by dot product.",
            **values,
        )
    return sentences([told, "" if missing is None else _tell_missing(missing)])


def _tell_missing(missing: Mapping[str, Any]) -> str:
    """Whether there is a token for what is meant, and where it stands."""
    if missing["rank_cosine"] is None:
        if missing["token_count"] == 1:
            return say(
                "concept_sum.part", "“{word}” is left out because it is one of the parts.", word=missing["stands_for"]
            )
        return say(
            "concept_sum.not_one_token",
            "There is no single token for “{word}”; it has {tokens}.",
            word=missing["stands_for"],
            tokens=missing["token_count"],
        )
    return say(
        "concept_sum.token",
        "The token “{word}” is at rank {cosine} by cosine and {dot} by dot product.",
        word=missing["stands_for"],
        cosine=write_count(missing["rank_cosine"]),
        dot=write_count(missing["rank_dot"]),
    )


def _quote_tokens(records: Sequence[Mapping[str, Any]]) -> str:
    return list_items([say("text.quoted", "“{text}”", text=mark_space(str(r["token"]))) for r in records[:TOLD]])
