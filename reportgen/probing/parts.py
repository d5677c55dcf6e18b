"""Figures that several probes have: a map of heads, curves over the layers, a grid of layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from reportgen.figures.describe import Curve, Curves, HeatMap, TokenGrid
from reportgen.language import say
from reportgen.probing.probe import axis_label, read_curves_out
from reportgen.probing.view import SubjectView

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def describe_head_map(
    view: SubjectView,
    *,
    name: str,
    title: str,
    alt: str,
    values: NDArray[Any],
    value_label: str,
    value_range: tuple[float, float],
    scale: Literal["sequential", "diverging"] = "sequential",
    row_label: str = "",
    column_label: str = "",
) -> HeatMap:
    """One cell a head, blocks downwards."""
    return HeatMap(
        name=name,
        subject=(view.subject,),
        title=title,
        alt=alt,
        values=values,
        row_label=row_label or say("figure.block", "block"),
        column_label=column_label or say("figure.head", "head"),
        value_label=value_label,
        scale=scale,
        value_range=value_range,
    )


def describe_curves(
    view: SubjectView,
    *,
    name: str,
    title: str,
    what: str,
    curves: Sequence[Curve],
    x_label: str = "",
    y_label: str = "",
    references: Mapping[str, float] | None = None,
    y_range: tuple[float, float] | None = None,
    x_range: tuple[float, float] | None = None,
) -> Curves:
    """Curves over the layers (or over what `x_label` says), with where each begins and ends for who cannot see them."""
    return Curves(
        name=name,
        subject=(view.subject,),
        title=title,
        alt=read_curves_out(view.name, what, curves),
        x_label=x_label or axis_label(relative=False),
        y_label=y_label or what,
        curves=curves,
        references=references or {},
        y_range=y_range,
        x_range=x_range,
    )


def describe_beside_controls(
    view: SubjectView,
    array: str,
    *,
    name: str,
    what: str,
    label: str,
    controls: Sequence[tuple[str, NDArray[Any]]],
    y_label: str = "",
    y_range: tuple[float, float] | None = None,
    band: tuple[Sequence[float], Sequence[float]] | None = None,
    references: Mapping[str, float] | None = None,
) -> Curves:
    """What was measured at each layer (an array over them), and the (layer) values of what it is held against: shares
    of the depth to the right, unless the option `axis` asks for the layers' numbers.
    """
    relative = view.options.get("axis", "relative") == "relative"
    x = [layer / view.last_layer if relative else float(layer) for layer in view.along(array, "layer")]
    measured = Curve(label=label, x=x, y=view.values(array).tolist(), model=view.subject, band=band)
    held_against = [Curve(label=control, x=x, y=values.tolist(), group=control) for control, values in controls]
    return describe_curves(
        view,
        name=name,
        title=say("figure.of_model", "{model}: {what}", model=view.name, what=what),
        what=what,
        x_label=axis_label(relative=relative),
        y_label=y_label,
        curves=[measured, *held_against],
        references=references,
        y_range=y_range,
        x_range=(0.0, 1.0) if relative else None,
    )


def list_controls(view: SubjectView, array: str) -> list[tuple[str, NDArray[Any]]]:
    """What an array over the layers is held against where probes name it so: ARRAY_shuffled, below which 95 % of
    shufflings stay, and ARRAY_random of the model's twin; those that were asked for.
    """
    names = {"shuffled": say("figure.shuffled", "shuffled (95 %)"), "random": name_random_weights()}
    known = ((name, f"{array}_{which}") for which, name in names.items())
    return [(name, view.values(control)) for name, control in known if control in view.outcome.arrays]


def stack_with_controls(view: SubjectView, array: str) -> NDArray[np.float32]:
    """(curve x layer) the values of an array over the layers and of its controls."""
    import numpy as np

    values = [view.values(array), *(control for _, control in list_controls(view, array))]
    return np.stack(values).astype(np.float32)


def name_random_weights() -> str:
    """What curves of a model's twin are called."""
    return say("figure.random_weights", "random weights")


def describe_layer_grid(
    view: SubjectView,
    *,
    name: str,
    title: str,
    alt: str,
    rows: Iterable[int | str],
    column_label: str,
    columns: Sequence[str],
    texts: Sequence[Sequence[str]],
    values: NDArray[Any],
    value_label: str,
    row_label: str = "",
    outlined: NDArray[Any] | None = None,
    outline_label: str = "",
    alternatives: Sequence[Sequence[Sequence[tuple[str, float]]]] = (),
    sampleable: bool = True,
) -> TokenGrid:
    """A row a layer (or a block, where `row_label` says so), from the last at the top; no cell outlined unless said."""
    import numpy as np

    return TokenGrid(
        name=name,
        subject=(view.subject,),
        title=title,
        alt=alt,
        row_label=row_label or axis_label(relative=False),
        rows=[str(row) for row in rows],
        column_label=column_label,
        columns=columns,
        texts=texts,
        values=values,
        value_label=value_label,
        outlined=np.zeros(values.shape, bool) if outlined is None else outlined,
        outline_label=outline_label,
        alternatives=alternatives,
        sampleable=sampleable,
    )
