"""The rule of its sentence."""

from __future__ import annotations

import numpy as np

from reportgen.figures.describe import Figure
from reportgen.language import say, sentences
from reportgen.numerals import write_depth, write_number, write_share
from reportgen.probing.view import SubjectView
from reportgen.probing.word_fits import refuse_verdict, tell_parts, tell_refusal_briefly

SURE = 0.05
"""p-value below which groups are more than chance."""
BEYOND = 0.05
"""Silhouette by which the best layer has to exceed layer 0, or the twin, before training is said to have done it."""


def tell(view: SubjectView) -> str:
    """Whether the groups lie together beyond chance, where most, and how far that goes beyond the words alone."""
    if refusal := refuse_verdict(view):
        return refusal
    values = view.values("silhouettes")
    best, chance = int(view.metric("best_layer") or 0), view.metric("chance")
    told = {
        "model": view.name,
        "silhouette": write_number(float(values[best]), 2),
        "layer": best,
        "last": view.last_layer,
        "p": write_number(chance, 2),
    }
    if chance is None or chance >= SURE:
        return say(
            "clusters.by_chance",
            "No clear statement about {model}: its groups lie apart by a silhouette of at most {silhouette}, at layer "
            "{layer} of {last}, which shuffled groups reach at some layer with p {p}.",
            **told,
        )
    apart = say(
        "clusters.apart",
        "In {model} words of one group lie together, most clearly at layer {layer} of {last} (silhouette "
        "{silhouette}; of shuffled groups p {p}).",
        **told,
    )
    return sentences([apart, _tell_beyond_controls(view, float(values[best])), _tell_dimension(view), tell_parts(view)])


def _tell_beyond_controls(view: SubjectView, best: float) -> str:
    """Whether layer 0 and random weights give as much."""
    embedding, random = float(view.values("silhouettes")[0]), view.outcome.arrays.get("silhouettes_random")
    twin = None if random is None else float(np.nanmax(random.values))
    if best - max(embedding, embedding if twin is None else twin) >= BEYOND:
        if twin is None:
            return say(
                "clusters.beyond_embedding",
                "At layer 0, which knows the words alone, it is {embedding}.",
                embedding=write_number(embedding, 2),
            )
        return say(
            "clusters.beyond_both",
            "At layer 0, which knows the words alone, it is {embedding}, with random weights at most {random}.",
            embedding=write_number(embedding, 2),
            random=write_number(twin, 2),
        )
    if best - embedding < BEYOND:
        return say(
            "clusters.of_embedding",
            "Layer 0, which knows the words alone, has {embedding}: the layers add little to that.",
            embedding=write_number(embedding, 2),
        )
    return say(
        "clusters.of_architecture",
        "Random weights reach {random}: what is seen may be of the tokens and the architecture.",
        random=write_number(twin, 2),
    )


def _tell_dimension(view: SubjectView) -> str:
    """How many dimensions the words fill there."""
    best = int(view.metric("best_layer") or 0)
    if view.metric("intrinsic_dimension") is None:
        return ""
    low, high = (float(view.values(name)[best]) for name in ("dimensions_low", "dimensions_high"))
    return say(
        "clusters.dimension_told",
        "The words fill about {dimension} dimensions there (95 % interval {low} to {high}).",
        dimension=write_number(view.metric("intrinsic_dimension"), 2),
        low=write_number(low, 2),
        high=write_number(high, 2),
    )


def tell_figure(view: SubjectView, figure: Figure) -> str:
    """What the map, the variance and the dimension show."""
    if figure.name == "dimension":
        return _tell_dimension(view)
    if figure.name.startswith("neighbours"):
        return say(
            "clusters.neighbours_told",
            "Words that are near each other in {model} are near each other here; distances between heaps mean nothing.",
            model=view.name,
        )
    if not figure.name.startswith(("variance", "map")):  # those of many layers go on in a second figure
        return ""
    best = int(view.metric("best_layer") or 0)
    plane = float(np.nansum(view.values("explained_variance")[best, :2]))
    return say(
        "clusters.plane",
        "The first two main axes of {model} hold {share} of all differences at layer {layer}.",
        model=view.name,
        share=write_share(plane),
        layer=best,
    )


def tell_briefly(view: SubjectView) -> str:
    """The largest silhouette and its layer."""
    if refuse_verdict(view):
        return tell_refusal_briefly()
    chance, best = view.metric("chance"), int(view.metric("best_layer") or 0)
    if chance is None or chance >= SURE:
        return say("clusters.brief_none", "groups no clearer than chance")
    return say(
        "clusters.brief",
        "silhouette {silhouette} at layer {depth}",
        silhouette=write_number(view.metric("silhouette"), 2),
        depth=write_depth(best, view.last_layer),
    )
