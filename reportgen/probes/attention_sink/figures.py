"""What its figures show."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Curve, Curves, Figure, HeatMap
from reportgen.figures.numbered_rows import at_their_numbers
from reportgen.language import say
from reportgen.numerals import write_count, write_setting
from reportgen.numerics.attention import SINK_THRESHOLD
from reportgen.numerics.outliers import TIMES_THE_MEDIAN
from reportgen.probes.attention_sink.view import FULL, SLIDING
from reportgen.probing.probe import axis_label, curves_read_out
from reportgen.results.quantities import Outcome
from reportgen.results.section import Section


def figures(section: Section) -> Iterable[Figure]:
    """Every head's importance; sink heads by block and kind of attention; the largest activation by layer."""
    ok = section.ok()
    for subject, outcome in ok.items():
        yield _heads(section.name(subject), subject, outcome)
    for subject, outcome in ok.items():
        yield _by_block(section.name(subject), subject, outcome)
    heights = {subject: _heights(outcome) for subject, outcome in ok.items()}
    top = max([float(height.max()) for height in heights.values()], default=0.0)
    for subject, height in heights.items():
        yield _by_layer(section.name(subject), subject, height, top)


def _heads(name: str, subject: str, outcome: Outcome) -> HeatMap:
    found = outcome.arrays["importance"]
    importance = found.values.mean(0)
    return HeatMap(
        name="heads",
        subject=(subject,),
        title=say("attention_sink.heads.title", "{model}: importance of the first token", model=name),
        alt=say(
            "attention_sink.heads.alt",
            "Mean weight on the first token of {blocks} blocks × {heads} heads of {model}: {sinks} exceed {threshold}",
            blocks=importance.shape[0],
            heads=importance.shape[1],
            model=name,
            sinks=write_count(int((importance > SINK_THRESHOLD).sum())),
            threshold=write_setting(SINK_THRESHOLD),
        ),
        values=at_their_numbers(importance, found.along("block")),
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


def _by_block(name: str, subject: str, outcome: Outcome) -> Curves:
    """One curve a kind of attention, over the blocks that have it."""
    records = outcome.tables["blocks"].records()
    kinds = list(dict.fromkeys(record["attention"] for record in records))
    curves = []
    for kind in kinds:
        of_kind = [record for record in records if record["attention"] == kind]
        curves.append(
            Curve(
                label=_kind_label(kind),
                x=[record["block"] for record in of_kind],
                y=[record["importance"] for record in of_kind],
                model=subject if len(kinds) == 1 else None,
                group=kind,
            )
        )
    what = say("attention_sink.importance", "mean weight on the first token")
    return Curves(
        name="blocks",
        subject=(subject,),
        title=say("attention_sink.blocks.title", "{model}: the first token, block by block", model=name),
        alt=curves_read_out(name, what, curves),
        x_label=say("attention_sink.block", "block"),
        y_label=what,
        curves=curves,
        references={say("attention_sink.threshold", "sink"): SINK_THRESHOLD},
        y_range=(0.0, 1.0),
    )


def _heights(outcome: Outcome) -> NDArray[Any]:
    """(layer x rank) powers of ten between the largest activations and their layer's median, at most of any prompt."""
    largest = np.abs(outcome.arrays["largest"].values.astype(np.float64))
    median = outcome.arrays["median"].values.astype(np.float64)[..., None]
    tiny = np.finfo(np.float32).tiny
    heights: NDArray[Any] = np.log10(np.maximum(largest, tiny) / np.maximum(median, tiny)).max(0)
    return heights


def _by_layer(name: str, subject: str, heights: NDArray[Any], top: float) -> Curves:
    """The three largest activations of each layer."""
    labels = (
        say("attention_sink.largest", "largest"),
        say("attention_sink.second", "second"),
        say("attention_sink.third", "third"),
    )
    layers = list(range(len(heights)))
    curves = [
        Curve(label=label, x=layers, y=heights[:, rank].tolist(), model=subject, faint=rank > 0)
        for rank, label in enumerate(labels[: heights.shape[1]])
    ]
    what = say("attention_sink.times_median", "|h| over the layer's median, powers of ten")
    limit = math.log10(TIMES_THE_MEDIAN)
    return Curves(
        name="activations",
        subject=(subject,),
        title=say("attention_sink.activations.title", "{model}: the largest activations of each layer", model=name),
        alt=curves_read_out(name, what, curves),
        x_label=axis_label(relative=False),
        y_label=what,
        curves=curves,
        references={say("attention_sink.massive", "massive: 1,000 times"): limit},
        y_range=(0.0, max(top, limit) * 1.08),
    )
