"""What its figures show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from reportgen.figures.describe import Figure, TokenGrid
from reportgen.language import list_items, say
from reportgen.numerals import write_cell, write_number
from reportgen.probes.attention_parts.curves import draw_distances
from reportgen.probes.attention_parts.view import rows_of_head
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section
from reportgen.text.characters import mark_space

WIDEST = 14
"""Keys of a figure."""


def figures(section: Section) -> Iterable[Figure]:
    """A grid a head and prompt: the four numbers of every key; then a curve a head over the distance of two words."""
    views = SubjectView.each(section)
    for prompt in range(max((len(view.rows("prompts")) for view in views), default=0)):
        heads = dict.fromkeys((r["block"], r["head"]) for view in views for r in view.rows("heads"))
        for block, head in heads:
            for view in views:
                yield from _grids(view, prompt, block, head)
    for block, head in dict.fromkeys((r["block"], r["head"]) for view in views for r in view.rows("heads")):
        yield from draw_distances(views, block, head)


def _quantities() -> dict[str, str]:
    """Column of `keys` -> what a row of a figure is called, from top to bottom."""
    return {
        "score": say("attention_parts.score", "score q·k"),
        "weight": say("attention_parts.weight", "weight"),
        "value_norm": say("attention_parts.value_norm", "value norm"),
        "norm_weighted": say("attention_parts.product", "product"),
    }


def _grids(view: SubjectView, prompt: int, block: int, head: int) -> Iterable[TokenGrid]:
    """The four numbers of every key, some keys a grid; shades from a row's least, or 0, to its largest."""
    records = rows_of_head(view, prompt, block, head)
    if not records:
        return
    quantities = _quantities()
    numbers = np.array([[np.nan if r[q] is None else r[q] for r in records] for q in quantities], dtype=float)
    least = np.array([np.nanmin(numbers[0]), 0.0, 0.0, 0.0])[:, None]
    shades = (numbers - least) / np.maximum(np.nanmax(numbers, axis=1, keepdims=True) - least, 1e-12)
    query = view.rows("queries")[prompt]
    for part, some in enumerate(_split_evenly(len(records))):
        yield TokenGrid(
            name=f"head-{block}-{head}-{prompt}-{part}",
            subject=(view.subject,),
            title=say(
                "attention_parts.title",
                "{model}: block {block}, head {head}, seen from “{token}”",
                model=view.name,
                block=block,
                head=head,
                token=mark_space(str(query["token"])),
            ),
            alt=say(
                "attention_parts.alt",
                "Scores, weights and norms of head {block}.{head} of {model}: {keys}",
                block=block,
                head=head,
                model=view.name,
                keys=list_items([_tell_key(record) for record in records[some]]),
            ),
            row_label=say("attention_parts.of_each_key", "of each key"),
            rows=list(quantities.values()),
            column_label=say("attention_parts.keys", "key"),
            columns=[mark_space(str(record["token"])) for record in records[some]],
            texts=[[write_cell(float(number)) for number in row] for row in numbers[:, some]],
            values=shades[:, some],
            value_label=say("attention_parts.shade", "from each row's smallest value, or 0, to its largest"),
            outlined=np.zeros(shades[:, some].shape, dtype=bool),
        )


def _split_evenly(count: int) -> list[slice]:
    """Columns for as few grids as there can be, all about as wide."""
    width = math.ceil(count / math.ceil(count / WIDEST))
    return [slice(start, start + width) for start in range(0, count, width)]


def _tell_key(record: Mapping[str, Any]) -> str:
    return say(
        "attention_parts.key",
        "“{token}” has weight {weight}",
        token=mark_space(str(record["token"])),
        weight=write_number(record["weight"], 2),
    )
