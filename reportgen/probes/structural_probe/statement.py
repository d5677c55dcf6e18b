"""The rule of its sentence."""

from __future__ import annotations

from reportgen.language import list_items, say, say_count, sentences
from reportgen.numerals import write_count, write_depth, write_share
from reportgen.probes.structural_probe.view import Control, View


def tell(view: View) -> str:
    """How much of the trees the best layer shows, next to its controls, and whether it is in the middle."""
    if view.best is None:
        return say(
            "structural_probe.nothing", "No clear statement about {model}: nothing is measured.", model=view.name
        )
    return sentences([_tell_trees(view), _tell_course(view), _tell_left_out(view)])


def _tell_trees(view: View) -> str:
    controls = list_items([_tell_control(name, share) for name, share in view.controls.items()])
    values = {
        "model": view.name,
        "share": write_share(view.metric("uuas")),
        "depth": write_depth(view.metric("best_layer") or 0, view.last_layer),
        "edges": write_count(int(view.metric("edges") or 0)),
        "sentences": write_count(int(view.metric("test_sentences") or 0)),
    }
    if view.exceeds_controls:
        return say(
            "structural_probe.trees",
            "{model} shows the trees best at layer {depth}: {share} of {edges} edges in {sentences} held-out "
            "sentences, the most of {layers} layers on these, next to {controls}.",
            layers=len(view.layers),
            controls=controls,
            **values,
        )
    return say(
        "structural_probe.no_more",
        "{model} shows no more of the trees than its controls do, to within {margin}: at its best layer, {depth}, "
        "{share} of {edges} edges in {sentences} held-out sentences, next to {controls}.",
        controls=controls,
        margin=write_share(view.margin),
        **values,
    )


def _tell_control(control: Control, share: float) -> str:
    told = write_share(share)
    if control == "chain":
        return say("structural_probe.control.chain", "{share} for the linear chain", share=told)
    if control == "embedding":
        return say("structural_probe.control.embedding", "{share} at layer 0", share=told)
    return say("structural_probe.control.twin", "{share} with random weights", share=told)


def _tell_course(view: View) -> str:
    """Whether there is a hump in the middle; empty where there is nothing to see, or too few layers to tell."""
    if not view.exceeds_controls or view.has_hump is None:
        return ""
    last = write_share(float(view.values("uuas")[-1]))
    if view.has_hump:
        return say(
            "structural_probe.hump",
            "The curve has a hump in the middle: the last layer shows {share}.",
            share=last,
        )
    return say(
        "structural_probe.no_hump",
        "The curve has no hump in the middle: the last layer shows {share}.",
        share=last,
    )


def _tell_left_out(view: View) -> str:
    """Sentences that this model cannot be asked of; empty where there are none."""
    count = int(view.metric("left_out") or 0)
    if not count:
        return ""
    return say_count(
        "structural_probe.left_out",
        "{count} sentence is left out: a token of {model} reaches over the end of a word.",
        "{count} sentences are left out: a token of {model} reaches over the end of a word.",
        count,
        model=view.name,
    )


def tell_briefly(view: View) -> str:
    """How much the best layer shows, and the chain."""
    if view.best is None:
        return say("structural_probe.brief_nothing", "nothing is measured")
    return say(
        "structural_probe.brief",
        "{share} of the edges at layer {depth}, the linear chain {chain}",
        share=write_share(view.metric("uuas")),
        depth=write_depth(view.metric("best_layer") or 0, view.last_layer),
        chain=write_share(view.metric("uuas_chain")),
    )
