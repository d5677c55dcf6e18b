"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from reportgen.figures.describe import Curve, Curves, Figure, Ranking, Rankings, TokenGrid
from reportgen.language import list_items, say, sentences, unit_of
from reportgen.numerals import write_setting
from reportgen.probes.activation_difference.grids import NORMS, draw_patched, draw_read
from reportgen.probes.activation_difference.view import View
from reportgen.probing.axes import Axis, fit_axes
from reportgen.probing.parts import describe_curves
from reportgen.probing.steering_score import MOST_SHOWN, WIDEST
from reportgen.results.section import SUBJECT, Section
from reportgen.text.characters import mark_space
from reportgen.text.word_pieces import pieces_of
from reportgen.text.wording import words_of

SHOWN = 10
"""Bars of a panel."""


def figures(section: Section) -> Iterable[Figure]:
    """The difference as the lens and as Patchscope read it, beside its control; its size over the layers; the tokens
    that rise and fall.
    """
    views = View.each(section)
    for view in views:
        if view.differs:
            yield from draw_read(view)
    for view in views:
        scale = view.choose_patched_scale()
        if view.differs and scale is not None:
            yield draw_patched(view, scale, "difference")
            yield draw_patched(view, scale, "relabelled")
    values = [np.array([view.values(name).mean(axis=1) for name in NORMS]) for view in views]
    axes = fit_axes(values, [range(of_one.shape[1]) for of_one in values], from_zero=True) if views else []
    for view, of_one, axis in zip(views, values, axes, strict=True):
        yield _curves(view, of_one, axis)
    for view in views:
        if view.rows("gains"):
            yield _bars(view)
    for view in views:
        if view.rows("written"):
            yield _draw_written(view)


def _curves(view: View, values: Any, axis: Axis) -> Curves:
    """Size of the mean difference over the layers, and of the largest relabelled one."""
    labels = (
        say("activation_difference.difference", "mean difference"),
        say("activation_difference.relabelled", "largest of 20 relabellings"),
    )
    layers = list(range(values.shape[1]))
    curves = [
        Curve(label=label, x=layers, y=row.tolist(), group=label, faint=at > 0)
        for at, (label, row) in enumerate(zip(labels, values, strict=True))
    ]
    return describe_curves(
        view,
        name="size",
        title=say(
            "activation_difference.curves.title",
            "{model}: mean difference at the first {positions} tokens of {texts} unrelated texts",
            model=view.name,
            positions=int(view.options["positions"]),
            texts=int(view.metric("texts") or 0),
        ),
        what=labels[0],
        y_label=axis.name(unit_of(view.outcome.arrays["norm"].unit)),
        y_range=axis.ends,
        curves=curves,
    )


def _draw_written(view: View) -> TokenGrid:
    """The first words of the texts, line by line; the table has them whole."""
    scale = view.choose_scale()
    names = {
        "difference": say("activation_difference.added", "… with the difference"),
        "relabelled": say("activation_difference.control", "… with the control"),
    }
    records = [row for row in view.rows("written") if row["direction"] == "none" or row["scale"] == scale]
    openings = list(dict.fromkeys(str(row["opening"]) for row in records))[:MOST_SHOWN]
    records = [row for row in records if row["opening"] in openings]
    risen = {word.strip().casefold() for word in view.list_risen()}
    lines = [pieces_of(str(row["text"]))[:WIDEST] for row in records]
    width = max(map(len, lines), default=0) or 1
    quoted = [say("text.quoted", "“{text}”", text=opening) for opening in openings]
    return TokenGrid(
        name="written",
        subject=(view.subject,),
        title=say(
            "activation_difference.written.title",
            "{model}: what base writes with the difference added at layer {layer} ({scale} times the stream's norm)",
            model=view.name,
            layer=view.steered_layer,
            scale=write_setting(scale or 0.0),
        ),
        alt=say(
            "activation_difference.written.alt",
            "The first words that base of {model} writes after {openings}: by itself, with the difference, and with "
            "the control",
            model=view.name,
            openings=list_items(quoted),
        ),
        row_label=say("activation_difference.written.rows", "what base goes on from; then with what is added"),
        rows=[
            str(row["opening"]) if row["direction"] == "none" else names[row["direction"]]
            for row in records
        ],
        column_label=say("steering.texts.columns", "the first words of the text"),
        columns=[str(at + 1) for at in range(width)],
        texts=[[*words, *[""] * (width - len(words))] for words in lines],
        values=np.array(
            [[float(at < len(words) and bool(risen.intersection(words_of(words[at])))) for at in range(width)]
             for words in lines]
        ),
        value_label=say("activation_difference.written.value", "1: a word whose logit rises"),
        outlined=np.zeros((len(lines), width), bool),
    )  # fmt: skip


def _bars(view: View) -> Rankings:
    """The tokens whose logits rise and fall most, and those of the control."""
    heads = {
        ("gains", "up"): say("activation_difference.up", "rise"),
        ("gains", "down"): say("activation_difference.down", "fall"),
        ("gains_relabelled", "up"): say("activation_difference.up_control", "control: rise"),
        ("gains_relabelled", "down"): say("activation_difference.down_control", "control: fall"),
    }
    rankings = []
    for (table, direction), head in heads.items():
        rows = [row for row in view.rows(table) if row["direction"] == direction][:SHOWN]
        if rows:
            labels = [mark_space(str(row["token"])) for row in rows]
            rankings.append(Ranking(title=head, labels=labels, values=[abs(float(row["change"])) for row in rows]))
    return Rankings(
        name="gains",
        subject=(view.subject,),
        title=say("activation_difference.bars.title", "{model}: logits that change most", model=view.name),
        alt=sentences(
            say("activation_difference.bars.alt", "{where}: {tokens}.", where=one.title, tokens=list_items(one.labels))
            for one in rankings
        ),
        rankings=rankings,
        value_label=say(
            "activation_difference.change",
            "change of the logit beside that of all tokens, mean over texts and positions",
        ),
        value_range=(0.0, max(value for one in rankings for value in one.values)),
        model=view.subject.partition(SUBJECT)[2],
    )
