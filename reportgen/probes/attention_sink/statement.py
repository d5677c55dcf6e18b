"""The rule of its sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reportgen.language import list_items, say, say_count, sentences
from reportgen.numerals import write_count, write_number, write_ranges, write_share
from reportgen.numerics.attention import SINK_THRESHOLD
from reportgen.probes.attention_sink.view import FULL, SLIDING
from reportgen.probing.view import SubjectView
from reportgen.text.characters import mark_space

MANY = 0.5
"""Share of all heads from which most of them are said to have their sink on the first token."""
FEW = 0.1
"""Share of all heads below which hardly any is said to."""
APART = 0.2
"""Difference of the shares of sink heads from which two kinds of attention are said to differ."""


def tell(view: SubjectView) -> str:
    """How many heads rest on the first token of the longest prompt, of which kind, and what is massive there."""
    records = view.rows("sinks")
    longest = max(records, key=lambda record: (record["token_count"], -record["prompt"]))
    if longest["uniform"] > SINK_THRESHOLD:
        told = say_count(
            "attention_sink.no_clear_statement",
            "No clear statement about the heads of {model}: a prompt of {count} token is too short to tell a sink.",
            "No clear statement about the heads of {model}: a prompt of {count} tokens is too short to tell a sink.",
            longest["token_count"],
            model=view.name,
        )
    else:
        told = sentences([_tell_heads(view.name, longest), _tell_kinds(view, longest["prompt"])])
    return sentences([told, _tell_massive(view, longest["prompt"])])


def _tell_heads(name: str, longest: Mapping[str, Any]) -> str:
    """How many heads rest there."""
    share = longest["sink_heads"] / longest["heads"]
    values = {
        "model": name,
        "many": write_count(longest["sink_heads"]),
        "all": write_count(longest["heads"]),
        "token": mark_space(longest["token"]),
        "tokens": write_count(longest["token_count"]),
    }
    if share >= MANY:
        return say(
            "attention_sink.most",
            "In {model}, {many} of {all} heads have their sink on the first of {tokens} tokens, “{token}”.",
            **values,
        )
    if share <= FEW:
        return say(
            "attention_sink.hardly_any",
            "In {model}, hardly any head has its sink on the first of {tokens} tokens, “{token}”: {many} of {all}.",
            **values,
        )
    return say(
        "attention_sink.some",
        "In {model}, some heads have their sink on the first of {tokens} tokens, “{token}”: {many} of {all}.",
        **values,
    )


def _tell_kinds(view: SubjectView, prompt: int) -> str:
    """Whether full attention and sliding windows differ; nothing where a model has only one of them."""
    kinds = view.column("blocks", "attention")
    sinks = view.values("importance")[prompt] > SINK_THRESHOLD  # its rows are those of the table
    share = {
        kind: float(sinks[[block for block, one in enumerate(kinds) if one == kind]].mean())
        for kind in (FULL, SLIDING)
        if kind in kinds
    }
    if len(share) < 2:
        return ""
    values = {"full": write_share(share[FULL]), "sliding": write_share(share[SLIDING])}
    if share[FULL] - share[SLIDING] >= APART:
        return say(
            "attention_sink.more_in_full",
            "Sinks are found mainly in full attention: {full} of its heads, {sliding} of those with a sliding window.",
            **values,
        )
    if share[SLIDING] - share[FULL] >= APART:
        return say(
            "attention_sink.more_in_sliding",
            "Sinks are found mainly in sliding windows: {sliding} of their heads, {full} of those with full attention.",
            **values,
        )
    return say(
        "attention_sink.alike",
        "Full attention and sliding windows hardly differ: {full} and {sliding} of their heads.",
        **values,
    )


def _tell_massive(view: SubjectView, prompt: int) -> str:
    """In which layers activations are massive, and where the largest of them stands."""
    records = [r for r in view.rows("activations") if r["prompt"] == prompt]
    found = [record for record in records if record["massive"]]
    if not found:
        most = max(records, key=lambda record: record["times_median"] or 0.0)
        return say(
            "attention_sink.none_massive",
            "No activation is massive; the largest is {times} times the median of its layer, {layer}.",
            times=write_number(most["times_median"] or 0.0),
            layer=most["layer"],
        )
    layers = sorted({record["layer"] for record in found})
    largest = max(found, key=lambda record: abs(record["value"]))
    dimensions = sorted({record["dimension"] for record in found if record["position"] == largest["position"]})
    return say(
        "attention_sink.massive_seen",
        "Activations are massive in layers {layers} of {last}, in dimension {dimensions}: up to {value} at position "
        "{position} (“{token}”), {times} times the median.",
        model=view.name,
        layers=write_ranges(layers),
        last=max(record["layer"] for record in records),
        dimensions=list_items([str(dimension) for dimension in dimensions]),
        value=write_number(abs(largest["value"])),
        position=largest["position"],
        token=mark_space(largest["token"]),
        times=write_number(largest["times_median"]),
    )


def tell_briefly(view: SubjectView) -> str:
    """How many heads have their sink on the first token, and in how many layers activations are massive."""
    return say(
        "attention_sink.brief",
        "{sinks} of the heads are sinks; massive activations in {massive} of the layers",
        sinks=write_share(view.metric("sink_share")),
        massive=write_share(view.metric("massive_share")),
    )
