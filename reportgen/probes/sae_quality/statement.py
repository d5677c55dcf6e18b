"""The rule of its sentence."""

from __future__ import annotations

from collections.abc import Mapping

from reportgen.features.tables import notes_of
from reportgen.language import say, say_count, sentences
from reportgen.model.sae.notes import tell_note
from reportgen.numerals import write_count, write_setting
from reportgen.probes.sae_quality.view import (
    APART,
    APART_RELATIVE,
    GOOD,
    SHARES,
    View,
    name_number,
    name_place,
    token_count,
    write_quantity,
)
from reportgen.results.quantities import Cell

FEW = 200
"""Predictions below which nothing clear is said: with so many, loss recovered has a standard error of some 0.01."""


def tell(view: View) -> str:
    """How many dictionaries recover the loss, which does least; dead features; what the files state otherwise."""
    return sentences(
        [_tell_recovery(view), _tell_features(view), _tell_stated(view), *map(tell_note, notes_of(view.outcome))]
    )


def _tell_recovery(view: View) -> str:
    """By loss recovered, where there is enough text to tell."""
    (text,) = view.rows("text")
    known = [item for item in view.items if item["loss_recovered"] is not None]
    if int(text["predictions"]) < FEW:
        return say_count(
            "sae_quality.little_text",
            "No clear statement about the dictionaries of {model}: the text has {count} token to predict, and {few} "
            "are needed.",
            "No clear statement about the dictionaries of {model}: the text has {count} tokens to predict, and {few} "
            "are needed.",
            int(text["predictions"]),
            model=view.name,
            few=write_count(FEW),
        )
    if not known:
        return say(
            "sae_quality.no_clear_statement",
            "No clear statement about the dictionaries of {model}: zeros in their place cost next to nothing.",
            model=view.name,
        )
    least = min(known, key=lambda item: float(item["loss_recovered"]))
    good = sum(float(item["loss_recovered"]) >= GOOD for item in known)
    values = {
        "model": view.name,
        "share": write_setting(GOOD),
        "good": write_count(good),
        "place": name_place(least),
        "recovered": write_quantity("loss_recovered", least["loss_recovered"]),
        "cost": write_quantity("delta_loss", least["delta_loss"]),
        "tokens": write_count(token_count(view)),
    }
    if len(known) == 1:
        return say(
            "sae_quality.one",
            "Over {tokens} tokens, the dictionary of {model} ({place}) recovers {recovered} of the loss; the splice "
            "costs {cost} nat per token.",
            **values,
        )
    return say_count(
        "sae_quality.recovered",
        "Over {tokens} tokens, {good} of {count} dictionary of {model} recovers {share} of the loss or more. The "
        "lowest is {place}: {recovered}, where the splice costs {cost} nat per token.",
        "Over {tokens} tokens, {good} of {count} dictionaries of {model} recover {share} of the loss or more. The "
        "lowest is {place}: {recovered}, where the splice costs {cost} nat per token.",
        len(known),
        **values,
    )


def _tell_features(view: View) -> str:
    return say(
        "sae_quality.features",
        "On average {l0} features fire on a token, {dead} of the features on none and {dense} on more than a tenth.",
        l0=write_quantity("l0", view.metric("l0")),
        dead=write_quantity("dead", view.metric("dead_share")),
        dense=write_quantity("dense", view.metric("dense_share")),
    )


def _tell_stated(view: View) -> str:
    """What of the files' own numbers is not found again, the largest miss named."""
    records = [record for record in view.rows("stated") if record["agrees"] is not None]
    apart = [record for record in records if not record["agrees"]]
    if not records:
        return ""
    if not apart:
        return say_count(
            "sae_quality.agrees",
            "The {count} number that the files state is confirmed.",
            "All {count} numbers that the files state are confirmed.",
            len(records),
        )
    most = max(apart, key=_miss)
    item = next(item for item in view.items if item["item"] == most["item"])
    return say_count(
        "sae_quality.apart",
        "Of {all} numbers that the files state for their own texts, {count} is not confirmed on this one: {number}, "
        "{place}, is {measured} here and {stated} there.",
        "Of {all} numbers that the files state for their own texts, {count} are not confirmed on this one, most of "
        "all {number}, {place}: {measured} here and {stated} there.",
        len(apart),
        all=write_count(len(records)),
        number=name_number(str(most["number"])),
        place=name_place(item),
        measured=write_quantity(str(most["number"]), most["measured"]),
        stated=write_quantity(str(most["number"]), most["stated"]),
    )


def _miss(record: Mapping[str, Cell]) -> float:
    """By how many times what is allowed a number differs."""
    stated, measured = float(record["stated"] or 0.0), float(record["measured"] or 0.0)
    allowed = APART if record["number"] in SHARES else APART_RELATIVE * abs(stated)
    return abs(measured - stated) / allowed if allowed else abs(measured - stated)
