"""The rule of its sentence."""

from __future__ import annotations

from math import isfinite
from pathlib import PurePath

from reportgen.language import list_items, say, say_count, sentences
from reportgen.numerals import write_change, write_number, write_setting
from reportgen.numerics.steering import (
    DEEPEST,
    MOST_KL,
)
from reportgen.probes.steering.refusal_statement import tell_refusals
from reportgen.probes.steering.view import View, cells_of
from reportgen.probing.steering_score import (
    CLEAR,
    is_its_own,
)


def tell(view: View) -> str:
    """How many requests are refused; what the chosen cell changes, its price, and whether the controls do as much."""
    return sentences([*tell_refusals(view), _tell_score(view)])


def _tell_score(view: View) -> str:
    at, item, qualifies = view.chosen
    four = cells_of(view)
    if not qualifies:
        return _tell_no_cell(view)
    own = four["steered"] - four["unsteered"]
    controls = [four[name] - four["unsteered"] for name in view.controls]
    before, after = write_change(four["unsteered"], four["steered"], significant=2)
    values = {
        "model": view.name,
        "score": view.score_label,
        "before": before,
        "after": after,
        "layer": view.layers[at],
        "kl": write_number(float(view.values("kl")[at, item]), 2),
    }
    if not abs(own) >= CLEAR[view.kind]:
        return say(
            "steering.no_effect",
            "No clear statement about {model}: in the best cell (layer {layer}) the {score} goes from {before} to "
            "{after}, which is hardly a change.",
            **values,
        )
    if not is_its_own(own, controls):
        return say(
            "steering.as_controls",
            "No clear statement about {model}: the {score} goes from {before} to {after} at layer {layer}, but a "
            "control moves it by {control}.",
            control=write_number(max(abs(one) for one in controls if isfinite(one)), 2),
            **values,
        )
    if view.from_file:
        return _tell_effect_of_file(view, {**values, "random": write_number(four["random"], 2)})
    random, shuffled = (write_number(four[name], 2) for name in view.controls)
    if view.ablated:
        return say(
            "steering.effect_ablated",
            "{model}: taking out the direction of layer {layer} moves the {score} from {before} to {after}, at a KL "
            "of {kl} nat to the unsteered model; a random direction leaves it at {random}, a shuffled split at "
            "{shuffled}.",
            random=random,
            shuffled=shuffled,
            **values,
        )
    return say(
        "steering.effect",
        "{model}: {factor} × the direction at layer {layer} moves the {score} from {before} to {after}, at a KL of "
        "{kl} nat to the unsteered model; a random direction leads to {random}, a shuffled split to {shuffled}.",
        factor=write_setting(view.rows("chosen")[0]["coefficient"]),
        random=random,
        shuffled=shuffled,
        **values,
    )


def _tell_effect_of_file(view: View, values: dict[str, object]) -> str:
    """What the direction of a file does; there are no sets to shuffle."""
    values["file"] = PurePath(view.options["direction"]).name
    if view.ablated:
        return say(
            "steering.effect_of_file_ablated",
            "{model}: taking out the direction of {file}, layer {layer}, moves the {score} from {before} to {after}, "
            "at a KL of {kl} nat to the unsteered model; a random direction leaves it at {random}.",
            **values,
        )
    return say(
        "steering.effect_of_file",
        "{model}: {factor} × the direction of {file} at layer {layer} moves the {score} from {before} to {after}, at a "
        "KL of {kl} nat to the unsteered model; a random direction leads to {random}.",
        factor=write_setting(view.rows("chosen")[0]["coefficient"]),
        **values,
    )


def _tell_no_cell(view: View) -> str:
    """Why there is no cell to choose."""
    rows = view.rows("choice")
    most = write_setting(view.rows("chosen")[0]["most_kl"])
    if not rows and view.kind in ("language", "script"):
        return say(
            "steering.none_of_text",
            "{model}: no cell qualifies: wherever there is a score, KL to the unsteered model exceeds {kl} nat or "
            "the texts loop.",
            model=view.name,
            kl=most,
        )
    if not rows:
        return say(
            "steering.none",
            "{model}: no cell qualifies: KL to the unsteered model exceeds {kl} nat wherever something is changed.",
            model=view.name,
            kl=most,
        )
    counts = [sum(name in row["broken"].split(", ") for row in rows) for name in ("kl", "inducing", "depth")]
    return say_count(
        "steering.no_layer",
        "{model}: the layer tried does not qualify by the paper's rule: {reasons}.",
        "{model}: none of {count} layers qualifies by the paper's rule: {reasons}.",
        len(rows),
        model=view.name,
        reasons=list_items([
            say("steering.broken_kl", "KL is above {most} in {count}", most=write_setting(MOST_KL), count=counts[0]),
            say("steering.broken_inducing", "adding it makes harmless prompts refuse too little in {count}",
                count=counts[1]),
            say("steering.broken_depth", "{count} lie above {share} of the depth", count=counts[2],
                share=write_setting(DEEPEST)),
        ]),
    )  # fmt: skip
