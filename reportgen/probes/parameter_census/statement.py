"""The rule of its sentence."""

from __future__ import annotations

from collections.abc import Iterable

from reportgen.language import say, sentences
from reportgen.numerals import write_count, write_share
from reportgen.probes.parameter_census.attention_words import tell_attention
from reportgen.probes.parameter_census.view import sum_by_component
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section

MOST = 0.5
"""Share of all parameters from which a part is said to hold most of them."""
APART = 0.2
"""Difference between two models' shares from which it is worth saying."""


def statement(section: Section) -> str:
    """The part that holds at least half of a model's parameters, and where the vocabulary's share differs."""
    views = SubjectView.each(section)
    return sentences([*map(tell, views), _tell_difference(views)])


def _part_of(component: str) -> str:
    """The large part of a model that a component belongs to."""
    if component in ("embedding", "position embedding", "head"):
        return "vocabulary"
    if component.startswith(("MLP", "expert", "router")):
        return "mlp"
    return "attention" if component.startswith("attention") else component


def _shares(view: SubjectView) -> dict[str, float]:
    """Part -> its share of all parameters; empty of a model without any."""
    sizes: dict[str, int] = {"vocabulary": 0}
    for component, size in sum_by_component(view.rows("tensors")).items():
        sizes[_part_of(component)] = sizes.get(_part_of(component), 0) + size
    total = sum(sizes.values())
    return {part: size / total for part, size in sizes.items()} if total else {}


def tell(view: SubjectView) -> str:
    """The part with at least half of the parameters, and the shape of attention."""
    return sentences([_tell_largest(view), tell_attention(view)])


def _tell_largest(view: SubjectView) -> str:
    """The part with at least half of the parameters."""
    shares = _shares(view)
    part, share = max(shares.items(), key=lambda one: one[1], default=("", 0.0))
    values = {
        "model": view.name,
        "total": write_count(int(view.metric("total_parameters") or 0)),
        "share": write_share(share),
    }
    if share >= MOST and part == "vocabulary":
        return say(
            "parameter_census.most_in_vocabulary",
            "{model} keeps {share} of its {total} parameters in its vocabulary.",
            **values,
        )
    if share >= MOST and part == "mlp":
        return say(
            "parameter_census.most_in_mlp", "{model} keeps {share} of its {total} parameters in its MLPs.", **values
        )
    if share >= MOST and part == "attention":
        return say(
            "parameter_census.most_in_attention",
            "{model} keeps {share} of its {total} parameters in attention.",
            **values,
        )
    return say(
        "parameter_census.no_clear_statement",
        "No clear statement about {model}: no part holds half of its {total} parameters.",
        **values,
    )


def _tell_difference(views: Iterable[SubjectView]) -> str:
    """The two models whose vocabularies take the most different shares; nothing where these are near."""
    shares = sorted((shares["vocabulary"], view.name) for view in views if (shares := _shares(view)))
    if not shares or shares[-1][0] - shares[0][0] < APART:
        return ""
    (small, low), (large, high) = shares[0], shares[-1]
    return say(
        "parameter_census.vocabulary_differs",
        "The vocabulary takes {large} of {high}, but {small} of {low}.",
        high=high,
        low=low,
        large=write_share(large),
        small=write_share(small),
    )


def tell_briefly(view: SubjectView) -> str:
    """How many parameters there are, and the shares of them that the vocabulary and the MLPs take."""
    shares = _shares(view)
    return say(
        "parameter_census.brief",
        "{total} parameters: {vocabulary} vocabulary, {mlp} MLPs",
        total=write_count(int(view.metric("total_parameters") or 0)),
        vocabulary=write_share(shares.get("vocabulary", 0.0)),
        mlp=write_share(shares.get("mlp", 0.0)),
    )
