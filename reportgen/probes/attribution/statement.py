"""The rule of its sentence."""

from __future__ import annotations

import numpy as np

from reportgen.language import list_items, say, sentences
from reportgen.numerals import write_number, write_share
from reportgen.probes.attribution.view import name_answer, tell_largest_parts
from reportgen.probing.right_answers import tell_taken
from reportgen.probing.view import SubjectView

MOSTLY = 2 / 3
"""Share of what all heads and MLPs add and take away from which one kind is said to do most of it."""
LARGE = 0.25
"""Share of a logit from which a part is worth naming."""
MOST_TOLD = 2
"""Prompts of a model that a statement is about."""


def tell(view: SubjectView) -> str:
    """Whether heads or MLPs do most, and the largest parts, of each model's first prompts."""
    told = []
    for prompt in range(min(MOST_TOLD, len(view.values("logit")))):
        heads, mlp = view.values("heads")[prompt], view.values("mlp")[prompt]
        logit = float(view.values("logit")[prompt])
        largest = next(record for record in view.rows("parts") if record["prompt"] == prompt)
        share = float(np.abs(mlp).sum() / ((np.abs(mlp).sum() + np.abs(heads).sum()) or 1.0))
        values = {
            "model": view.name,
            "answer": name_answer(view, prompt),
            "logit": write_number(logit),
            "parts": list_items(tell_largest_parts(view, prompt)),
            "share": write_share(max(share, 1 - share)),
        }
        if abs(float(largest["logit"])) < LARGE * abs(logit):
            told.append(
                say(
                    "attribution.many_hands",
                    "In {model}, no single component writes {answer} (logit {logit}); the largest contributions: "
                    "{parts}.",
                    **values,
                )
            )
        elif share >= MOSTLY:
            told.append(
                say(
                    "attribution.mlps",
                    "In {model}, the MLPs contribute {share} of what is added and taken away for {answer} (logit "
                    "{logit}); the largest contributions: {parts}.",
                    **values,
                )
            )
        elif share <= 1 - MOSTLY:
            told.append(
                say(
                    "attribution.heads",
                    "In {model}, the heads contribute {share} of what is added and taken away for {answer} (logit "
                    "{logit}); the largest contributions: {parts}.",
                    **values,
                )
            )
        else:
            told.append(
                say(
                    "attribution.both",
                    "In {model}, heads and MLPs both write {answer} (logit {logit}); the largest contributions: "
                    "{parts}.",
                    **values,
                )
            )
    return sentences([*told, tell_taken(view, foil=not view.options["against"])])
