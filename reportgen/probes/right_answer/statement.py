"""The rule of its sentence."""

from __future__ import annotations

import numpy as np

from reportgen.language import say, say_count, sentences
from reportgen.numerals import write_count, write_depth, write_number, write_share, write_signed
from reportgen.numerics.confidence import wilson_95
from reportgen.numerics.resampling import difference_of_pairs
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section
from reportgen.text.characters import mark_space

FEWEST_RIGHT = 5
"""Right answers below which nothing is told of where half of them begin to lead."""
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
    told = [first, _tell_groups(view), _tell_not_asked(view), _tell_spaces(view)]
    layer = view.metric("right_layer")
    if layer is None or right < FEWEST_RIGHT:
        return sentences(told)
    then = say(
        "right_answer.settles",
        "Half of the right answers lead from layer {layer} of {last} on.",
        layer=int(layer),
        last=view.last_layer,
    )
    lost = sum(bool((view.values("rank")[row["prompt"]] == 1).any()) for row in rows if not row["is_right"])
    if not lost:
        return sentences([*told, then])
    known = say_count(
        "right_answer.lost",
        "In {count} more prompt the right answer leads in an earlier layer, and is lost again.",
        "In {count} more prompts the right answer leads in an earlier layer, and is lost again.",
        lost,
    )
    return sentences([*told, then, known])


def _tell_groups(view: SubjectView) -> str:
    """The groups with the most and the fewest right answers, by their share; empty unless there are several."""
    rows = [row for row in view.rows("groups") if row["asked"]] if "groups" in view.outcome.tables else []
    ranked = sorted(rows, key=lambda row: -row["share"])
    if not ranked or ranked[0]["share"] == ranked[-1]["share"]:
        return ""
    best, worst = (
        say(
            "right_answer.group",
            "{group} ({right} of {count})",
            group=row["group"],
            right=write_count(row["right_count"]),
            count=write_count(row["asked"]),
        )
        for row in (ranked[0], ranked[-1])
    )
    return say(
        "right_answer.groups", "Of the groups, it does best on {best} and worst on {worst}.", best=best, worst=worst
    )


def _tell_not_asked(view: SubjectView) -> str:
    """How many prompts were left out for this model, and why the first of them; empty where none was."""
    skipped = view.rows("skipped")
    if not skipped:
        return ""
    return say_count(
        "right_answer.not_asked",
        "{count} prompt is not asked: {reason}.",
        "{count} prompts are not asked, such as {called}: {reason}.",
        len(skipped),
        called=skipped[0]["text"],
        reason=skipped[0]["reason"],
    )


def _tell_spaces(view: SubjectView) -> str:
    """After how many prompts a right answer is said but for the space before it: most likely a slip of the battery."""
    slips = [
        row
        for row in view.rows("answers")
        if not row["is_right"] and str(row["says"]).strip() in str(row["right"]).split()
    ]
    if not slips:
        return ""
    return say_count(
        "right_answer.other_space",
        "After {count} prompt it says “{says}”, which is the answer but for the space before it: look at `answers`.",
        "After {count} prompts it says an answer but for the space before it, such as “{says}”: look at `answers`.",
        len(slips),
        says=mark_space(str(slips[0]["says"])),
    )


def _compare(one: SubjectView, other: SubjectView) -> str:
    """The difference of two models on the prompts that both were asked."""
    right = [{row["prompt"]: float(row["is_right"]) for row in view.rows("answers")} for view in (one, other)]
    both = sorted(set(right[0]) & set(right[1]))
    if not both:
        return ""
    of_one, of_other = (np.array([of[at] for at in both]) for of in right)
    found = difference_of_pairs(of_one, of_other)
    values = {"one": one.name, "other": other.name, "difference": write_signed(found.mean, 2), "count": len(both)}
    judged = found.judge(SAME)
    if judged == "too few":
        return say_count(
            "right_answer.too_few",
            "{one} and {other} were both asked {count} prompt: too few for an interval of their difference.",
            "{one} and {other} were both asked {count} prompts: too few for an interval of their difference.",
            len(both),
            one=one.name,
            other=other.name,
        )
    values |= {"low": write_signed(found.low, 2), "high": write_signed(found.high, 2), "p": write_number(found.p, 2)}
    values |= {"effect": write_number(found.effect, 2)}
    if judged == "differ":
        return say(
            "right_answer.differ",
            "On the {count} prompts that both were asked, the share of {one} less that of {other} is {difference} "
            "(95 % interval {low} to {high}, d {effect}, p {p}).",
            **values,
        )
    if judged == "same":
        return say(
            "right_answer.same",
            "On the {count} prompts that both were asked, {one} and {other} are right equally often, to within "
            "{margin} (95 % interval {low} to {high}).",
            margin=write_number(SAME),
            **values,
        )
    return say(
        "right_answer.no_difference_shown",
        "On the {count} prompts that both were asked, no difference between {one} and {other} is shown, nor that "
        "there is none: share of {one} less that of {other} {difference} (95 % interval {low} to {high}), which "
        "flipped signs reach with p {p}.",
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
    depth = write_depth(int(layer), view.last_layer)
    return say(
        "right_answer.brief", "{right} of {count} right, half of them from layer {depth} on", depth=depth, **values
    )
