"""What its figures show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from reportgen.figures.describe import Curve, Curves, Figure, TokenGrid
from reportgen.language import name_of, say, say_count, unit_of
from reportgen.numerals import write_share
from reportgen.probes.drift.view import changed_cells, name_largest
from reportgen.probes.parameter_census.figures import COMPONENTS, component_label
from reportgen.probing.axes import Axis, fit_axes
from reportgen.probing.parts import describe_curves
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section


def figures(section: Section) -> Iterable[Figure]:
    """Relative change and cosine, CKA with its control, the weights block by block."""
    views = SubjectView.each(section)
    layers = [range(len(view.values("cosine"))) for view in views]
    arrays: dict[str, dict[str, str]] = {
        "relative_change": {"relative_change": say("drift.relative_change", "relative change")},
        "cosine": {"cosine": say("drift.cosine", "mean cosine")},
        "cka": {"cka": say("drift.cka", "CKA"), "cka_shuffled": say("drift.shuffled", "shuffled")},
    }
    axes = {}
    for first, labels in arrays.items():
        every = [np.array([one.values(array) for array in labels]) for one in views]
        # A change begins at 0; a cosine and a CKA are 1 where nothing changed.
        changes = first == "relative_change"
        axes[first] = fit_axes(every, layers, cut=changes, from_zero=changes, including=None if changes else 1.0)
    for at, view in enumerate(views):
        for first, labels in arrays.items():
            yield _curves(view, first.replace("_", "-"), labels, axes[first][at])
        yield from _weight_grid(view)


def _curves(view: SubjectView, figure: str, labels: Mapping[str, str], axis: Axis) -> Curves:
    """Curves over the layers, the first of which gives the figure its title and unit."""
    first, *_ = labels
    positions = int(view.metric("positions") or 0)
    layers = list(range(len(view.values(first))))
    curves = [Curve(label=label, x=layers, y=view.values(of).tolist(), group=label) for of, label in labels.items()]
    return describe_curves(
        view,
        name=figure,
        title=say_count(
            "drift.curves.title",
            "{model}: {what} over {count} position",
            "{model}: {what} over {count} positions",
            positions,
            model=view.name,
            what=_title_of_array(first),
        ),
        what=labels[first],
        y_label=axis.name(unit_of(view.outcome.arrays[first].unit)),
        y_range=axis.ends,
        curves=curves,
    )


def _title_of_array(array: str) -> str:
    """What the curves of an array show, in a few words."""
    return {
        "relative_change": say("drift.relative_change.title", "how much each layer changed, relative to its norm"),
        "cosine": say("drift.cosine.title", "how far each layer turned (cosine)"),
        "cka": say("drift.cka.title", "how alike each layer is as a whole (CKA)"),
    }[array]


def _weight_grid(view: SubjectView) -> Iterator[TokenGrid]:
    """Blocks from the last at the top, as the lens has them; nothing where the weights are equal."""
    cells = changed_cells(view)
    largest = max((cell.change for cell in cells), default=0.0)
    if not largest:
        return
    blocks = sorted({cell.block for cell in cells}, reverse=True)
    columns = [component for component in COMPONENTS if any(cell.component == component for cell in cells)]
    values = np.full((len(blocks), len(columns)), np.nan)
    for cell in cells:
        values[blocks.index(cell.block), columns.index(cell.component)] = cell.change
    yield TokenGrid(
        name="weights",
        subject=(view.subject,),
        title=say("drift.weights.title", "{model}: change of the weights", model=view.name),
        alt=say(
            "drift.weights.alt",
            "Relative change of the weights of every block of {model}, largest in {place}",
            model=view.name,
            place=name_largest(cells),
        ),
        row_label=name_of("block"),
        rows=[str(block) for block in blocks],
        column_label=say("drift.part_of_block", "part of the block"),
        columns=[_short_label(component) for component in columns],
        texts=[["" if math.isnan(value) else write_share(value) for value in row] for row in values],
        values=values / largest,
        value_label=say(
            "drift.weights.value", "‖ΔW‖/‖W‖, as a share of the largest ({largest})", largest=write_share(largest)
        ),
        outlined=values == largest,
        outline_label=say("drift.largest", "the largest"),
    )


def _short_label(component: str) -> str:
    """What stands above a column: of an attention or MLP tensor its letter or its own word."""
    short = component.removeprefix("attention ").removeprefix("MLP ")
    return component_label(component) if short == component else short
