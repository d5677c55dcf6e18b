"""The rule of its sentence."""

from __future__ import annotations

from reportgen.language import say
from reportgen.numerals import write_change, write_number, write_setting
from reportgen.probes.sae_steering.options import PROMOTED
from reportgen.probes.sae_steering.view import View
from reportgen.probing.steering_score import (
    CLEAR,
    is_its_own,
)


def tell(view: View) -> str:
    """What the feature changes, its price, and whether another does as much."""
    if view.options.get("scale") is not None and not view.metric("fires"):
        return say(
            "sae_steering.silent",
            "{model}: {feature} fires on no token of the prompts, so a scale changes nothing there.",
            model=view.name,
            feature=view.feature,
        )
    item, qualifies = view.chosen
    three, kind = view.three, "tokens" if view.kind == PROMOTED else view.kind
    own = three["steered"] - three["unsteered"]
    before, after = write_change(three["unsteered"], three["steered"], significant=2)
    values = {
        "model": view.name,
        "feature": view.feature,
        "done": view.tell_strength(item),
        "score": view.score_label,
        "before": before,
        "after": after,
        "control": write_number(three["control"], 2),
        "kl": write_number(float(view.values("kl")[item]), 2),
    }
    if not qualifies:
        most = view.rows("chosen")[0]["most_kl"]
        return say(
            "sae_steering.none",
            "No clear statement about {feature} in {model}: at no strength is there a score at a KL of {most} nat "
            "or less to the unsteered model.",
            most=write_setting(float(most)),
            **values,
        )
    if not abs(own) >= CLEAR[kind]:
        return say(
            "sae_steering.no_effect",
            "No clear statement about {model}: with {feature} {done} the {score} goes from {before} to {after}, "
            "which is hardly a change.",
            **values,
        )
    if not is_its_own(own, [three["control"] - three["unsteered"]]):
        return say(
            "sae_steering.as_control",
            "No clear statement about {model}: with {feature} {done} the {score} goes from {before} to {after}, but "
            "an equally large step along another feature leads to {control}.",
            **values,
        )
    return say(
        "sae_steering.effect",
        "{model}: with {feature} {done} the {score} goes from {before} to {after}, at a KL of {kl} nat to the "
        "unsteered model; an equally large step along another feature leads to {control}.",
        **values,
    )
