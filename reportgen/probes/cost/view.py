"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from reportgen.language import say
from reportgen.probes.parameter_census.figures import component_label
from reportgen.probing.view import SubjectView


def lengths_of(view: SubjectView) -> tuple[int, ...]:
    """(length) in tokens, ascending."""
    return view.along("token", "position")


def used_parts(view: SubjectView) -> list[tuple[int, str]]:
    """(place in the arrays, part) of the parts that the model has."""
    costs = view.values("token")
    return [(row["component"], str(row["part"])) for row in view.rows("parts") if costs[row["component"]].any()]


def part_label(part: str) -> str:
    """What a part is called in figures, in the spoken language."""
    return {
        "attention projections": say("cost.projections", "attention projections"),
        "attention scores": say("cost.scores", "attention scores"),
        "MLP": say("cost.mlp", "MLP"),
        "unembedding": say("cost.unembedding", "unembedding"),
    }.get(part) or component_label(part)
