"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from reportgen.figures.describe import Curve, Curves, Figure, HeatMap, TokenGrid
from reportgen.language import list_items, say
from reportgen.numerals import write_cell, write_number
from reportgen.probes.activation_patching.view import BY_POSITION, list_defined, mean_heads, share_moved, tell_heads
from reportgen.probing.axes import Axis, fit_axes
from reportgen.probing.parts import describe_curves, describe_head_map, describe_layer_grid
from reportgen.probing.probe import axis_label
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section
from reportgen.text.characters import mark_space


def figures(section: Section) -> Iterable[Figure]:
    """The two ends of the way over the layers; heads; then layer x position, pair by pair and site by site."""
    views = SubjectView.each(section)
    curves = {view.subject: _ways(view) for view in views}
    ways = [view for view in views if curves[view.subject]]
    for view, axis in zip(ways, _fit_ways([curves[view.subject] for view in ways]), strict=True):
        yield _way(view, curves[view.subject], axis)
    with_heads = [view for view in views if _has_heads(view)]
    most = max((float(abs(mean_heads(view)).max()) for view in with_heads), default=0.0)
    for view in with_heads:
        yield _draw_heads(view, most)
    for pair in range(max((len(view.rows("pairs")) for view in views), default=0)):
        for site in BY_POSITION:
            for view in views:
                if f"{site}/{pair}" in view.outcome.arrays and _has_grid(view, site, pair):
                    yield _draw_grid(view, site, pair)


def _has_grid(view: SubjectView, site: str, pair: int) -> bool:
    """Whether anything was measured from the first position on that differs."""
    first = int(view.rows("pairs")[pair]["first_difference"])
    return list_defined(view)[pair] and bool(np.isfinite(view.values(f"{site}/{pair}")[:, first:]).any())


def _direction(view: SubjectView) -> str:
    return str(view.options["direction"])


def _value_label(view: SubjectView) -> str:
    if _direction(view) == "denoise":
        return say("activation_patching.recovered", "recovered logit difference")
    return say("activation_patching.lost", "lost logit difference")


def _has_heads(view: SubjectView) -> bool:
    return bool(view.rows("top"))


def _ways(view: SubjectView) -> list[Curve]:
    """What the residual stream moves at the first position that differs, and at the last; means over pairs."""
    pairs = [
        (share_moved(view.values(f"residual/{record['pair']}"), _direction(view)), record["first_difference"])
        for record in view.rows("pairs")
        if record["defined"] and f"residual/{record['pair']}" in view.outcome.arrays
    ]
    if not pairs:
        return []
    layers = list(view.along("residual/0", "layer"))
    ends = {
        say("activation_patching.first", "at the first token that differs"): [shares[:, at] for shares, at in pairs],
        say("activation_patching.last", "at the last token"): [shares[:, -1] for shares, _ in pairs],
    }
    return [Curve(label=end, x=layers, y=np.mean(rows, 0).tolist(), group=end) for end, rows in ends.items()]


def _fit_ways(ways: Sequence[Sequence[Curve]]) -> list[Axis]:
    """Axes on which nothing and everything stand as well."""
    ends = [np.array([[0.0, 1.0]] * len(curves)) for curves in ways]
    drawn = [np.hstack([np.array([list(curve.y) for curve in of_one]), end])
             for of_one, end in zip(ways, ends, strict=True)]  # fmt: skip
    layers = [[*map(int, curves[0].x), -1, -1] for curves in ways]
    return fit_axes(drawn, layers) if ways else []


def _way(view: SubjectView, curves: Sequence[Curve], axis: Axis) -> Curves:
    what = _value_label(view)
    return describe_curves(
        view,
        name="way",
        title=say("activation_patching.way.title", "{model}: where the difference is, layer by layer", model=view.name),
        what=what,
        curves=curves,
        references={
            say("activation_patching.nothing", "nothing"): 0.0,
            say("activation_patching.everything", "everything"): 1.0,
        },
        y_label=axis.name(what),
        y_range=axis.ends,
    )


def _draw_heads(view: SubjectView, most: float) -> HeatMap:
    what = _value_label(view)
    return describe_head_map(
        view,
        name="heads",
        title=say("activation_patching.heads.title", "{model}: one head patched at a time", model=view.name),
        alt=say(
            "activation_patching.heads.alt",
            "{what} for each head of {model}, mean over pairs; largest: {heads}",
            what=what,
            model=view.name,
            heads=list_items(tell_heads(view)),
        ),
        values=mean_heads(view),
        row_label=_block_label(view),
        value_label=what,
        scale="diverging",
        value_range=(-most, most),
    )


def _block_label(view: SubjectView) -> str:
    """Rows of a heat map count from 0: where only some blocks were asked for, the axis names them."""
    blocks = view.along("heads", "block")
    if list(blocks) == list(range(len(blocks))):
        return say("figure.block", "block")
    return say(
        "activation_patching.some_blocks", "blocks {blocks}", blocks=list_items([str(block) for block in blocks])
    )


def _site_label(site: str) -> str:
    if site == "residual":
        return say("activation_patching.site.residual", "residual stream")
    if site == "attention":
        return say("activation_patching.site.attention", "attention output")
    return say("activation_patching.site.mlp", "MLP output")


def _draw_grid(view: SubjectView, site: str, pair: int) -> TokenGrid:
    """Layers from the last at the top; columns from the first position that differs."""
    record = view.rows("pairs")[pair]
    found = view.outcome.arrays[f"{site}/{pair}"]
    first = int(record["first_difference"])
    shares = share_moved(found.values[:, first:], _direction(view))[::-1]
    indices = [str(index) for index in reversed(found.along("layer" if site == "residual" else "block"))]
    tokens = [one for one in view.rows("tokens") if one["pair"] == pair][first:]
    columns = [_show_both_tokens(one["clean"], one["corrupted"]) for one in tokens]
    row, column = np.unravel_index(np.nanargmax(shares), shares.shape)
    what = _value_label(view)
    return describe_layer_grid(
        view,
        name=f"{site}-{pair}",
        title=say(
            "activation_patching.grid.title",
            "{model}: {site} patched, {pair}: {right} or {wrong}",
            model=view.name,
            site=_site_label(site),
            pair=record["name"],
            right=mark_space(str(record["right"])),
            wrong=mark_space(str(record["wrong"])),
        ),
        alt=say(
            "activation_patching.grid.alt",
            "{what} by layer and position, {site} of {model}; largest at {layer}, “{token}”: {share}",
            what=what,
            site=_site_label(site),
            model=view.name,
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
    )


def _show_both_tokens(clean: str, corrupted: str) -> str:
    """A column's token, or both where they differ."""
    return mark_space(clean) if clean == corrupted else f"{mark_space(clean)}/{corrupted.lstrip(' ')}"
