"""The rule of its sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Figure
from reportgen.language import list_items, list_quotes, say, say_count, sentences
from reportgen.numerals import write_count, write_number, write_share
from reportgen.numerics.attention import SINK_THRESHOLD
from reportgen.probes.attention_grid.view import look_rows, words_of_look
from reportgen.probing.probe import quote_prompts
from reportgen.probing.view import SubjectView

MANY = 0.5
"""Share of all heads from which most of them are said to have their sink on the first token."""
FEW = 0.1
"""Share of all heads below which hardly any is said to."""
GATHERED = 2 / 3
"""Share of the other heads that a few blocks must hold to be named."""
MOST_BLOCKS = 4
FEWEST_OTHERS = 4
"""Heads without a sink below which their blocks are no pattern."""


LOOKS = 0.1
"""Weight from one word at another below which no head is said to look so."""


def tell(view: SubjectView) -> str:
    """The heads that look from one word at another, then where heads park."""
    return sentences([*_tell_looks(view), _tell_sinks(view, _find_longest(view))])


def tell_figure(view: SubjectView, figure: Figure) -> str:
    """Where heads park in the one prompt that a figure is of, where that is not the one that the statement tells of."""
    if not figure.name.startswith(("heads-", "head-")):
        return ""
    quoted = list_quotes(figure.title)
    shown = [at for at, prompt in enumerate(quote_prompts(view.outcome)) if prompt in quoted]
    return _tell_sinks(view, shown[0]) if len(shown) == 1 and shown[0] != _find_longest(view) else ""


def _find_longest(view: SubjectView) -> int:
    return int(np.argmax(view.column("prompts", "token_count")))


def _tell_looks(view: SubjectView) -> Iterable[str]:
    first = {row["find"]: row for row in view.rows("found") if row["rank"] == 1} if look_rows(view) else {}
    for number, row in first.items():
        values = {
            "model": view.name,
            "head": f"{row['block']}.{row['head']}",
            **words_of_look(view, number),
            "weight": write_number(row["weight"]),
        }
        if row["weight"] < LOOKS:
            yield say(
                "attention_grid.looks_at_none",
                "No clear statement about {model}: no head looks clearly from “{looks}” at “{looked}”; most of all "
                "{head}, with a weight of {weight}.",
                **values,
            )
            continue
        yield say_count(
            "attention_grid.looks_at",
            "In {model}, head {head} looks most from “{looks}” at “{looked}”, with a weight of {weight}; {below} of "
            "its other pairs of tokens have less.",
            "In {model}, head {head} looks most from “{looks}” at “{looked}”, with a mean weight of {weight} (at least "
            "{least}) in {count} sentences; {below} of its other pairs of tokens have less.",
            row["prompts"],
            **values,
            least=write_number(row["least"]),
            below=write_share(row["below"]),
        )


def _tell_sinks(view: SubjectView, prompt: int) -> str:
    """How many heads park on the first token of a prompt, and in which blocks the others are."""
    count = view.column("prompts", "token_count")[prompt]
    # Attention spread evenly over what it may see has the importance H(T) / T: short prompts pass for sinks.
    if sum(1 / n for n in range(1, count + 1)) / count > SINK_THRESHOLD:
        return say_count(
            "attention_grid.no_clear_statement",
            "No clear statement about {model}: a prompt of {count} token is too short to tell a sink.",
            "No clear statement about {model}: a prompt of {count} tokens is too short to tell a sink.",
            count,
            model=view.name,
        )
    sinks, blocks = view.values("sink")[prompt] > SINK_THRESHOLD, view.along("sink", "block")
    values = {
        "model": view.name,
        "many": write_count(int(sinks.sum())),
        "all": write_count(sinks.size),
        "token": next(r["token"] for r in view.rows("tokens") if r["prompt"] == prompt),
        "tokens": write_count(count),
    }
    if sinks.mean() >= MANY:
        most = say(
            "attention_grid.most_sink",
            "In {model}, {many} of {all} heads park their attention on the first of {tokens} tokens, “{token}”.",
            **values,
        )
        return sentences([most, _tell_others(sinks, blocks)])
    if sinks.mean() <= FEW:
        return say(
            "attention_grid.few_sink",
            "In {model}, hardly any head parks its attention on the first token, “{token}”: {many} of {all}.",
            **values,
        )
    return say(
        "attention_grid.some_sink",
        "In {model}, some heads park their attention on the first of {tokens} tokens, “{token}”: {many} of {all}.",
        **values,
    )


def _tell_others(sinks: NDArray[Any], numbers: Sequence[int]) -> str:
    """The few blocks that hold most heads without a sink; nothing where they are few or everywhere."""
    by_block = (~sinks).sum(1)
    largest = np.argsort(-by_block, kind="stable")[:MOST_BLOCKS]
    held = np.cumsum(by_block[largest])
    if by_block.sum() < FEWEST_OTHERS or held[-1] < GATHERED * by_block.sum():
        return ""
    enough = int(np.argmax(held >= GATHERED * by_block.sum())) + 1
    blocks = sorted(numbers[int(block)] for block in largest[:enough])
    return say_count(
        "attention_grid.others",
        "The heads that do not are mostly in block {blocks}.",
        "The heads that do not are mostly in blocks {blocks}.",
        len(blocks),
        blocks=list_items([str(block) for block in blocks]),
    )


def tell_briefly(view: SubjectView) -> str:
    """How many heads park on the first token of the longest prompt."""
    sinks = view.values("sink")[int(np.argmax(view.column("prompts", "token_count")))] > SINK_THRESHOLD
    return say(
        "attention_grid.brief",
        "{many} of {all} heads ({share}) park on the first token",
        many=write_count(int(sinks.sum())),
        all=write_count(sinks.size),
        share=write_share(float(sinks.mean())),
    )
