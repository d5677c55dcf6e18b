"""The rule of its sentence."""

from __future__ import annotations

from typing import Any

from reportgen.language import say, say_count, sentences
from reportgen.numerals import write_change, write_count, write_number, write_signed
from reportgen.probes.loss_by_position.view import read_context, reason_beyond
from reportgen.probing.view import SubjectView

CLEAR = 0.2
"""Nats by which the loss changes from the first bin to the last before it is said to."""
LOST = 0.5
"""Nats above the last bin within the trained context from which a model is said to be lost beyond it."""

FEW = 5
"""Windows below which it is said how few there are."""


def tell(view: SubjectView) -> str:
    """How far the loss falls within the trained context, and what it is beyond it."""
    return sentences([_tell_within(view), _tell_beyond(view), _tell_text(view)])


def _tell_within(view: SubjectView) -> str:
    first, last = view.metric("loss_first"), view.metric("loss_last")
    assert first is not None
    assert last is not None
    rows = view.rows("bins")
    before, after = write_change(first, last)
    values = {"model": view.name, "before": before, "after": after, "first": _positions(rows[0]),
              "last": _positions(_last_within(view, rows))}  # fmt: skip
    if first - last >= CLEAR:
        return say(
            "loss_by_position.falls",
            "In {model} the loss per token falls from {before} at positions {first} to {after} at positions {last}.",
            **values,
        )
    if last - first >= CLEAR:
        return say(
            "loss_by_position.rises",
            "In {model} the loss per token rises from {before} at positions {first} to {after} at positions {last}.",
            **values,
        )
    return say(
        "loss_by_position.level",
        "No clear statement about {model}: its loss per token is {before} at positions {first} and {after} at "
        "positions {last}.",
        **values,
    )


def _last_within(view: SubjectView, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The bin that `loss_last` is of."""
    last = view.metric("loss_last")
    return next(row for row in reversed(rows) if row["loss"] == last)


def _positions(row: dict[str, Any]) -> str:
    return say(
        "loss_by_position.range", "{first}–{last}", first=write_count(row["first"]), last=write_count(row["last"])
    )


def _tell_beyond(view: SubjectView) -> str:
    """What happens past the trained context; empty where the windows do not reach so far."""
    context, beyond, last = read_context(view), view.metric("loss_beyond"), view.metric("loss_last")
    if context is None or context >= view.options["length"]:
        return ""
    if beyond is None:
        return say(
            "loss_by_position.no_position",
            "Beyond {context} tokens {model} cannot be measured: {reason}.",
            context=write_count(context),
            model=view.name,
            reason=say("loss_by_position.no_row", "there is no row in its position table")
            if reason_beyond(view)
            else view.outcome.metrics["loss_beyond"].reason,
        )
    assert last is not None
    values = {"context": write_count(context), "loss": write_number(beyond), "more": write_signed(beyond - last)}
    if beyond - last >= LOST:
        return say(
            "loss_by_position.lost",
            "Beyond its trained context of {context} tokens it is {loss} ({more}): the model has lost its way there.",
            **values,
        )
    return say(
        "loss_by_position.holds", "Beyond its trained context of {context} tokens it is {loss} ({more}).", **values
    )


def _tell_text(view: SubjectView) -> str:
    """How little it was taken from, where it was little."""
    count = int(view.metric("windows") or 0)
    if count >= FEW:
        return ""
    return say_count(
        "loss_by_position.windows",
        "That is of {count} window alone: single steps of the line say little.",
        "That is of {count} windows alone: single steps of the line say little.",
        count,
    )


def tell_briefly(view: SubjectView) -> str:
    """From where to where the loss goes."""
    before, after = write_change(view.metric("loss_first"), view.metric("loss_last"))
    return say(
        "loss_by_position.brief", "loss {before} at the beginning, {after} at the end", before=before, after=after
    )
