"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from reportgen.language import say
from reportgen.results.quantities import Outcome

CHANCE = (0.025, 0.975)
"""Quantiles of the random pairings between which a mean cosine is chance."""


def _in_context(outcome: Outcome) -> bool:
    return bool(outcome.options["layers"] != "table")


def tell_place(name: str, outcome: Outcome) -> str:
    """A model, and where its words were read."""
    if not _in_context(outcome):
        return name
    return say(
        "embedding_arithmetic.at_layer",
        "{model}, layer {layer}",
        model=name,
        layer=int(outcome.metrics["best_layer"].value or 0),
    )
