"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from reportgen.language import say
from reportgen.probing.view import SubjectView

CHANCE = (0.025, 0.975)
"""Quantiles of the random pairings between which a mean cosine is chance."""


def _is_in_context(view: SubjectView) -> bool:
    return bool(view.options["layers"] != "table")


def tell_place(view: SubjectView) -> str:
    """A model, and where its words were read."""
    if not _is_in_context(view):
        return view.name
    return say(
        "embedding_arithmetic.at_layer",
        "{model}, layer {layer}",
        model=view.name,
        layer=int(view.metric("best_layer") or 0),
    )
