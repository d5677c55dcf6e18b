"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Curve, Curves, Figure, HeatMap, TokenGrid
from reportgen.language import listed, say
from reportgen.numerals import write_cell, write_number
from reportgen.probes.activation_patching.view import BY_POSITION, moved, told_heads
from reportgen.probing.probe import (
    axis_label,
    curves_read_out,
)
from reportgen.results.quantities import Outcome
from reportgen.results.section import Section
from reportgen.text.characters import mark_space


def figures(section: Section) -> Iterable[Figure]:
    """The two ends of the way over the layers; heads; then layer x position, pair by pair and site by site."""
    ok = section.ok()
    curves = {subject: _ways(outcome) for subject, outcome in ok.items()}
    ends = [value for of_one in curves.values() for curve in of_one for value in curve.y if value == value]
    shared = (min([0.0, *ends]) - 0.05, max([1.0, *ends]) + 0.05)
    for subject, outcome in ok.items():
        if curves[subject]:
            yield _way(section.name(subject), subject, outcome, curves[subject], shared)
    heads = {subject: outcome for subject, outcome in ok.items() if _has_heads(outcome)}
    most = max((float(abs(_mean_heads(outcome)).max()) for outcome in heads.values()), default=0.0)
    for subject, outcome in heads.items():
        yield _heads_drawn(section.name(subject), subject, outcome, most)
    for pair in range(max((len(outcome.tables["pairs"].rows) for outcome in ok.values()), default=0)):
        for site in BY_POSITION:
            for subject, outcome in ok.items():
                if f"{site}/{pair}" in outcome.arrays and _defined(outcome)[pair]:
                    yield _grid(section.name(subject), subject, outcome, site, pair)


def _defined(outcome: Outcome) -> list[bool]:
    return [bool(one) for one in outcome.tables["pairs"].column("defined")]


def _direction(outcome: Outcome) -> str:
    return str(outcome.options["direction"])


def _value_label(outcome: Outcome) -> str:
    if _direction(outcome) == "denoise":
        return say("activation_patching.recovered", "recovered logit difference")
    return say("activation_patching.lost", "lost logit difference")


def _has_heads(outcome: Outcome) -> bool:
    return bool(outcome.tables["top"].rows)


def _mean_heads(outcome: Outcome) -> NDArray[Any]:
    """(block x head) what each head moves, as a mean over the pairs that are told apart."""
    return moved(outcome.arrays["heads"].values[_defined(outcome)].mean(0), _direction(outcome))


def _ways(outcome: Outcome) -> list[Curve]:
    """What the residual stream moves at the first position that differs, and at the last; means over pairs."""
    pairs = [
        (moved(outcome.arrays[f"residual/{record['pair']}"].values, _direction(outcome)), record["first_difference"])
        for record in outcome.tables["pairs"].records()
        if record["defined"] and f"residual/{record['pair']}" in outcome.arrays
    ]
    if not pairs:
        return []
    layers = list(outcome.arrays["residual/0"].along("layer"))
    ends = {
        say("activation_patching.first", "at the first token that differs"): [shares[:, at] for shares, at in pairs],
        say("activation_patching.last", "at the last token"): [shares[:, -1] for shares, _ in pairs],
    }
    return [Curve(label=end, x=layers, y=np.mean(rows, 0).tolist(), group=end) for end, rows in ends.items()]


def _way(name: str, subject: str, outcome: Outcome, curves: Sequence[Curve], shared: tuple[float, float]) -> Curves:
    what = _value_label(outcome)
    return Curves(
        name="way",
        subject=(subject,),
        title=say("activation_patching.way.title", "{model}: where the difference is, layer by layer", model=name),
        alt=curves_read_out(name, what, curves),
        x_label=axis_label(relative=False),
        y_label=what,
        curves=curves,
        references={
            say("activation_patching.nothing", "nothing"): 0.0,
            say("activation_patching.everything", "everything"): 1.0,
        },
        y_range=shared,
    )


def _heads_drawn(name: str, subject: str, outcome: Outcome, most: float) -> HeatMap:
    what = _value_label(outcome)
    return HeatMap(
        name="heads",
        subject=(subject,),
        title=say("activation_patching.heads.title", "{model}: one head patched at a time", model=name),
        alt=say(
            "activation_patching.heads.alt",
            "{what} for each head of {model}, mean over pairs; most: {heads}",
            what=what,
            model=name,
            heads=listed(told_heads(outcome)),
        ),
        values=_mean_heads(outcome),
        row_label=_block_label(outcome),
        column_label=say("figure.head", "head"),
        value_label=what,
        scale="diverging",
        value_range=(-most, most),
    )


def _block_label(outcome: Outcome) -> str:
    """Rows of a heat map count from 0: where only some blocks were asked for, the axis names them."""
    blocks = outcome.arrays["heads"].along("block")
    if list(blocks) == list(range(len(blocks))):
        return say("figure.block", "block")
    return say("activation_patching.some_blocks", "blocks {blocks}", blocks=listed([str(block) for block in blocks]))


def _site_label(site: str) -> str:
    if site == "residual":
        return say("activation_patching.site.residual", "residual stream")
    if site == "attention":
        return say("activation_patching.site.attention", "attention output")
    return say("activation_patching.site.mlp", "MLP output")


def _grid(name: str, subject: str, outcome: Outcome, site: str, pair: int) -> TokenGrid:
    """Layers from the last at the top; columns from the first position that differs."""
    record = outcome.tables["pairs"].records()[pair]
    found = outcome.arrays[f"{site}/{pair}"]
    first = int(record["first_difference"])
    shares = moved(found.values[:, first:], _direction(outcome))[::-1]
    indices = [str(index) for index in reversed(found.along("layer" if site == "residual" else "block"))]
    tokens = [one for one in outcome.tables["tokens"].records() if one["pair"] == pair][first:]
    columns = [_both(one["clean"], one["corrupted"]) for one in tokens]
    row, column = np.unravel_index(np.nanargmax(shares), shares.shape)
    what = _value_label(outcome)
    return TokenGrid(
        name=f"{site}-{pair}",
        subject=(subject,),
        title=say(
            "activation_patching.grid.title",
            "{model}: {site} patched, {pair}: {right} or {wrong}",
            model=name,
            site=_site_label(site),
            pair=record["name"],
            right=mark_space(str(record["right"])),
            wrong=mark_space(str(record["wrong"])),
        ),
        alt=say(
            "activation_patching.grid.alt",
            "{what} by layer and position, {site} of {model}; most at {layer}, “{token}”: {share}",
            what=what,
            site=_site_label(site),
            model=name,
            layer=indices[row],
            token=columns[column],
            share=write_number(shares[row, column], 2),
        ),
        row_label=axis_label(relative=False) if site == "residual" else say("figure.block", "block"),
        rows=indices,
        column_label=say("activation_patching.columns", "token (clean/corrupted where they differ)"),
        columns=columns,
        texts=[["" if share != share else write_cell(share) for share in row] for row in shares.tolist()],
        values=np.clip(shares, 0.0, 1.0),
        value_label=what,
        outlined=np.zeros(shares.shape, dtype=bool),
        sampleable=True,
    )


def _both(clean: str, corrupted: str) -> str:
    """A column's token, or both where they differ."""
    return mark_space(clean) if clean == corrupted else f"{mark_space(clean)}/{corrupted.lstrip(' ')}"
