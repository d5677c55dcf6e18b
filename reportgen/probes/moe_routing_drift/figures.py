"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from reportgen.figures.describe import Curve, Curves, Figure, Ranking, Rankings
from reportgen.language import list_items, say
from reportgen.numerals import write_count, write_setting, write_share
from reportgen.probes.moe_routing_drift.view import BASE, OTHER, PAIR, View
from reportgen.probing.parts import describe_curves
from reportgen.results.section import Section


def figures(section: Section) -> Iterable[Figure]:
    """Flips by margin beside what rounding flips; flips by block."""
    for view in View.each(section):
        yield _draw_by_margin(view)
        yield _draw_by_block(view)


def _draw_by_margin(view: View) -> Rankings:
    titles = {
        PAIR: say("moe_drift.pair", "{base} and {other}", base=view.models[0].name, other=view.models[1].name),
        BASE: say("moe_drift.rounded", "rounding alone: {model}", model=view.models[0].name),
        OTHER: say("moe_drift.rounded", "rounding alone: {model}", model=view.models[1].name),
    }
    tables = {which: view.by_margin(which) for which in titles}
    shares = [row["share"] for rows in tables.values() for row in rows]
    told = [f"{_name_range(row)}: {write_share(row['share'])}" for row in tables[PAIR]]
    return Rankings(
        name="margins",
        subject=(view.subject,),
        title=say("moe_drift.margins.title", "{model}: flipped routes by margin", model=view.name),
        alt=say(
            "moe_drift.margins.alt",
            "Share of routes flipped between {model}, by their margin as a multiple of the noise: {shares}",
            model=view.name,
            shares=list_items(told),
        ),
        rankings=[
            Ranking(
                title=titles[which],
                labels=[_label_range(row) for row in rows],
                values=[row["share"] for row in rows],
            )
            for which, rows in tables.items()
        ],
        value_label=say("moe_drift.margins.value", "share flipped, by margin in multiples of the noise (routes)"),
        value_range=(0.0, max(*shares, 0.01)),
        model=view.models[0].id,
    )


def _label_range(row: Mapping[str, Any]) -> str:
    return say("moe_drift.counted", "{range} ({count})", range=_name_range(row), count=write_count(row["routes"]))


def _name_range(row: Mapping[str, Any]) -> str:
    low, high = row["from"], row["to"]
    if high is None:
        return say("moe_drift.above", "> {low}", low=write_setting(low))
    if not low:
        return say("moe_drift.within", "≤ {high}", high=write_setting(high))
    return say("moe_drift.between", "{low}–{high}", low=write_setting(low), high=write_setting(high))


def _draw_by_block(view: View) -> Curves:
    blocks = list(view.along("flipped_by_block", "block"))
    lines = {
        say("moe_drift.all", "all routes"): view.values("flipped_by_block"),
        say("moe_drift.decided", "decided routes"): view.values("flipped_decided_by_block"),
        say("moe_drift.rounding", "rounding alone"): view.values("rounding_flips_by_block"),
    }
    known = {label: values for label, values in lines.items() if np.isfinite(values).any()}
    top = max(float(np.nanmax(values)) for values in known.values())
    return describe_curves(
        view,
        name="blocks",
        title=say("moe_drift.blocks.title", "{model}: flipped routes, block by block", model=view.name),
        what=say("moe_drift.blocks.what", "share of routes flipped"),
        x_label=say("moe_drift.block", "block"),
        curves=[Curve(label=label, x=blocks, y=values.tolist(), group=label) for label, values in known.items()],
        y_range=(0.0, 1.08 * max(top, 0.01)),
    )
