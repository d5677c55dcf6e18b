"""The rule of its sentence."""

from __future__ import annotations

from reportgen.language import say, say_count, sentences
from reportgen.numerals import write_count, write_share
from reportgen.probes.moe_routing_drift.view import PAIR, View


def tell(view: View) -> str:
    """How many routes are flipped, and how many of those that rounding cannot flip."""
    return sentences([_tell_flips(view), _tell_verdict(view)])


def tell_briefly(view: View) -> str:
    """Both shares."""
    return say(
        "moe_drift.brief",
        "{flipped} of the routes flipped, {decided} of the decided ones",
        flipped=write_share(view.metric("flipped")),
        decided=write_share(view.metric("flipped_decided")),
    )


def _tell_flips(view: View) -> str:
    routes = int(view.metric("routes") or 0)
    if not view.metric("flipped"):
        return say_count(
            "moe_drift.none",
            "{model}: {count} route takes the same experts in both.",
            "{model}: all {count} routes take the same experts in both.",
            routes,
            model=view.name,
        )
    return say_count(
        "moe_drift.flipped",
        "{model}: {share} of {count} route takes other experts; rounding alone flips {base} of the routes of the one "
        "and {other} of the other's.",
        "{model}: {share} of {count} routes take other experts; rounding alone flips {base} of the routes of the one "
        "and {other} of the other's.",
        routes,
        model=view.name,
        share=write_share(view.metric("flipped")),
        base=write_share(view.metric("rounding_flips")),
        other=write_share(view.metric("other_rounding_flips")),
    )


def _tell_verdict(view: View) -> str:
    """Nothing where nothing is flipped."""
    if not view.metric("flipped"):
        return ""
    decided = [row for row in view.by_margin(PAIR) if row["from"] >= 1]
    flipped, routes = (sum(row[what] for row in decided) for what in ("flipped", "routes"))
    if not routes:
        return say("moe_drift.no_verdict", "No clear statement: no route has a margin beyond the noise in both models.")
    if not flipped:
        return say(
            "moe_drift.within_noise",
            "None of these flips says anything: all of them have a margin within the noise, and none of the {routes} "
            "routes beyond it is flipped.",
            routes=write_count(routes),
        )
    return say(
        "moe_drift.beyond",
        "Of the {routes} routes whose margin exceeds the noise in both, {flipped} are flipped ({share}): the two use "
        "other experts.",
        routes=write_count(routes),
        flipped=write_count(flipped),
        share=write_share(view.metric("flipped_decided")),
    )
