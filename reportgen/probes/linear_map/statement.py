"""The rule of its sentence."""

from __future__ import annotations

from typing import Any

from reportgen.language import list_items, say, say_count, sentences
from reportgen.numerals import write_count, write_depth, write_number, write_setting
from reportgen.probes.linear_map.view import SAME, View


def tell(view: View) -> str:
    """How well the map can be read at the best layer, against its controls, and what its course over the layers is."""
    if not view.is_clear:
        return say(
            "linear_map.none",
            "No clear statement about {model}: its best map to {columns} (layer {depth}) has R² {r2} on names held "
            "out, which is not clearly more than {controls}.",
            **_list_values(view),
        )
    return sentences([_tell_best(view), _tell_error(view), _tell_groups(view), _tell_shape(view)])


def _tell_best(view: View) -> str:
    return say_count(
        "linear_map.best",
        "{model}: {columns} can be read from names by a linear map, best at layer {depth}: R² {r2} on {count} name "
        "held out, against {controls}.",
        "{model}: {columns} can be read from names by a linear map, best at layer {depth}: R² {r2} on {count} names "
        "held out, against {controls}.",
        int(view.metric("held_out") or 0),
        **_list_values(view),
    )


def _list_values(view: View) -> dict[str, Any]:
    controls = [
        say("linear_map.control_shuffled", "{r2} for shuffled names", r2=_write(view, "r2_of_shuffled")),
    ]
    if view.has_twin:
        controls.append(
            say("linear_map.control_twin", "{r2} at most with random weights", r2=_write(view, "r2_of_twin"))
        )
    return {
        "model": view.name,
        "columns": list_items(view.column_names),
        "depth": write_depth(view.best, view.last_layer),
        "r2": _write(view, "r2"),
        "controls": list_items(controls),
    }


def _tell_error(view: View) -> str:
    """How far off the predictions are: in kilometres, or in the unit of a single column."""
    if "median_error" in view.outcome.metrics:
        error = float(view.metric("median_error") or 0.0)
        return say(
            "linear_map.kilometres",
            "Half of the names lie less than {error} km from where they are read.",
            error=write_count(round(error / 10) * 10),
        )
    errors = [
        say("linear_map.error_of", "{column} {error}", column=column, error=write_number(error, 2))
        for column, error in zip(view.column_names, view.column("columns", "median_absolute_error"), strict=True)
    ]
    return say("linear_map.errors", "The median error is: {errors}.", errors=list_items(errors))


def _tell_groups(view: View) -> str:
    """What is left of the map where a name has no neighbours of its own group."""
    if not view.has_groups:
        return ""
    values = {"r2": _write(view, "r2_of_new_groups")}
    if view.options.get("group") in (None, "country") and view.globe:
        return say("linear_map.countries", "Without all names of the same country R² is {r2}.", **values)
    return say("linear_map.groups", "Without all names of the same group R² is {r2}.", **values)


def _tell_shape(view: View) -> str:
    """Where over the layers the map is."""
    first, last = (write_number(float(view.values("r2")[at]), 2) for at in (0, -1))
    values = {"first": first, "last": last, "best": view.best, "margin": write_setting(SAME)}
    match view.shape:
        case "hump":
            return say(
                "linear_map.hump",
                "R² rises from {first} at layer 0 and falls again to {last} at the last: the map is in between.",
                **values,
            )
        case "rises":
            return say(
                "linear_map.rises",
                "R² rises from {first} at layer 0, and the last layer ({last}) is as good as the best: there is no "
                "hump in the middle.",
                **values,
            )
        case "falls":
            return say("linear_map.falls", "Layer 0 ({first}) is as good as the best; the last has {last}.", **values)
        case "flat":
            return say(
                "linear_map.flat",
                "Layer 0 ({first}) and the last ({last}) are as good as the best: the layers add nothing to the "
                "embedding of the last token.",
                **values,
            )
    return say(
        "linear_map.open",
        "Layer 0 has R² {first}, the last {last}: whether the best lies between them by more than {margin} is open.",
        **values,
    )


def tell_briefly(view: View) -> str:
    """R², and where."""
    return say(
        "linear_map.brief",
        "R² {r2} at layer {layer}, {first} at layer 0",
        r2=_write(view, "r2"),
        layer=view.best,
        first=_write(view, "r2_at_embedding"),
    )


def _write(view: View, metric: str) -> str:
    return write_number(view.metric(metric), 2)
