"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from reportgen.figures.describe import Curves, Figure, TokenGrid
from reportgen.language import list_items, say
from reportgen.numerals import write_cell, write_number, write_signed
from reportgen.probes.concept_directions import MOST_DRAWN
from reportgen.probes.concept_directions.view import FollowedToken, View
from reportgen.probing.parts import describe_beside_controls
from reportgen.probing.probe import quote_prompts
from reportgen.results.section import Section
from reportgen.text.characters import mark_space, name_joined

WIDEST = 14
"""Tokens in a line of a strip."""
MOST_LINES = 6
"""Lines of a strip; the table has more tokens."""
TOLD = 3
"""Tokens that are read out."""


def figures(section: Section) -> Iterable[Figure]:
    """How well each layer separates the sets; then the texts, each in every model, on one scale of colours."""
    views = View.each(section)
    for view in views:
        if not view.from_file:
            yield _draw_separation(view)
    drawn = [
        (view, prompt, tokens)
        for prompt in range(min(len(views[0].rows("texts")), MOST_DRAWN) if views else 0)
        for view in views
        if (tokens := view.tokens_of(prompt)[: WIDEST * MOST_LINES])
    ]
    most = max((abs(one.value or 0) for *_, tokens in drawn for one in tokens), default=0.0) or 1.0
    for view, prompt, tokens in drawn:
        yield _draw_strip(view, prompt, tokens, most)


def _draw_separation(view: View) -> Curves:
    shuffled = say("concept_directions.shuffled", "shuffled sets")
    return describe_beside_controls(
        view,
        "layer_auc",
        name="layer-auc",
        what=say("concept_directions.auc", "how well a direction separates both sets"),
        label=say("concept_directions.both_sets", "both sets"),
        controls=[(shuffled, view.values("layer_shuffled"))],
        y_label=say("concept_directions.auc_axis", "AUC on held-out prompts"),
        references={say("concept_directions.chance", "chance"): 0.5},
        y_range=(0.0, 1.0),
    )


def _draw_strip(view: View, prompt: int, tokens: Sequence[FollowedToken], most: float) -> TokenGrid:
    """Lines of tokens, below each line their values."""
    towards, away = view.names
    names = name_joined([token.text for token in tokens])
    lines = [range(at, min(at + WIDEST, len(tokens))) for at in range(0, len(tokens), WIDEST)]
    columns = max(map(len, lines))
    texts, rows = [], []
    values = np.full((2 * len(lines), columns), np.nan)
    outlined = np.zeros(values.shape, bool)
    for number, line in enumerate(lines):
        gap = [""] * (columns - len(line))
        texts += [
            [names[at] for at in line] + gap,
            [write_cell(tokens[at].value) if tokens[at].value is not None else "" for at in line] + gap,
        ]
        values[2 * number, : len(line)] = [(tokens[at].value or 0.0) / most for at in line]
        values[2 * number + 1, : len(line)] = 0.0
        outlined[2 * number, : len(line)] = [tokens[at].stands_out for at in line]
        rows += [
            say("figures.from", "from {position}", position=tokens[line[0]].position),
            say("concept_directions.value", "value"),
        ]
    called = quote_prompts(view.outcome)[prompt]
    return TokenGrid(
        name=f"strip-{prompt}",
        subject=(view.subject,),
        title=say(
            "figure.of_model",
            "{model}: {what}",
            model=view.name,
            what=say(
                "concept_directions.strip.title",
                "“{towards}” against “{away}” in “{text}”",
                towards=towards,
                away=away,
                text=called,
            ),
        ),
        alt=_read_strip_out(view, called, tokens, names),
        row_label=say(
            "concept_directions.token_and_value",
            "token, and its value at layer {layer} in spreads",
            layer=int(view.metric("layer") or 0),
        ),
        rows=rows,
        column_label=_tell_extent(tokens),
        columns=[""] * columns,
        texts=texts,
        values=values,
        value_label=say(
            "concept_directions.strip.value",
            "−1: {most} spreads towards “{away}”, 1: as many towards “{towards}”",
            most=write_number(most, 2),
            away=away,
            towards=towards,
        ),
        outlined=outlined,
        outline_label=say("concept_directions.outlined", "further out than 95 % of random directions")
        if outlined.any()
        else "",
        scale="diverging",
        line=2,
    )


def _tell_extent(tokens: Sequence[FollowedToken]) -> str:
    """Where the model begins to write, where it does."""
    first = next((token.position for token in tokens if token.written), None)
    if first is None:
        return say("figure.token", "token")
    return say("concept_directions.written_from", "token; the model writes from {position} on", position=first)


def _read_strip_out(view: View, called: str, tokens: Sequence[FollowedToken], names: Sequence[str]) -> str:
    known = [(token.value, name) for token, name in zip(tokens, names, strict=True) if token.value is not None]
    furthest = sorted(known, key=lambda one: -abs(one[0]))[:TOLD]
    told = [
        say("concept_directions.token_value", "“{token}” {value}", token=mark_space(name), value=write_signed(value, 2))
        for value, name in furthest
    ]
    return say(
        "concept_directions.strip.alt",
        "“{text}” in {model}, token by token along the direction towards “{towards}”; furthest out: {tokens}.",
        text=called,
        model=view.name,
        towards=view.names[0],
        tokens=list_items(told),
    )
