"""The rule of its sentence."""

from __future__ import annotations

import numpy as np

from reportgen.language import say, say_count, sentences
from reportgen.numerals import write_count, write_depth, write_number, write_share, write_signed
from reportgen.numerics.confidence import wilson_95
from reportgen.numerics.resampling import FEWEST, difference_of_pairs
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section

SURE = 0.05
"""p-value below which a difference whose interval leaves out 0 is called one."""
SAME = 0.05
"""Half the width of the margin within which a whole interval must lie for two shares to be called the same."""


def statement(section: Section) -> str:
    """How many prompts each model answers right, from where in depth, and whether two models differ in that."""
    views = SubjectView.each(section)
    pairs = [(one, other) for at, one in enumerate(views) for other in views[at + 1 :]]
    return sentences([*map(tell, views), *(_compare(one, other) for one, other in pairs)])


def tell(view: SubjectView) -> str:
    """How many prompts a model answers right, and from which layer on."""
    rows = view.rows("answers")
    if not rows:
        return say(
            "right_answer.none",
            "No clear statement about {model}: it tells the answers of no prompt apart by their first token.",
            model=view.name,
        )
    right = sum(row["is_right"] for row in rows)
    low, high = wilson_95(right, len(rows))
    first = say_count(
        "right_answer.right",
        "{model} answers {right} of {count} prompt right ({share}; 95 % interval {low} to {high}).",
        "{model} answers {right} of {count} prompts right ({share}; 95 % interval {low} to {high}).",
        len(rows),
        model=view.name,
        right=write_count(right),
        share=write_share(right / len(rows)),
        low=write_share(low),
        high=write_share(high),
    )
    layer = view.metric("right_layer")
    if layer is None:
        return first
    then = say(
        "right_answer.settles",
        "Half of the right answers lead from layer {layer} of {last} on.",
        layer=write_number(layer),
        last=view.last_layer,
    )
    lost = sum(bool((view.values("rank")[row["prompt"]] == 1).any()) for row in rows if not row["is_right"])
    if not lost:
        return sentences([first, then])
    known = say_count(
        "right_answer.lost",
        "In {count} more prompt the right answer leads in an earlier layer, and is lost again.",
        "In {count} more prompts the right answer leads in an earlier layer, and is lost again.",
        lost,
    )
    return sentences([first, then, known])


def _compare(one: SubjectView, other: SubjectView) -> str:
    """The difference of two models on the prompts that both were asked."""
    right = [{row["prompt"]: float(row["is_right"]) for row in view.rows("answers")} for view in (one, other)]
    both = sorted(set(right[0]) & set(right[1]))
    if not both:
        return ""
    of_one, of_other = (np.array([of[at] for at in both]) for of in right)
    found = difference_of_pairs(of_one, of_other)
    values = {"one": one.name, "other": other.name, "difference": write_signed(found.mean, 2), "count": len(both)}
    if len(both) < FEWEST:
        return say_count(
            "right_answer.too_few",
            "Both were asked {count} prompt: too few for an interval.",
            "Both were asked {count} prompts: too few for an interval.",
            len(both),
        )
    values |= {"low": write_signed(found.low, 2), "high": write_signed(found.high, 2), "p": write_number(found.p, 2)}
    if found.p < SURE and found.low * found.high > 0:
        return say(
            "right_answer.differ",
            "On the {count} prompts that both were asked, the share of {one} less that of {other} is {difference} "
            "(95 % interval {low} to {high}, p {p}).",
            **values,
        )
    if max(abs(found.low), abs(found.high)) <= SAME:
        return say(
            "right_answer.same",
            "On the {count} prompts that both were asked, {one} and {other} are right equally often, to within "
            "{margin} (95 % interval {low} to {high}).",
            margin=write_number(SAME),
            **values,
        )
    return say(
        "right_answer.no_difference_shown",
        "On the {count} prompts that both were asked, no difference between {one} and {other} is shown, nor that there "
        "is none: {difference} (95 % interval {low} to {high}, p {p}).",
        **values,
    )


def tell_briefly(view: SubjectView) -> str:
    """The share of right answers, and from where in depth half of them lead."""
    rows = view.rows("answers")
    right = sum(row["is_right"] for row in rows)
    layer = view.metric("right_layer")
    values = {"right": write_count(right), "count": write_count(len(rows))}
    if layer is None:
        return say("right_answer.brief_none", "{right} of {count} right", **values)
    depth = write_depth(round(layer), view.last_layer)
    return say(
        "right_answer.brief", "{right} of {count} right, half of them from layer {depth} on", depth=depth, **values
    )
