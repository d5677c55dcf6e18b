"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from reportgen.figures.describe import Figure, HeatMap, TokenGrid
from reportgen.language import list_items, say
from reportgen.numerals import write_number
from reportgen.probes.patchscope import MOST_DRAWN
from reportgen.probes.patchscope.view import drop_last_layer, expected_of
from reportgen.probing.parts import describe_layer_grid
from reportgen.probing.probe import quote_prompts
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section

WIDEST = 14
"""Tokens of an answer that are drawn."""
SHADE = 0.25
"""Fill of a cell whose token does not stand in the target: it came from the representation, or was made up."""


def figures(section: Section) -> Iterable[Figure]:
    """A prompt and a target at a time, models side by side; then the layer maps on shared scales."""
    views = SubjectView.each(section)
    yield from answer_grids(views)
    highest = max((_find_highest(view) for view in views), default=0.0) or 1.0
    surprisal = say(
        "patchscope.surprisal",
        "surprisal (nat), at the end of the scale {highest} or more",
        highest=write_number(highest, 2),
    )
    for name, what, label, top in (
        ("precision", say("patchscope.precision", "precision@1"), say("patchscope.precision", "precision@1"), 1.0),
        ("surprisal", say("patchscope.surprisal.what", "surprisal"), surprisal, highest),
    ):
        for view in views:
            if view.values("precision_by_layer").size:
                yield replace(_map(view, name, what, top), value_label=label)


def answer_grids(views: Sequence[SubjectView]) -> Iterator[TokenGrid]:
    """What was written: a grid a prompt and a target, models side by side."""
    if not views:
        return
    most = max(len(quote_prompts(view.outcome)) for view in views)
    ids = [str(target["id"]) for target in views[0].options["targets"]]
    for prompt, (at, target) in product(range(min(most, MOST_DRAWN)), enumerate(ids)):
        for view in views:
            quotes = quote_prompts(view.outcome)  # a model may have no row for a token of a prompt
            if prompt >= len(quotes):
                continue
            rows = [row for row in view.rows("answers") if (row["prompt"], row["target"]) == (prompt, target)]
            what = say("patchscope.asked", "“{prompt}”, asked “{target}”", prompt=quotes[prompt], target=target)
            yield from _grids(view, rows, f"{prompt}-{at}", what)


def _grids(view: SubjectView, rows: Sequence[Mapping[str, Any]], key: str, what: str) -> Iterator[TokenGrid]:
    """A grid; where every layer was put in at several, one a target layer."""
    if view.options["target_layers"] == "same":
        yield _draw_grid(view, rows, key, what)
        return
    for layer in sorted({row["target_layer"] for row in rows}):
        into = say("patchscope.into", "{what}, put in at layer {layer}", what=what, layer=layer)
        some = [row for row in rows if row["target_layer"] == layer]
        yield _draw_grid(view, some, f"{key}-into-{layer}", into)


def _draw_grid(view: SubjectView, rows: Sequence[Mapping[str, Any]], key: str, what: str) -> TokenGrid:
    shown = sorted(rows, key=lambda row: -row["layer"])
    own = _tokens_of(view, shown)
    copied = _own_tokens(view, str(shown[0]["target"]))
    width = min(max([len(tokens) for tokens in own] + [1]), WIDEST)
    values = np.full((len(shown), width), np.nan)
    outlined = np.zeros((len(shown), width), dtype=bool)
    texts = [["" for _ in range(width)] for _ in shown]
    words = expected_of(view, int(shown[0]["prompt"]))
    for at, tokens in enumerate(own):
        for step, token in enumerate(tokens[:width]):
            texts[at][step] = token
            values[at, step] = 0.0 if token.strip().casefold() in copied else SHADE
        named = bool(shown[at]["named"])
        outlined[at, : len(tokens)] = _mark_named(tokens[:width], words) if named else False
    return describe_layer_grid(
        view,
        name=f"answers-{key}",
        title=say("figure.of_model", "{model}: {what}", model=view.name, what=what),
        alt=say(
            "patchscope.grid.alt",
            "What {model} writes with the representation of each layer: {answers}",
            model=view.name,
            answers=list_items(
                [
                    say("patchscope.layer_answer", "layer {layer}: {answer}", layer=row["layer"], answer=row["answer"])
                    for row in reversed(shown)
                ]
            ),
        ),
        row_label=say("patchscope.source_layer", "layer of the representation (0 = embedding)"),
        rows=[str(row["layer"]) for row in shown],
        column_label=say("patchscope.token", "token written"),
        columns=[str(step + 1) for step in range(width)],
        texts=texts,
        values=values,
        value_label=say("patchscope.shaded", "shaded: not a token of the target itself"),
        outlined=outlined,
        outline_label=say("patchscope.outline", "an expected word") if words else "",
    )


def _tokens_of(view: SubjectView, rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """(row) the tokens of each answer."""
    keys = ("prompt", "target", "layer", "target_layer")
    wanted = {tuple(row[key] for key in keys): list[str]() for row in rows}
    for token in view.rows("tokens"):
        place = tuple(token[key] for key in keys)
        if place in wanted:
            wanted[place].append(str(token["token"]))
    return list(wanted.values())


def _own_tokens(view: SubjectView, target: str) -> set[str]:
    """What stands in a target, without spaces and case."""
    rows = view.rows("targets")
    joined = next(str(row["tokens"]) for row in rows if row["target"] == target)
    return {token.strip().casefold() for token in joined.split(" | ")}


def _mark_named(tokens: Sequence[str], words: Sequence[str]) -> list[bool]:
    """(token) whether it holds a part of an expected word."""
    text = "".join(tokens).casefold()
    inside = [False] * len(text)
    for word in words:
        at = text.find(word.casefold())
        while at >= 0:
            inside[at : at + len(word)] = [True] * len(word)
            at = text.find(word.casefold(), at + 1)
    found, start = [], 0
    for token in tokens:
        end = start + len(token.casefold())
        found.append(any(inside[start:end]))
        start = end
    return found


def _find_highest(view: SubjectView) -> float:
    """Of the surprisals: an embedding read by the lens may be hundreds of nats off, and the rest would look like 0."""
    array = view.outcome.arrays["surprisal_by_layer"]
    return float(drop_last_layer(array).max(initial=0.0)) if array.values.size else 0.0


def _map(view: SubjectView, name: str, label: str, top: float) -> HeatMap:
    """Layers that were not asked for are empty."""
    found = view.outcome.arrays[f"{name}_by_layer"]
    sources, into = found.along("layer"), found.along("item")
    values = np.full((view.last_layer + 1, view.last_layer + 1), np.nan)
    values[np.ix_(sources, into)] = found.values
    return HeatMap(
        name=f"identity-{name}",
        subject=(view.subject,),
        title=say(
            "patchscope.map.title",
            "{model}: {what} of the identity prompt",
            model=view.name,
            what=label,
        ),
        alt=say(
            "patchscope.map.alt",
            "{what} of the identity prompt in {model}, by source and target layer, from {lowest} to {highest}",
            what=label,
            model=view.name,
            lowest=write_number(float(found.values.min()), 2),
            highest=write_number(float(found.values.max()), 2),
        ),
        values=values,
        row_label=say("patchscope.source", "source layer"),
        column_label=say("patchscope.target", "target layer"),
        value_label=label,
        value_range=(0.0, top),
    )
