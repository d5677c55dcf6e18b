"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Curve, Curves, Figure, Maps, Panel
from reportgen.language import list_items, say, say_count
from reportgen.numerals import write_number, write_year
from reportgen.probes.linear_map.coasts import read_coasts
from reportgen.probes.linear_map.view import View
from reportgen.probing.parts import describe_beside_controls, name_random_weights
from reportgen.probing.probe import axis_label, place_layers, tell_ends
from reportgen.results.section import Section

NAMED = 8
"""Names written on a map, at most: one of each colour first, then those that stand first in the data."""
SHORT = 14
"""Letters of such a name, at most."""
COLOURS = 8
"""Colours from which on a map has none: nobody could tell them apart."""
SOUTH, NORTH = -60.0, 84.0
"""Latitudes from which to which a map of the world is drawn if no point lies beyond: most is ice and sea."""
MARGIN = 0.04
"""Share of the numbers' range that is left free around them."""
FLATTEST = 0.4
"""Least height of such a panel, as a share of its width."""
PLAIN = 100
"""Size from which an end of an axis is a whole number without separators: years are."""
LOWEST = -0.2
"""R² below which a curve is cut: how far from any map it is says nothing."""


def figures(section: Section) -> Iterable[Figure]:
    """The map of each model at its best layer; R² over its layers with the controls; then all models together."""
    views = View.each(section)
    for view in views:
        yield _draw_world(view, _find_latitudes(views)) if view.globe else _draw_numbers(view)
    for view in views:
        yield _draw_layers(view)
    if len(views) > 1:
        yield _draw_together(views)


def _find_latitudes(views: Sequence[View]) -> tuple[float, float]:
    """The latitudes that the maps of all models show."""
    latitudes = [view.place_on_globe(which)[:, 1] for view in views if view.globe for which in ("true", "predicted")]
    return min(SOUTH, *(float(one.min()) for one in latitudes)), max(NORTH, *(float(one.max()) for one in latitudes))


def _draw_world(view: View, latitudes: tuple[float, float]) -> Maps:
    titles = {
        "predicted": say("linear_map.predicted_at", "read from the names at layer {layer}", layer=view.best),
        "true": say("linear_map.true_places", "where they lie"),
    }
    panels = [
        Panel(
            title=titles[which],
            points=view.place_on_globe(which),
            x_label=say("linear_map.longitude", "longitude"),
            y_label=say("linear_map.latitude", "latitude"),
            backdrop=read_coasts(),
            x_range=(-180.0, 180.0),
            y_range=latitudes,
        )
        for which in ("true", "predicted")  # where there is room for one, the last is shown
    ]
    alt = say_count(
        "linear_map.world_alt",
        "Map of the world with {count} name that the map was not fitted to, where it is predicted from layer {layer} "
        "of {model}, and one of where it lies; R² is {r2}",
        "Map of the world with {count} names that the map was not fitted to, where they are predicted from layer "
        "{layer} of {model}, and one of where they lie; R² is {r2}",
        len(panels[0].points),
        layer=view.best,
        model=view.name,
        r2=write_number(view.metric("r2"), 2),
    )
    return _make_maps(view, panels, alt)


def _draw_numbers(view: View) -> Maps:
    """What is predicted against what is true, a panel a column, over the line on which they are the same."""
    true, predicted = view.tabulate("true"), view.tabulate("predicted")
    panels = [
        _make_number_panel(view, column, np.stack([true[:, at], predicted[:, at]], axis=1))
        for at, column in enumerate(view.column_names)
    ]
    alt = say_count(
        "linear_map.numbers_alt",
        "{columns} of {count} name that the map was not fitted to, as predicted from layer {layer} of {model} against "
        "what is true; R² is {r2}",
        "{columns} of {count} names that the map was not fitted to, as predicted from layer {layer} of {model} against "
        "what is true; R² is {r2}",
        len(true),
        columns=list_items(view.column_names),
        layer=view.best,
        model=view.name,
        r2=write_number(view.metric("r2"), 2),
    )
    return _make_maps(view, panels, alt)


