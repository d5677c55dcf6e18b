"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from unicodedata import east_asian_width

import numpy as np

from reportgen.figures.describe import Figure, Ranking, Rankings, TokenGrid
from reportgen.language import list_items, say, sentences
from reportgen.probes.ffn_memory.view import first_tokens, tell_end
from reportgen.probing.probe import quote_prompts
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section
from reportgen.text.characters import mark_space

SHOWN_KEYS = 6
"""Keys whose prefixes are drawn."""
LABEL_WIDTH = 9
"""Narrow letters at the end of a prefix that a figure shows; a Han character is as wide as two."""


def figures(section: Section) -> Iterable[Figure]:
    """A grid of memories a prompt; ranked prefixes of some keys."""
    views = SubjectView.each(section)
    for prompt in range(max((len(view.rows("prompts")) for view in views), default=0)):
        for view in views:
            yield _draw_grid(view, prompt)
    for view in views:
        if view.rows("triggers"):
            yield _prefixes(view)


def _draw_grid(view: SubjectView, prompt: int) -> TokenGrid:
    """Blocks from the last at the top; the strongest memory of each first."""
    tokens = first_tokens(view)
    by_block: dict[int, list[dict[str, Any]]] = {}
    for record in view.rows("memories"):
        if record["prompt"] == prompt:
            by_block.setdefault(record["block"], []).append(record)
    blocks = sorted(by_block, reverse=True)
    most = max((float(by_block[block][0]["strength"]) for block in blocks), default=1.0) or 1.0
    said = [[tokens[r["block"], r["feature"], tell_end(r)] for r in by_block[block]] for block in blocks]
    text = quote_prompts(view.outcome)[prompt]
    return TokenGrid(
        name=f"memories-{prompt}",
        subject=(view.subject,),
        title=say(
            "ffn_memory.grid.title", "{model}: memories after “{prompt}”", model=view.name, prompt=text
        ),
        alt=say(
            "ffn_memory.grid.alt",
            "First tokens that the strongest memories of {model} promote after “{prompt}”: {memories}",
            model=view.name,
            prompt=text,
            memories=list_items(
                [
                    say("ffn_memory.grid.block", "“{token}” in block {block}", token=mark_space(row[0][0]), block=block)
                    for block, row in zip(blocks, said, strict=True)
                ]
            ),
        ),
        row_label=say("figure.block", "block"),
        rows=[str(block) for block in blocks],
        column_label=say("ffn_memory.memory", "memory, the strongest first"),
        columns=[str(rank) for rank in range(1, max((len(row) for row in said), default=0) + 1)],
        texts=[[r["word"] or each[0] for r, each in zip(by_block[block], row, strict=True)]
               for block, row in zip(blocks, said, strict=True)],
        values=np.array([[float(r["strength"]) / most for r in by_block[block]] for block in blocks]),
        value_label=say("ffn_memory.strength", "strength, as a share of the largest"),
        outlined=np.array([[r["word"] is not None for r in by_block[block]] for block in blocks]),
        outline_label=say("ffn_memory.outline", "promotes the answer or a word of the prompt"),
    )  # fmt: skip


def _prefixes(view: SubjectView) -> Rankings:
    """The prefixes of the keys of the last blocks, where values read as words."""
    by_key: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for record in view.rows("triggers"):
        by_key.setdefault((record["block"], record["feature"]), []).append(record)
    keys = sorted(by_key, reverse=True)[:SHOWN_KEYS]
    tokens = first_tokens(view)
    rankings = [
        Ranking(
            title=f"{block}.{feature} {tokens[block, feature, tell_end(by_key[block, feature][0])][0]}",
            labels=[_last_words(str(record["prefix"])) for record in by_key[block, feature]],
            values=[abs(float(record["coefficient"])) for record in by_key[block, feature]],
        )
        for block, feature in keys
    ]
    return Rankings(
        name="prefixes",
        subject=(view.subject,),
        title=say("ffn_memory.prefixes.title", "{model}: prefixes that activate a memory", model=view.name),
        alt=sentences(
            say("ffn_memory.prefixes.alt", "Memory {key}: {prefixes}.", key=one.title, prefixes=list_items(one.labels))
            for one in rankings
        ),
        rankings=rankings,
        value_label=say("ffn_memory.coefficient", "size of the coefficient"),
        value_range=(0.0, max((value for one in rankings for value in one.values), default=1.0)),
        model=view.subject,
    )


def _last_words(prefix: str) -> str:
    """The end of a prefix, which is what sets a memory off, as wide as a label may be."""
    room, start = LABEL_WIDTH, len(prefix)
    while start and room >= (width := 2 if east_asian_width(prefix[start - 1]) in "WF" else 1):
        room, start = room - width, start - 1
    return f"…{prefix[start:].lstrip()}" if start else prefix
