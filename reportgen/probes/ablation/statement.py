"""The rule of its sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reportgen.language import list_items, say, sentences
from reportgen.numerals import write_number, write_setting, write_signed
from reportgen.probing.right_answers import tell_taken
from reportgen.probing.view import SubjectView

BARELY = 0.1
"""Nats a token below which nothing is said to be missed."""
STANDS_OUT = 2.0
"""Times the second most missed head from which one is said to stand out."""
TOLD = 3
"""Heads that a statement names."""


def _part(record: Mapping[str, Any]) -> str:
    """A component, with what the loss rises by without it."""
    values = {"block": record["block"], "head": record["head"], "change": write_signed(record["change"], 2)}
    if record["component"] == "heads":
        return say("ablation.part.head", "head {block}.{head} ({change})", **values)
    if record["component"] == "attention":
        return say("ablation.part.attention", "the attention of block {block} ({change})", **values)
    if record["component"] == "mlp":
        return say("ablation.part.mlp", "the MLP of block {block} ({change})", **values)
    return say("ablation.part.block", "all of block {block} ({change})", **values)


def tell(view: SubjectView) -> str:
    """Which head stands out, if any does, and the MLP, attention and block that are missed most."""
    records = view.rows("largest")
    loss = write_number(view.metric("loss"))
    least = write_setting(BARELY)
    if all(record["change"] < BARELY for record in records):
        nothing = say(
            "ablation.nothing_missed",
            "No clear statement about {model}: without any one of its parts the loss ({loss} nats per token) rises "
            "by less than {least}.",
            model=view.name,
            loss=loss,
            least=least,
        )
        return sentences([nothing, tell_taken(view, foil=False)])
    heads = [record for record in records if record["component"] == "heads"]
    whole = [record for record in records if record["component"] != "heads" and record["rank"] == 1]
    told = []
    if whole:
        told.append(
            say(
                "ablation.missed",
                "Most missed in {model}, in nats per token on top of a loss of {loss}: {parts}.",
                model=view.name,
                loss=loss,
                parts=list_items([_part(record) for record in whole]),
            )
        )
    if heads:
        told.append(_tell_heads(view.name, heads, least))
    return sentences([*told, tell_taken(view, foil=False)])


def _tell_heads(name: str, heads: Sequence[Mapping[str, Any]], least: str) -> str:
    """Whether one head of a model stands out, several are missed, or none is."""
    largest = [_part(record) for record in heads[:TOLD]]
    first, second = (heads[at]["change"] if at < len(heads) else 0.0 for at in (0, 1))
    if first < BARELY:
        return say(
            "ablation.no_head",
            "No single head of {model} is missed by {least} or more; the largest: {heads}.",
            model=name,
            least=least,
            heads=list_items(largest),
        )
    if first >= STANDS_OUT * second:
        return say(
            "ablation.one_head",
            "One head of {model} stands out: {heads}.",
            model=name,
            heads=list_items(largest[:1]),
        )
    return say(
        "ablation.some_heads", "The heads of {model} missed most: {heads}.", model=name, heads=list_items(largest)
    )
