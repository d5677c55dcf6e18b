"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Curve, Curves, Figure, HeatMap
from reportgen.figures.numbered_rows import spread_rows
from reportgen.language import say, say_count
from reportgen.numerals import write_number
from reportgen.probes.moe_routing.view import View
from reportgen.probing.parts import describe_curves
from reportgen.results.section import Section

MOST = 3.0
"""Doublings, or halvings, of an even load at which colours end."""


def figures(section: Section) -> Iterable[Figure]:
    """The load of every expert; how sure routers are; by how much they decide."""
    views = View.each(section)
    for view in views:
        yield _draw_load(view)
    for view in views:
        yield _draw_entropy(view)
    heights = [_margin_lines(view) for view in views]
    every = np.concatenate([line for lines in heights for line in lines.values()] or [np.zeros(1)])
    known = every[np.isfinite(every)]
    ends = (float(np.floor(known.min())), float(np.ceil(known.max()))) if known.size else (0.0, 1.0)
    for view, lines in zip(views, heights, strict=True):
        yield from _draw_margins(view, lines, ends)


def _draw_load(view: View) -> HeatMap:
    load = view.values("load").astype(np.float64)
    with np.errstate(divide="ignore"):
        doublings = np.clip(np.log2(load * load.shape[1]), -MOST, MOST)
    block, expert, times = view.busiest
    return HeatMap(
        name="load",
        subject=(view.subject,),
        title=say_count(
            "moe_routing.load.title",
            "{model}: load of each expert over {count} token",
            "{model}: load of each expert over {count} tokens",
            int(view.metric("tokens") or 0),
            model=view.name,
        ),
        alt=say(
            "moe_routing.load.alt",
            "Load of {experts} experts in {blocks} blocks of {model}; the busiest is expert {expert} of block {block}, "
            "with {times} times an even share",
            experts=load.shape[1],
            blocks=load.shape[0],
            model=view.name,
            expert=expert,
            block=block,
            times=write_number(times, 2),
        ),
        values=spread_rows(doublings, view.along("load", "block")),
        row_label=say("moe_routing.block", "block"),
        column_label=say("moe_routing.expert", "expert"),
        value_label=say("moe_routing.load.value", "load: log₂ of its multiple of an even share, cut at ±3"),
        scale="diverging",
        value_range=(-MOST, MOST),
    )


def _draw_entropy(view: View) -> Curves:
    blocks = list(view.along("load", "block"))
    lines = {say("moe_routing.evenness", "load"): view.values("load_evenness_by_block")}
    if "entropy_by_block" in view.outcome.arrays:
        lines[say("moe_routing.router", "router, per token")] = view.values("entropy_by_block")
    return describe_curves(
        view,
        name="entropy",
        title=say("moe_routing.entropy.title", "{model}: how evenly experts are used, and preferred", model=view.name),
        what=say("moe_routing.entropy.what", "entropy, as a share of log₂ E"),
        x_label=say("moe_routing.block", "block"),
        curves=[Curve(label=label, x=blocks, y=values.tolist(), group=label) for label, values in lines.items()],
        y_range=(0.0, 1.05),
    )


def _margin_lines(view: View) -> dict[str, NDArray[np.float64]]:
    """Label -> (block) powers of ten of what margins are compared with; NaN where there is none."""
    arrays = {
        say("moe_routing.median", "median"): view.values("margin_median"),
        say("moe_routing.tenth", "lowest tenth"): view.values("margin_low"),
        say("moe_routing.noise", "noise"): view.values("noise"),
    }
    found = {}
    for label, values in arrays.items():
        wide = values.astype(np.float64)
        found[label] = np.log10(np.where(wide > 0, wide, np.nan))
    return found


def _draw_margins(view: View, lines: dict[str, NDArray[np.float64]], ends: tuple[float, float]) -> Iterator[Curves]:
    """Nothing where no route had an alternative."""
    blocks = list(view.along("load", "block"))
    curves = [
        Curve(label=label, x=blocks, y=values.tolist(), group=label)
        for label, values in lines.items()
        if np.isfinite(values).any()
    ]
    if len(curves) < len(lines):
        return
    yield describe_curves(
        view,
        name="margin",
        title=say(
            "moe_routing.margin.title", "{model}: the last expert chosen, over the first left out", model=view.name
        ),
        what=say("moe_routing.margin.what", "margin of router scores, powers of ten"),
        x_label=say("moe_routing.block", "block"),
        curves=curves,
        y_range=ends,
    )
