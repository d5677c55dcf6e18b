"""The rule of the sentences about refusals: how many before and after, and whether a random direction does as much."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reportgen.language import say
from reportgen.numerals import write_setting
from reportgen.numerics.resampling import difference_of_pairs
from reportgen.probes.steering.view import View
from reportgen.probing.steering_score import is_its_own

ASKED = ("harmful", "harmless")
"""Of which requests the arrays `refused` are, in their order."""


def tell_refusals(view: View) -> Iterator[str]:
    """What becomes of refusals of harmful requests, and of harmless ones; nothing where none were asked for."""
    if not view.shares_refused("harmful"):
        return
    taken_out, added = _is_clear(view, "harmful"), _is_clear(view, "harmless")
    harmful, harmless = _counts(view, "harmful"), _counts(view, "harmless")
    if not harmful["before"] and not added:
        yield say(
            "steering.refuses_nothing",
            "{model} refuses none of {count} harmful requests: there is no refusal to take out, and with the direction "
            "added it refuses {after} of {harmless} harmless ones.",
            **harmful | {"after": harmless["after"], "harmless": harmless["count"]},
        )
    elif not taken_out and not added:
        yield say(
            "steering.refusals_unclear",
            "No clear statement about refusals of {model}: of {count} harmful requests it refuses {before}, and "
            "{after} with the direction taken out; of {harmless} harmless ones {own}, and {with_it} with it "
            "added.",
            **harmful,
            harmless=harmless["count"],
            own=harmless["before"],
            with_it=harmless["after"],
        )
    else:
        yield _tell_taken_out(harmful) if taken_out else _tell_not_taken_out(harmful)
        yield _tell_added(harmless) if added else _tell_not_added(harmless)


def _tell_taken_out(values: dict[str, Any]) -> str:
    return say(
        "steering.refusals_taken_out",
        "{model} refuses {before} of {count} harmful requests, and {after} once the direction of layer {layer} is "
        "taken out; with random ones taken out, {random} of {randoms}.",
        **values,
    )


def _tell_not_taken_out(values: dict[str, Any]) -> str:
    return say(
        "steering.refusals_not_taken_out",
        "No clear statement about how often {model} refuses harmful requests: {before} of {count}, {after} with the "
        "direction taken out, {random} of {randoms} with random ones taken out.",
        **values,
    )


def _tell_added(values: dict[str, Any]) -> str:
    return say(
        "steering.refusals_added",
        "Of {count} harmless requests it refuses {before}, and {after} with {factor} × the direction added; with "
        "random ones added, {random} of {randoms}.",
        **values,
    )


def _tell_not_added(values: dict[str, Any]) -> str:
    return say(
        "steering.refusals_not_added",
        "No clear statement about how often it refuses harmless requests: {before} of {count}, {after} with {factor} × "
        "the direction added, {random} of {randoms} with random ones added.",
        **values,
    )


def _counts(view: View, kind: str) -> dict[str, Any]:
    shares = view.shares_refused(kind)
    chosen = view.rows("chosen")[0]
    return {
        "model": view.name,
        "layer": chosen["layer"],
        "factor": write_setting(1.0 if view.ablated else chosen["coefficient"]),
        "count": shares["unsteered"]["answers"],
        "before": shares["unsteered"]["refused"],
        "after": shares["steered"]["refused"],
        "random": shares["random"]["refused"],
        "randoms": shares["random"]["answers"],
    }


def _is_clear(view: View, kind: str) -> bool:
    """Whether the same requests are refused more or less often, in pairs, and random directions move the share by at
    most half as much.
    """
    before, after, random = (view.shares_refused(kind)[name] for name in ("unsteered", "steered", "random"))
    refused = view.values(f"refused/{ASKED.index(kind)}")
    moved = difference_of_pairs(refused[1], refused[0]).judge(0.0) == "differ"
    return moved and is_its_own(after["rate"] - before["rate"], [random["rate"] - before["rate"]])
