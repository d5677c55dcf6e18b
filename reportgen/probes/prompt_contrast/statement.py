"""The rule of its sentence."""

from __future__ import annotations

import numpy as np

from reportgen.language import say, sentences
from reportgen.numerals import write_depth, write_number, write_share
from reportgen.probes.prompt_contrast import SURE
from reportgen.probing.view import SubjectView
from reportgen.probing.word_fits import refuse_verdict, tell_parts, tell_refusal_briefly

BEYOND = 0.05
"""Share by which the widest parting has to exceed layer 0, or the twin's, before training is said to have done it."""


def tell(view: SubjectView) -> str:
    """From which layer on the sets part, where most, and how far that goes beyond the words alone."""
    if view.metric("parting") is None:
        return say("prompt_contrast.same", "No clear statement about {model}: all prompts are the same to it.",
                   model=view.name)  # fmt: skip
    if refusal := refuse_verdict(view):
        return refusal
    one, other = view.options["names"]
    widest, chance = int(view.metric("widest_layer") or 0), view.metric("chance")
    told = {
        "model": view.name,
        "one": one,
        "other": other,
        "layer": widest,
        "last": view.last_layer,
        "share": write_share(view.metric("parting")),
        "p": write_number(chance, 2),
    }
    if chance is None or chance >= SURE:
        return say(
            "prompt_contrast.by_chance",
            "No clear statement about {model}: {one} and {other} part by {share} of the distance between them at most, "
            "at layer {layer} of {last}, which shuffled splits reach at some layer with p {p}.",
            **told,
        )
    part = say(
        "prompt_contrast.part",
        "To {model} {one} and {other} part most at layer {layer} of {last}, by {share} of the distance between them "
        "(of shuffled splits p {p}).",
        **told,
    )
    return sentences([part, _tell_from(view), _tell_beyond_controls(view), tell_parts(view)])


def _tell_from(view: SubjectView) -> str:
    """From which layer on they part to the end."""
    first = view.metric("first_layer")
    if first is None:
        return say("prompt_contrast.lost", "At the last layer they part by no more than chance.")
    if first == 0:
        return say("prompt_contrast.everywhere", "They part at every layer, the embedding too.")
    return say("prompt_contrast.from", "From layer {first} on they part at every layer.", first=int(first))


def _tell_beyond_controls(view: SubjectView) -> str:
    """Whether layer 0 and random weights part them as far."""
    best, embedding = float(view.metric("parting") or 0.0), float(view.values("partings")[0])
    if np.isnan(embedding):
        return say("prompt_contrast.same_embedding", "At the embedding all prompts are the same.")
    random = view.outcome.arrays.get("partings_random")
    twin = None if random is None else float(np.nanmax(random.values))
    shares = {"embedding": write_share(embedding), "random": write_share(twin)}
    if twin is not None and best - twin < BEYOND:
        return say(
            "prompt_contrast.of_words",
            "Random weights part them by up to {random}: it may be the words alone.",
            **shares,
        )
    if best - embedding < BEYOND:
        return say(
            "prompt_contrast.of_embedding", "The embedding parts them by {embedding}: the layers add little.", **shares
        )
    if twin is None:
        return say("prompt_contrast.beyond_embedding", "The embedding parts them by {embedding}.", **shares)
    return say(
        "prompt_contrast.beyond_both",
        "The embedding parts them by {embedding}, random weights by {random} at most.",
        **shares,
    )


def tell_briefly(view: SubjectView) -> str:
    """From which layer on they part, and how far at most."""
    if view.metric("parting") is not None and refuse_verdict(view):
        return tell_refusal_briefly()
    chance, first = view.metric("chance"), view.metric("first_layer")
    if chance is None or chance >= SURE:
        return say("prompt_contrast.brief_none", "part by no more than chance")
    share = write_share(view.metric("parting"))
    if first is None:
        return say("prompt_contrast.brief_lost", "part by {share} at most, not at the end", share=share)
    return say(
        "prompt_contrast.brief",
        "part from layer {depth} on, by {share} at most",
        depth=write_depth(int(first), view.last_layer),
        share=share,
    )
