"""The rule of its sentence."""

from __future__ import annotations

from reportgen.language import list_items, say, say_count, sentences
from reportgen.numerals import write_number, write_share, write_signed
from reportgen.probes.activation_patching.view import tell_heads, tell_opposing_heads
from reportgen.probing.view import SubjectView
from reportgen.text.characters import mark_space

TOLD = 3
"""Pairs whose answers are named."""
LARGE = 0.2
"""Share of the logit difference from which a single head is worth naming."""


def tell(view: SubjectView) -> str:
    """Whether the prompts are told apart at all, when the difference arrives at the last position, which heads."""
    records = view.rows("pairs")
    values = {
        "model": view.name,
        "clean": write_signed(view.metric("clean_difference"), 2),
        "corrupted": write_signed(view.metric("corrupted_difference"), 2),
    }
    if not any(record["defined"] for record in records):
        return say(
            "activation_patching.not_told_apart",
            "No clear statement about {model}: it hardly tells the prompts apart (logit difference, correct − "
            "incorrect: {clean} after the clean prompt, {corrupted} after the corrupted one).",
            **values,
        )
    told = [
        say(
            "activation_patching.told_apart",
            "Logit difference (correct − incorrect) of {model}: {clean} after the clean prompt, {corrupted} after "
            "the corrupted one.",
            **values,
        )
    ]
    arrival = view.metric("arrival_layer")
    if arrival is not None:
        told.append(
            say(
                "activation_patching.arrives",
                "Half of the difference has reached the last token by layer {layer}.",
                layer=write_number(arrival, 2),
            )
        )
    large = tell_heads(view, LARGE)
    against = tell_opposing_heads(view, LARGE) if view.rows("top") else []
    if large:
        told.append(
            say("activation_patching.some_heads", "Heads that move much of it alone: {heads}.", heads=list_items(large))
        )
    elif view.rows("top") and not against:
        told.append(
            say(
                "activation_patching.no_head",
                "No single head moves {least} of it; the largest: {heads}.",
                least=write_share(LARGE),
                heads=list_items(tell_heads(view)),
            )
        )
    if against:
        told.append(
            say("activation_patching.opposing", "Heads that move it the other way: {heads}.", heads=list_items(against))
        )
    return sentences([*told, _tell_taken(view)])


def _tell_taken(view: SubjectView) -> str:
    """Which answers are meant, where the prompts say it and not the probe's own option; empty otherwise."""
    if view.options["answers"]:
        return ""
    pairs = [
        say(
            "activation_patching.answers",
            "“{right}” rather than “{wrong}” ({pair})",
            right=mark_space(str(record["right"])),
            wrong=mark_space(str(record["wrong"])),
            pair=record["name"],
        )
        for record in view.rows("pairs")[:TOLD]
    ]
    more = len(view.rows("pairs")) - TOLD
    if more > 0:
        pairs.append(say_count("activation_patching.more", "{count} more", "{count} more", more))
    return say(
        "activation_patching.taken", "The answers are those that the prompts name: {pairs}.", pairs=list_items(pairs)
    )
