"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from reportgen.figures.describe import Curve, Curves, Figure, Ranking, Rankings, TokenGrid
from reportgen.language import list_items, say, sentences, unit_of
from reportgen.numerals import write_setting, write_share
from reportgen.probes.activation_difference.view import View
from reportgen.probing.axes import Axis, fit_axes
from reportgen.probing.parts import describe_curves, describe_layer_grid
from reportgen.probing.steering_score import MOST_SHOWN, WIDEST
from reportgen.results.section import SUBJECT, Section
from reportgen.text.characters import mark_space
from reportgen.text.word_pieces import pieces_of
from reportgen.text.wording import words_of

NORMS = {"norm": "top", "relabelled_norm": "top_relabelled"}
"""Array of norms -> the table of what is read there."""
SHOWN = 10
"""Bars of a panel."""


def figures(section: Section) -> Iterable[Figure]:
    """The difference as it reads, beside its control; its size over the layers; the tokens that rise and fall."""
    views = View.each(section)
    for view in views:
        if view.differs:
            yield from _read_grids(view)
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


def _read_grids(view: View) -> Iterator[TokenGrid]:
    """What the mean difference says, and what that of relabelled texts does, on one scale of sizes."""
    largest = max(float(view.values(name).max()) for name in NORMS)
    titles = {
        "norm": say("activation_difference.grid.title", "{model}: what the mean difference reads as", model=view.name),
        "relabelled_norm": say(
            "activation_difference.control.title",
            "{model}: the control, base and other exchanged in half of the texts",
            model=view.name,
        ),
    }
    for array, table in NORMS.items():
        sizes = view.values(array)
        cells: dict[tuple[int, int], list[tuple[str, float]]] = {}
        for row in view.rows(table):
            if row.get("draw"):  # the mirror image of the control is not drawn
                continue
            place = (int(row["layer"]), int(row["position"]))
            cells.setdefault(place, []).append((str(row["token"]), float(row["probability"])))
        layers = range(len(sizes) - 1, -1, -1)
        positions = range(sizes.shape[1])
        yield _grid(view, array, titles[array], sizes / largest, largest, cells, layers, positions)


def _grid(
    view: View,
    array: str,
    title: str,
    shares: Any,
    largest: float,
    cells: dict[tuple[int, int], list[tuple[str, float]]],
    layers: Sequence[int],
    positions: Sequence[int],
) -> TokenGrid:
    """A row a layer, a column a token of the beginning."""
    read = [[cells.get((layer, at), []) for at in positions] for layer in layers]
    last = [mark_space(cell[0][0]) for cell in read[0] if cell]
    return describe_layer_grid(
        view,
        name="read" if array == "norm" else "read-relabelled",
        title=title,
        alt=say(
            "activation_difference.grid.alt",
            "{title}. The last layer reads {tokens}.",
            title=title,
            tokens=list_items(last),
        ),
        rows=layers,
        column_label=say("activation_difference.position", "position (0 = first token of the text)"),
        columns=[str(at) for at in positions],
        texts=[[cell[0][0] if cell else "" for cell in row] for row in read],
        values=np.array([[shares[layer, at] if cells.get((layer, at)) else np.nan for at in positions]
                         for layer in layers]),
        value_label=say(
            "activation_difference.grid.value",
            "‖δ‖/‖h‖, as a share of the largest ({largest})",
            largest=write_share(largest),
        ),
        alternatives=[[cell[1:] for cell in row] for row in read],
    )  # fmt: skip


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
