"""The rule of its sentence."""

from __future__ import annotations

from reportgen.language import list_items, say, say_count, sentences
from reportgen.numerals import write_count, write_share
from reportgen.probes.under_trained_tokens.view import View, kind_label
from reportgen.text.characters import mark_space

WRONG = 0.2
"""Share of the ordinary tokens drawn at random from which, unrepeated, the test says nothing."""
RIGHT = 0.5
"""Share of the unused tokens below which, unrepeated, the test finds nothing."""
NAMED = 4
"""Tokens that are named."""


def tell(view: View) -> str:
    """How many tokens are not repeated, which, and how often the test is wrong."""
    wrong = view.metric("false_alarms")
    if wrong is not None and wrong >= WRONG:
        return say(
            "under_trained.no_clear_statement",
            "No clear statement about {model}: it does not repeat {share} of the ordinary tokens drawn at random, so "
            "what it does not repeat need not be under-trained.",
            model=view.name,
            share=write_share(wrong),
        )
    right = view.metric("unused_not_repeated")
    if right is not None and right < RIGHT:
        return say(
            "under_trained.repeats_unused",
            "No clear statement about {model}: it repeats {share} of the unused tokens that it was asked to repeat, so "
            "what it repeats need not be trained.",
            model=view.name,
            share=write_share(1 - right),
        )
    return sentences([_tell_found(view), _tell_kinds(view), _tell_control(view)])


def _tell_found(view: View) -> str:
    """How many of the nearest tokens are not repeated, with the first of them."""
    found, asked = view.confirmed, int(view.metric("candidates_asked") or 0)
    values = {"model": view.name, "asked": write_count(asked), "unused": write_count(_count_unused(view))}
    if not found:
        return say(
            "under_trained.none",
            "{model} repeats all {asked} tokens that lie nearest to its {unused} unused ones: none of them is "
            "under-trained.",
            **values,
        )
    named = [say("text.quoted", "“{text}”", text=mark_space(str(row["token"]))) for row in found[:NAMED]]
    values["tokens"] = list_items(named)
    if len(found) == asked:
        return say(
            "under_trained.all_of_them",
            "{model} repeats none of the {asked} tokens that lie nearest to its {unused} unused ones, such as "
            "{tokens}: there may be more.",
            **values,
        )
    return say_count(
        "under_trained.some",
        "{model} does not repeat {count} of the {asked} tokens that lie nearest to its {unused} unused ones: {tokens}.",
        "{model} does not repeat {count} of the {asked} tokens that lie nearest to its {unused} unused ones, "
        "such as {tokens}.",
        len(found),
        **values,
    )


def _count_unused(view: View) -> int:
    return int(view.metric("known_unused") or 0)


def _tell_kinds(view: View) -> str:
    """What those are that are not ordinary; nothing where all are."""
    others = [row for row in view.rows("kinds") if row["kind"] != "ordinary" and row["confirmed"]]
    if not others:
        return ""
    told = [
        say("under_trained.of_kind", "{count} {kind}", count=row["confirmed"], kind=kind_label(row["kind"]))
        for row in others
    ]
    return say("under_trained.kinds", "Among them are tokens that are not ordinary: {kinds}.", kinds=list_items(told))


def _tell_control(view: View) -> str:
    """How often the test fails on tokens drawn at random; nothing where none were drawn."""
    drawn = [row for row in view.rows("controls") if row["group"] == "random"]
    if not drawn:
        return ""
    failed = sum(bool(row["confirmed"]) for row in drawn)
    return say_count(
        "under_trained.control",
        "Of {count} ordinary token drawn at random it fails on {failed}.",
        "Of {count} ordinary tokens drawn at random it fails on {failed}.",
        len(drawn),
        failed=write_count(failed),
    )
