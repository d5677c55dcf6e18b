"""The rule of its sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reportgen.figures.describe import Figure
from reportgen.language import say, say_count, sentences
from reportgen.numerals import write_number
from reportgen.probes.hidden_states.view import shown_tokens
from reportgen.probing.view import SubjectView
from reportgen.probing.word_fits import tell_parts
from reportgen.text.characters import mark_space

ROUNDING = 1e-5
"""Share of a row's norm up to which another order of sums can move it."""
LONG = 10.0
"""Times the median norm of a layer from which one position's row is said to be long."""
FEWEST = 3
"""Positions below which none can be said to stand out."""


def tell(view: SubjectView) -> str:
    """Whether anything looks ahead, and which position's vector is much longer than the others."""
    return sentences([_tell_causality(view), _tell_longest(view), tell_parts(view)])


def tell_figure(view: SubjectView, figure: Figure) -> str:
    """What the norms of a prompt show: which vector is the longest, and whether one position stands out."""
    kind, _, rest = figure.name.partition("-")
    return _tell_prompt(view, int(rest.partition("-")[0])) if kind == "norms" else ""


def _tell_causality(view: SubjectView) -> str:
    """Whether the prompts are the same until they part; nothing where none are compared."""
    records: Sequence[Mapping[str, Any]] = view.rows("pairs")
    if not records:
        return ""
    worst = max(records, key=lambda record: float(record["prefix_difference"]))
    values = {"model": view.name, "difference": write_number(worst["prefix_difference"], 2)}
    if worst["prefix_difference"] == 0:
        return say_count(
            "hidden_states.causal",
            "{model} does not look ahead: in {count} pair of prompts, every number of every layer is the same up to "
            "the first token that differs.",
            "{model} does not look ahead: in {count} pairs of prompts, every number of every layer is the same up "
            "to the first token that differs.",
            len(records),
            **values,
        )
    if float(worst["prefix_share"]) <= ROUNDING:
        return say(
            "hidden_states.no_clear_statement",
            "No clear statement about {model}: before the first token that differs, its prompts differ by "
            "{difference} at most, which may be rounding.",
            **values,
        )
    return say(
        "hidden_states.looks_ahead",
        "In {model}, prompts differ by {difference} before the first token that differs: something looks ahead.",
        **values,
    )


def _tell_longest(view: SubjectView) -> str:
    """The position whose vector stands out most in the longest prompt."""
    return _tell_prompt(view, int(np.argmax(view.column("prompts", "token_count"))))


def _tell_prompt(view: SubjectView, prompt: int) -> str:
    """The position whose vector stands out most in a prompt."""
    array = view.outcome.arrays[f"norms/{prompt}"]
    norms = array.values
    medians = np.median(norms, axis=1, keepdims=True)
    if norms.shape[1] < FEWEST or not (medians > 0).all():
        return say(
            "hidden_states.too_short",
            "No clear statement about the norms of {model}: there are too few.",
            model=view.name,
        )
    times = norms / medians
    layer, position = np.unravel_index(int(times.argmax()), times.shape)
    most = float(times[layer, position])
    values = {
        "model": view.name,
        "token": mark_space(shown_tokens(view, prompt)[int(position)]),
        "position": int(position),
        "layer": array.along("layer")[int(layer)],
        "times": write_number(most, 2),
        "last": view.last_layer,
    }
    if most >= LONG:
        return say(
            "hidden_states.long",
            "At layer {layer} of {last}, the vector of {model} at “{token}” (position {position}) is {times} times as "
            "long as the median.",
            **values,
        )
    return say(
        "hidden_states.even",
        "In {model} no position stands out: the longest vector has {times} times the median norm of its layer.",
        **values,
    )
