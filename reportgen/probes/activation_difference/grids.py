"""Grids of what a difference is read as, beside its control."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from reportgen.figures.describe import TokenGrid
from reportgen.language import list_items, say
from reportgen.numerals import write_setting, write_share
from reportgen.probes.activation_difference.view import View
from reportgen.probing.parts import describe_layer_grid
from reportgen.text.characters import mark_space

NORMS = {"norm": "top", "relabelled_norm": "top_relabelled"}
"""Array of norms -> the table of what is read there."""


def draw_read(view: View) -> Iterator[TokenGrid]:
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


def draw_patched(view: View, scale: float, direction: str) -> TokenGrid:
    """What other says next after the identity prompt with a vector in it: a row a layer, a column a token of the
    beginning. A word that only the difference is read as stands in place of the likeliest token.
    """
    words = set(view.list_patched(scale))
    cells: dict[tuple[int, int], list[tuple[str, float]]] = {}
    for row in view.patched:
        if (row["direction"], row["scale"]) == (direction, scale):
            cells.setdefault((row["layer"], row["position"]), []).append((str(row["token"]), float(row["probability"])))
    layers = sorted({int(row["layer"]) for row in view.patched if row["layer"] is not None}, reverse=True)
    positions = range(int(view.options["positions"]))
    read = [[_put_first(cells.get((layer, at), []), words) for at in positions] for layer in layers]
    named = [mark_space(cell[0][0]) for row in read for cell in row if cell]
    title = (
        say(
            "activation_difference.patched.title",
            "{model}: what Patchscope reads in the mean difference",
            model=view.name,
        )
        if direction == "difference"
        else say(
            "activation_difference.patched.control",
            "{model}: the control, read by Patchscope",
            model=view.name,
        )
    )
    return describe_layer_grid(
        view,
        name="patched" if direction == "difference" else "patched-relabelled",
        title=title,
        alt=say("activation_difference.patched.alt", "{title}: {tokens}", title=title, tokens=list_items(named)),
        rows=layers,
        column_label=say("activation_difference.position", "position (0 = first token of the text)"),
        columns=[str(at) for at in positions],
        texts=[[cell[0][0] if cell else "" for cell in row] for row in read],
        values=np.array([[cell[0][1] if cell else np.nan for cell in row] for row in read]),
        value_label=say(
            "activation_difference.patched.value",
            "probability of the next token, with {scale} times the stream's norm put in",
            scale=write_setting(scale),
        ),
        outlined=np.array([[bool(cell) and cell[0][0] in words for cell in row] for row in read]),
        outline_label=say("activation_difference.patched.outline", "a word that no control is read as"),
        alternatives=[[cell[1:] for cell in row] for row in read],
    )  # fmt: skip


def _put_first(cell: list[tuple[str, float]], words: set[str]) -> list[tuple[str, float]]:
    """The (token, probability) of a cell, the likeliest of some words moved to the front if it has one."""
    at = next((at for at, (token, _) in enumerate(cell) if token in words), 0)
    return [*cell[at : at + 1], *cell[:at], *cell[at + 1 :]]
