"""The rule of its sentence."""

from __future__ import annotations

from typing import Any

from reportgen.figures.describe import Figure
from reportgen.language import list_items, say, sentences
from reportgen.numerals import write_count, write_number, write_share
from reportgen.probes.neurons.view import different_tokens, examples_of, function_of, unit_label
from reportgen.probing.view import SubjectView
from reportgen.text.characters import mark_space

FEW = 3.0
"""Kinds of token up to which a unit is said to answer to few."""
TOLD = 4
"""Tokens of a unit that are named."""
MOST_UNITS = 4
"""Units that are told of."""


def tell(view: SubjectView) -> str:
    """What sets each unit off, and how many kinds that is; how many neurons are off."""
    units = _first_of_each(view)
    return sentences([*(_tell_unit(view, unit) for unit in units), _tell_off(view)])


def tell_figure(view: SubjectView, figure: Figure) -> str:
    """How many neurons are off, below the curves of that."""
    return _tell_off(view) if figure.name == "off" else ""


def _first_of_each(view: SubjectView) -> list[dict[str, Any]]:
    """The first of each kind, then the others, as many as are told of, in the order of the table."""
    units = view.rows("units")
    first = {unit["kind"]: unit["item"] for unit in reversed(units)}
    items = sorted(
        [*first.values(), *(unit["item"] for unit in units if unit["item"] not in first.values())][:MOST_UNITS]
    )
    return [units[item] for item in items]


def _tell_unit(view: SubjectView, unit: dict[str, Any]) -> str:
    examples = examples_of(view, unit["item"])
    quoted = [say("text.quoted", "“{text}”", text=mark_space(token)) for token in different_tokens(examples, TOLD)]
    values = {
        "model": view.name,
        "unit": unit_label(unit),
        "tokens": list_items(quoted),
        "kinds": write_number(unit["kinds"], 2),
        "count": write_count(len(examples)),
        "share": write_share(unit["share"]),
    }
    if unit["kinds"] is None:
        return say("neurons.never", "In {model}, {unit} is off on every token of these texts.", **values)
    if unit["kinds"] <= FEW:
        return say(
            "neurons.few",
            "In {model}, {unit} answers to few tokens: its {count} strongest are of {kinds} kinds ({tokens}); it is "
            "active on {share} of all.",
            **values,
        )
    return say(
        "neurons.many",
        "In {model}, {unit} answers to many tokens: its {count} strongest are of {kinds} kinds ({tokens}, …); it is "
        "active on {share} of all.",
        **values,
    )


def _tell_off(view: SubjectView) -> str:
    """Shares of closed and silent neurons; empty where there are none."""
    closed, silent = view.metric("closed"), view.metric("silent")
    if closed is None:
        return ""
    return say(
        "neurons.off.told",
        "On a token, {closed} of the neurons of {model} are closed ({function} gives 0 or less) and {silent} are "
        "silent (at most 1% of the largest), averaged over the blocks.",
        closed=write_share(closed),
        silent=write_share(silent),
        model=view.name,
        function=function_of(view) or say("neurons.function", "the activation function"),
    )


def tell_briefly(view: SubjectView) -> str:
    """Kinds of a neuron, and of a feature beside it."""
    parts = {
        say("neurons.brief.neuron", "neuron"): view.metric("neuron_kinds"),
        say("neurons.brief.dimension", "dimension"): view.metric("dimension_kinds"),
        say("neurons.brief.feature", "feature"): view.metric("feature_kinds"),
    }
    told = [
        say("neurons.brief.one", "{unit}: {kinds} kinds", unit=name, kinds=write_number(kinds, 2))
        for name, kinds in parts.items()
        if kinds is not None
    ]
    return list_items(told)
