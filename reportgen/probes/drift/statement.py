"""The rule of its sentence."""

from __future__ import annotations

import numpy as np

from reportgen.language import say, say_count, sentences
from reportgen.numerals import write_number, write_ranges, write_share
from reportgen.probes.drift.view import CLEAR, changed_cells, name_largest
from reportgen.probing.view import SubjectView


def tell(view: SubjectView) -> str:
    """Where the change begins, where it is largest, and what reaches the next token."""
    return sentences([_tell_stream(view), _tell_weights(view), _tell_tokens(view)])


def _tell_stream(view: SubjectView) -> str:
    """From which layer on the two differ, and where most."""
    change = view.values("relative_change")
    first = view.metric("first_changed_layer")
    if np.isnan(change).all():
        return say(
            "drift.no_clear_statement", "No clear statement about {model}: no layer has a norm.", model=view.name
        )
    if first is None:
        return say(
            "drift.no_layer_changed",
            "{model}: no layer changed by more than {threshold} of its norm.",
            model=view.name,
            threshold=write_share(CLEAR),
        )
    top = int(np.nanargmax(change))
    return say(
        "drift.begins",
        "{model}: the change begins at layer {first} of {last} and is largest at layer {layer} ({change} of the norm).",
        model=view.name,
        first=first,
        last=len(change) - 1,
        layer=top,
        change=write_share(float(change[top])),
    )


def _tell_tokens(view: SubjectView) -> str:
    """How much of the difference reaches the next token; nothing where that is undefined."""
    agreement, kl = view.metric("agreement"), view.metric("kl")
    if agreement is None or kl is None:
        return ""
    return say_count(
        "drift.tokens",
        "The most likely next token stays the same at {agreement} of {count} position (KL {kl} nat).",
        "The most likely next token stays the same at {agreement} of {count} positions (KL {kl} nat).",
        int(view.metric("positions") or 0),
        agreement=write_share(agreement),
        kl=write_number(kl, 2),
    )


def _tell_weights(view: SubjectView) -> str:
    """Which blocks' weights differ, and where most."""
    cells = changed_cells(view)
    changed = sorted({cell.block for cell in cells if cell.change})
    if not changed and view.metric("changed_tensors"):
        return say("drift.outside_blocks", "Only weights outside the blocks differ.")
    if not changed and (unread := len(view.rows("skipped"))):
        return say_count(
            "drift.weights_unread",
            "The weights that can be compared are equal; {count} tensor cannot be.",
            "The weights that can be compared are equal; {count} tensors cannot be.",
            unread,
        )
    if not changed:
        return say("drift.weights_equal", "The weights are equal.")
    if len(changed) == len({cell.block for cell in cells}):
        return say(
            "drift.every_block", "The weights of every block differ, most in {place}.", place=name_largest(cells)
        )
    return say_count(
        "drift.some_blocks",
        "Only the weights of block {blocks} differ, most in {place}.",
        "Only the weights of blocks {blocks} differ, most in {place}.",
        len(changed),
        blocks=write_ranges(changed),
        place=name_largest(cells),
    )
