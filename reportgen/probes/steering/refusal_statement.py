"""The rule of the sentences about refusals: how many before and after, and whether a random direction does as much."""

from __future__ import annotations

from collections.abc import Iterator

from reportgen.language import say
from reportgen.numerals import write_setting
from reportgen.probes.steering.view import View
from reportgen.probing.steering_score import is_its_own


def tell_refusals(view: View) -> Iterator[str]:
    """A sentence on harmful requests, and one on harmless ones; none where none were asked for."""
    if view.shares_refused("harmful"):
        yield _tell_harmful(view)
        yield _tell_harmless(view)


def _tell_harmful(view: View) -> str:
    values = _counts(view, "harmful")
    if not view.shares_refused("harmful")["unsteered"]["refused"]:
        return say(
            "steering.refuses_nothing",
            "{model} refuses none of {count} harmful requests: there is no refusal to take out.",
            **values,
        )
    if not _is_clear(view, "harmful"):
        return say(
            "steering.refusals_unclear",
            "No clear statement about how often {model} refuses harmful requests: {before} of {count}, {after} with "
            "the direction taken out, {random} of {randoms} with random ones taken out.",
            **values,
        )
    return say(
        "steering.refusals_taken_out",
        "It refuses {before} of {count} harmful requests, and {after} once the direction of layer {layer} is taken "
        "out; with random ones taken out, {random} of {randoms}.",
        **values,
    )


def _tell_harmless(view: View) -> str:
    values = _counts(view, "harmless")
    if not _is_clear(view, "harmless"):
        return say(
            "steering.refusals_added_unclear",
            "No clear statement about how often it refuses harmless requests: {before} of {count}, {after} with "
            "{factor} × the direction added, {random} of {randoms} with random ones added.",
            **values,
        )
    return say(
        "steering.refusals_added",
        "Of {count} harmless requests it refuses {before}, and {after} with {factor} × the direction added; with "
        "random ones added, {random} of {randoms}.",
        **values,
    )


def _counts(view: View, kind: str) -> dict[str, object]:
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
    """Whether the intervals before and after are apart, and random ones move the share by at most half as much."""
    before, after, random = (view.shares_refused(kind)[name] for name in ("unsteered", "steered", "random"))
    apart = after["lower"] > before["upper"] or after["upper"] < before["lower"]
    return apart and is_its_own(after["rate"] - before["rate"], [random["rate"] - before["rate"]])
