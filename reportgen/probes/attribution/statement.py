"""The rule of its sentence."""

from __future__ import annotations

import numpy as np

from reportgen.language import listed, say, sentences
from reportgen.numerals import write_number, write_share
from reportgen.probes.attribution.view import name_answer, tell_largest_parts
from reportgen.results.quantities import Outcome
from reportgen.results.section import Section

MOSTLY = 2 / 3
"""Share of what all heads and MLPs add and take away from which one kind is said to do most of it."""
LARGE = 0.25
"""Share of a logit from which a part is worth naming."""
MOST_TOLD = 2
"""Prompts of a model that a statement is about."""


def statement(section: Section) -> str:
    """Whether heads or MLPs do most, and the largest parts, of each model's first prompts."""
    return sentences(_seen(section.name(subject), outcome) for subject, outcome in section.ok().items())


def _seen(name: str, outcome: Outcome) -> str:
    """What one model's first prompts show."""
    told = []
    for prompt in range(min(MOST_TOLD, len(outcome.arrays["logit"].values))):
        heads, mlp = outcome.arrays["heads"].values[prompt], outcome.arrays["mlp"].values[prompt]
        logit = float(outcome.arrays["logit"].values[prompt])
        largest = next(record for record in outcome.tables["parts"].records() if record["prompt"] == prompt)
        share = float(np.abs(mlp).sum() / ((np.abs(mlp).sum() + np.abs(heads).sum()) or 1.0))
        values = {
            "model": name,
            "answer": name_answer(outcome, prompt),
            "logit": write_number(logit),
            "parts": listed(tell_largest_parts(outcome, prompt)),
            "share": write_share(max(share, 1 - share)),
        }
        if abs(float(largest["logit"])) < LARGE * abs(logit):
            told.append(
                say(
                    "attribution.many_hands",
                    "In {model}, no single component makes {answer} (logit {logit}): the largest parts are {parts}.",
                    **values,
                )
            )
        elif share >= MOSTLY:
            told.append(
                say(
                    "attribution.mlps",
                    "In {model}, the MLPs do {share} of what is added and taken away for {answer} (logit {logit}); "
                    "the largest parts: {parts}.",
                    **values,
                )
            )
        elif share <= 1 - MOSTLY:
            told.append(
                say(
                    "attribution.heads",
                    "In {model}, the heads do {share} of what is added and taken away for {answer} (logit {logit}); "
                    "the largest parts: {parts}.",
                    **values,
                )
            )
        else:
            told.append(
                say(
                    "attribution.both",
                    "In {model}, heads and MLPs both make {answer} (logit {logit}); the largest parts: {parts}.",
                    **values,
                )
            )
    return sentences(told)
