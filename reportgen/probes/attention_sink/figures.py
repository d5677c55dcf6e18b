"""What its figures show."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Curve, Curves, Figure, HeatMap
from reportgen.figures.numbered_rows import spread_rows
from reportgen.language import say
from reportgen.numerals import write_count, write_setting
from reportgen.numerics.attention import SINK_THRESHOLD
from reportgen.numerics.outliers import TIMES_THE_MEDIAN
from reportgen.probes.attention_sink.view import FULL, SLIDING
from reportgen.probing.parts import describe_curves, describe_head_map
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section


def figures(section: Section) -> Iterable[Figure]:
    """Every head's importance; sink heads by block and kind of attention; the largest activation by layer."""
    views = SubjectView.each(section)
    for view in views:
        yield _heads(view)
    for view in views:
        yield _draw_by_block(view)
    heights = [_heights(view) for view in views]
    top = max([float(height.max()) for height in heights], default=0.0)
    for view, height in zip(views, heights, strict=True):
        yield _draw_by_layer(view, height, top)


def _heads(view: SubjectView) -> HeatMap:
    found = view.outcome.arrays["importance"]
    importance = found.values.mean(0)
    return describe_head_map(
        view,
        name="heads",
        title=say("attention_sink.heads.title", "{model}: importance of the first token", model=view.name),
        alt=say(
            "attention_sink.heads.alt",
            "Mean weight on the first token of {blocks} blocks × {heads} heads of {model}: {sinks} exceed {threshold}",
            blocks=importance.shape[0],
            heads=importance.shape[1],
            model=view.name,
            sinks=write_count(int((importance > SINK_THRESHOLD).sum())),
            threshold=write_setting(SINK_THRESHOLD),
        ),
        values=spread_rows(importance, found.along("block")),
        row_label=say("attention_sink.block", "block"),
        column_label=say("attention_sink.head", "head"),
        value_label=say("attention_sink.importance", "mean weight on the first token"),
        value_range=(0.0, 1.0),
    )


def _kind_label(kind: str) -> str:
    if kind == FULL:
        return say("attention_sink.full", "full attention")
    if kind == SLIDING:
        return say("attention_sink.sliding", "sliding window")
    return kind.replace("_", " ")


def _draw_by_block(view: SubjectView) -> Curves:
    """One curve a kind of attention, over the blocks that have it."""
    records = view.rows("blocks")
    kinds = list(dict.fromkeys(record["attention"] for record in records))
    curves = []
    for kind in kinds:
        of_kind = [record for record in records if record["attention"] == kind]
        curves.append(
            Curve(
                label=_kind_label(kind),
                x=[record["block"] for record in of_kind],
                y=[record["importance"] for record in of_kind],
                model=view.subject if len(kinds) == 1 else None,
                group=kind,
            )
        )
    what = say("attention_sink.importance", "mean weight on the first token")
    return describe_curves(
        view,
        name="blocks",
        title=say("attention_sink.blocks.title", "{model}: the first token, block by block", model=view.name),
        what=what,
        x_label=say("attention_sink.block", "block"),
        curves=curves,
        references={say("attention_sink.threshold", "sink"): SINK_THRESHOLD},
        y_range=(0.0, 1.0),
    )


def _heights(view: SubjectView) -> NDArray[Any]:
    """(layer x rank) powers of ten between the largest activations and their layer's median, at most of any prompt."""
    largest = np.abs(view.values("largest").astype(np.float64))
    median = view.values("median").astype(np.float64)[..., None]
    tiny = np.finfo(np.float32).tiny
    heights: NDArray[Any] = np.log10(np.maximum(largest, tiny) / np.maximum(median, tiny)).max(0)
    return heights


def _draw_by_layer(view: SubjectView, heights: NDArray[Any], top: float) -> Curves:
    """The three largest activations of each layer."""
    labels = (
        say("attention_sink.largest", "largest"),
        say("attention_sink.second", "second"),
        say("attention_sink.third", "third"),
    )
    layers = list(range(len(heights)))
    curves = [
        Curve(label=label, x=layers, y=heights[:, rank].tolist(), model=view.subject, faint=rank > 0)
        for rank, label in enumerate(labels[: heights.shape[1]])
    ]
    what = say("attention_sink.times_median", "|h| over the layer's median, powers of ten")
    limit = math.log10(TIMES_THE_MEDIAN)
    return describe_curves(
        view,
        name="activations",
        title=say(
            "attention_sink.activations.title", "{model}: the largest activations of each layer", model=view.name
        ),
        what=what,
        curves=curves,
        references={say("attention_sink.massive", "massive: 1,000 times"): limit},
        y_range=(0.0, max(top, limit) * 1.08),
    )
