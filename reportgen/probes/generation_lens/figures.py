"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from reportgen.figures.describe import Curve, Curves, Figure, TokenGrid
from reportgen.language import list_items, say, unit_of
from reportgen.numerals import UNDEFINED
from reportgen.probes.generation_lens import MOST_DRAWN
from reportgen.probes.generation_lens.view import Key, View, first_emoji_tokens, step_of_interest, tell_step
from reportgen.probing.followed import draw_followed, followed_at
from reportgen.probing.parts import describe_curves, describe_layer_grid
from reportgen.results.section import Section
from reportgen.text.characters import mark_space

MOST_ANSWERS = 16
"""Attempts of which it is shown where the right answer is expected."""
WIDEST = 14
"""Columns of a grid."""


def figures(section: Section) -> Iterable[Figure]:
    """A trace at a time, models side by side; then the layers' way to the tokens of its first emoji."""
    views = View.each(section)
    for number in range(MOST_DRAWN):
        for draw in (_grids, _emoji_curves):
            for view in views:
                if number < len(view.traces):
                    yield from draw(view, view.traces[number])
        yield from _draw_followed(views, number)
    for view in views:
        if any(row["step"] is not None for row in view.answered):
            yield _draw_answers(view)


def _draw_answers(view: View) -> TokenGrid:
    """A row for each attempt: the answer that its text has, and where in the text and in depth it is expected."""
    rows = view.answered[:MOST_ANSWERS]
    marks = [_tell_answer(row, view.last) for row in rows]
    return describe_layer_grid(
        view,
        name="answers",
        title=say(
            "generation_lens.answers.title",
            "{model}: where the right answer is expected first, in any layer and in the last (own)",
            model=view.name,
        ),
        alt=say(
            "generation_lens.answers.alt",
            "Right answers of {model}, each with the token before which and the layer at which it is expected first: "
            "{told}",
            model=view.name,
            told=list_items(
                [f"{view.tell_trace((row['prompt'], row['attempt']))}: {', '.join(cells)}"
                 for row, (cells, _) in zip(rows, marks, strict=True)]
            ),
        ),
        row_label=say("generation_lens.answers.rows", "prompt"),
        rows=[view.quotes[row["prompt"]] for row in rows],
        column_label=say(
            "generation_lens.answers.columns", "right answer: written; before which token expected, at which layer"
        ),
        columns=[
            say("generation_lens.answers.written", "written"),
            say("generation_lens.answers.token", "token"),
            say("generation_lens.answers.layer", "layer"),
            say("generation_lens.answers.own_token", "own token"),
            say("generation_lens.answers.own_layer", "own layer"),
        ],
        texts=[cells for cells, _ in marks],
        values=np.array([shades for _, shades in marks]),
        value_label=say("generation_lens.answers.depth", "share of the depth"),
        sampleable=False,
    )  # fmt: skip


def _tell_answer(row: Mapping[str, Any], last: int) -> tuple[list[str], list[float]]:
    """The cells of one attempt, and how dark each is: only layers are."""
    cells, shades = [str(row["right"]) or UNDEFINED], [0.0]
    for step, layer in ((row["step"], row["layer"]), (row["own_step"], row["own_layer"])):
        cells += [UNDEFINED, UNDEFINED] if step is None else [str(step + 1), str(layer)]
        shades += [0.0, 0.0 if layer is None else layer / last]
    return cells, shades


def _draw_followed(views: Sequence[View], number: int) -> Iterable[Curves]:
    """The way of the followed words, where the first emoji is written or else at the first step."""
    shown = []
    for view in (view for view in views if number < len(view.traces)):
        trace = view.traces[number]
        token = step_of_interest(view, trace)
        if token is not None:
            words = followed_at(view, number, token["step"])
            shown.append((view, tell_step(view, trace, token), words))
    return draw_followed(shown, str(number), relative=False)


def _grids(view: View, trace: Key) -> Iterable[TokenGrid]:
    """Layers from the last at the top to the embedding at the bottom; a wide trace in several grids."""
    written = view.written[trace]
    for start in range(0, len(written), WIDEST):
        yield _draw_grid(view, trace, written[start : start + WIDEST])


def _draw_grid(view: View, trace: Key, written: Sequence[Mapping[str, Any]]) -> TokenGrid:
    layers = range(view.last, -1, -1)
    cells = [[view.cells[(*trace, token["step"], layer)] for token in written] for layer in layers]
    first = written[0]["step"]
    return describe_layer_grid(
        view,
        name=f"trace-{trace[0]}-{trace[1]}-{first}",
        title=say("figure.of_model", "{model}: {what}", model=view.name, what=view.tell_trace(trace)),
        alt=say(
            "generation_lens.grid.alt",
            "Most likely token of every layer of {model} before each token that it writes {where}: {tokens}",
            model=view.name,
            where=view.tell_trace(trace),
            tokens=list_items([mark_space(str(token["shown"])) for token in written]),
        ),
        rows=layers,
        column_label=say("generation_lens.written", "token written"),
        columns=[_title_of_column(str(token["shown"])) for token in written],
        texts=[[str(cell[0]["token"]) for cell in row] for row in cells],
        values=np.array([[cell[0]["probability"] for cell in row] for row in cells]),
        value_label=unit_of("probability"),
        outlined=np.array(
            [[cell[0]["token_id"] == token["token_id"] for cell, token in zip(row, written, strict=True)]
             for row in cells]
        ),
        outline_label=say("generation_lens.outline", "the token that is written"),
        alternatives=[[[(str(one["token"]), one["probability"]) for one in cell[1:]] for cell in row] for row in cells],
    )  # fmt: skip


def _emoji_curves(view: View, trace: Key) -> Iterable[Curves]:
    """The probability that each layer gives to the tokens of the first emoji; nothing where there is none."""
    tokens = first_emoji_tokens(view, trace)
    if not tokens:
        return
    curves = []
    for number, token in enumerate(tokens, 1):
        y = view.probability[(*trace, token["step"])]
        shown = mark_space(str(token["shown"]))
        # Two of its tokens may be the same bytes.
        label = shown if len(tokens) == 1 else f"{number}: {shown}"
        curves.append(Curve(label=label, x=range(view.last + 1), y=y.tolist(), group=label,
                            model=view.subject if len(tokens) == 1 else None))  # fmt: skip
    emoji = str(view.emoji[trace][0]["character"])
    what = say("generation_lens.curves.what", "probability of the tokens of {emoji}", emoji=emoji)
    yield describe_curves(
        view,
        name=f"emoji-{trace[0]}-{trace[1]}",
        title=say(
            "generation_lens.curves.title",
            "{model}: the way to {emoji} {where}",
            model=view.name,
            emoji=emoji,
            where=view.tell_trace(trace),
        ),
        what=what,
        curves=curves,
        y_range=(0.0, 1.0),
    )


def _title_of_column(shown: str) -> str:
    """What stands above a column: of `<A0>→🐠`, whose bytes are in the cell below it, the character they complete."""
    fragment, arrow, character = shown.partition("→")
    return f"{arrow}{character}" if arrow and fragment.startswith("<") else mark_space(shown)
