"""Figures that several probes have: a map of heads, curves over the layers, a grid of layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from reportgen.figures.describe import Curve, Curves, HeatMap, TokenGrid
from reportgen.language import say
from reportgen.probing.probe import axis_label, read_curves_out
from reportgen.probing.view import SubjectView

if TYPE_CHECKING:
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
