"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reportgen.language import say
from reportgen.probing.view import SubjectView


def unit_label(unit: Mapping[str, Any]) -> str:
    """What a unit is called in figures and sentences."""
    place, index = unit["place"], unit["index"]
    return {
        "neuron": say("neurons.neuron", "neuron {place}.{index}", place=place, index=index),
        "dimension": say("neurons.dimension", "dimension {index} at layer {place}", place=place, index=index),
        "feature": say("neurons.feature", "feature {index} at layer {place}", place=place, index=index),
    }[str(unit["kind"])]


def examples_of(view: SubjectView, item: int) -> list[dict[str, Any]]:
    """The tokens on which a unit is strongest, the strongest first."""
    return [row for row in view.rows("examples") if row["item"] == item]


def different_tokens(rows: Sequence[Mapping[str, Any]], most: int) -> list[str]:
    """The first tokens of different spelling."""
    found: dict[str, str] = {}
    for row in rows:
        found.setdefault(str(row["token"]).strip().casefold(), str(row["token"]))
    return list(found.values())[:most]


def function_of(view: SubjectView) -> str:
    """The activation function of the first block, as the configuration names it; empty where none is known."""
    return next((str(row["function"]) for row in view.rows("functions") if row["function"]), "")