def _make_number_panel(view: View, column: str, points: NDArray[np.float64]) -> Panel:
    lows, highs = points.min(axis=0), points.max(axis=0)
    room = MARGIN * (highs[0] - lows[0])
    # What is read hardly differs where nothing can be read: its range is then that of a line, and wants some height.
    taller = np.array([0.0, max(FLATTEST * (highs[0] - lows[0]) - (highs[1] - lows[1]), 0.0) / 2])
    (left, bottom), (right, top) = lows - room - taller, highs + room + taller
    same = max(left, bottom), min(right, top)
    ends = [{"low": _write_plain(low), "high": _write_plain(high)} for low, high in zip(lows, highs, strict=True)]
    read = say("linear_map.read_at", "read at layer {layer}: {low} to {high}", layer=view.best, **ends[1])
    return Panel(
        title=column,
        points=points,
        x_label=say("linear_map.true", "true: {low} to {high}", **ends[0]),
        y_label=read,
        backdrop=[np.array([[same[0]] * 2, [same[1]] * 2])] if same[0] < same[1] else [],
        x_range=(float(left), float(right)),
        y_range=(float(bottom), float(top)),
    )


def _make_maps(view: View, panels: Sequence[Panel], alt: str) -> Maps:
    held = view.list_held()
    colours = [str(row["colour"] or "") for row in held]
    if len(set(colours)) > COLOURS:
        colours = [""] * len(held)
    named = _choose_named(colours, [str(row["name"]) for row in held])
    return Maps(
        name="map",
        subject=(view.subject,),
        title=view.name,
        alt=alt,
        panels=panels,
        labels=[str(row["name"]) if at in named else "" for at, row in enumerate(held)],
        groups=colours,
    )


def _choose_named(colours: Sequence[str], names: Sequence[str]) -> set[int]:
    """The first short name of each colour, then the first of all, so many in all."""
    short = [at for at, name in enumerate(names) if len(name) <= SHORT]
    firsts = {colours[at]: at for at in reversed(short)}
    return set([*firsts.values(), *(at for at in short if at not in firsts.values())][:NAMED])


def _write_plain(number: float) -> str:
    """An end of an axis that may count years: without separators."""
    return write_year(number) if abs(number) >= PLAIN else write_number(number)


def _draw_layers(view: View) -> Curves:
    low, high = view.intervals
    controls = [(say("linear_map.shuffled", "shuffled names"), view.values("r2_shuffled"))]
    if view.has_groups:
        controls.insert(0, (_name_groups(view), view.values("r2_by_country")))
    if view.has_twin:
        controls.append((name_random_weights(), view.values("r2_random")))
    return describe_beside_controls(
        view,
        "r2",
        name="layers",
        what=_title(view),
        label=say("linear_map.held_out", "names held out"),
        controls=controls,
        y_label=_name_axis([view]),
        y_range=_find_range([view]),
        band=(low.tolist(), high.tolist()),
    )


def _draw_together(views: Sequence[View]) -> Curves:
    relative = _is_relative(views[0])
    curves = [
        Curve(label=view.name, x=_place(view), y=view.values("r2").tolist(), model=view.subject) for view in views
    ]
    return Curves(
        name="models",
        subject=tuple(view.subject for view in views),
        title=say("linear_map.together", "{what}, by model", what=_title(views[0])),
        alt=say(
            "linear_map.together_alt",
            "R² on names held out over the layers: {curves}",
            curves=list_items([tell_ends(curve) for curve in curves]),
        ),
        x_label=axis_label(relative=relative),
        y_label=_name_axis(views),
        curves=curves,
        y_range=_find_range(views),
        x_range=(0.0, 1.0) if relative else None,
    )


def _title(view: View) -> str:
    columns = list_items(view.column_names)
    return say("linear_map.title", "{columns} read from names", columns=f"{columns[:1].upper()}{columns[1:]}")


def _name_groups(view: View) -> str:
    """What the curve of names without their group is called: by the column that the battery names."""
    if view.options.get("group") in (None, "country") and view.globe:
        return say("linear_map.new_countries", "without their country")
    return say("linear_map.new_groups", "without their group")


def _name_axis(views: Sequence[View]) -> str:
    counts = {int(view.metric("held_out") or 0) for view in views}
    if len(counts) > 1:  # a model may not read every name
        return say("linear_map.r2_axis_of_all", "R² on names held out")
    return say_count("linear_map.r2_axis", "R² on {count} name held out", "R² on {count} names held out", counts.pop())


def _find_range(views: Sequence[View]) -> tuple[float, float]:
    """From a little below 0, or the lowest curve, to 1."""
    names = ("r2", "r2_shuffled", "r2_random", "r2_by_country")
    drawn = [view.values(name) for view in views for name in names if name in view.outcome.arrays]
    return max(float(np.nanmin([0.0, *np.concatenate(drawn)])) - 0.03, LOWEST), 1.0


def _is_relative(view: View) -> bool:
    return bool(view.options["axis"] == "relative")


def _place(view: View) -> list[float]:
    """(layer) where each stands on the axis."""
    return place_layers(len(view.layers), relative=_is_relative(view))
