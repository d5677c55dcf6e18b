"""What the fits of all layers say of the names held out."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reportgen.numerics.one_thread import hold_one_thread
from reportgen.numerics.ridge import RidgeFit, decompose_rows, fit_ridge
from reportgen.training.hold_out import shuffle_rows
from reportgen.training.representations import Rows, standardise


@dataclass(frozen=True)
class Task:
    """What is to be read from which names; nothing of it depends on a layer."""

    targets: NDArray[np.float64]
    """(name x column)"""
    shuffled: NDArray[np.float64]
    """(name x column) those of other names."""
    held: NDArray[np.bool_]
    """(name) whether it is held out."""
    groups: Sequence[Hashable]
    """(name) empty where there are none."""

    def of_held(self, values: Sequence[Hashable]) -> list[Hashable]:
        """The values of the names held out."""
        return [value for value, held in zip(values, self.held, strict=True) if held]


@dataclass(frozen=True)
class LayerFit:
    """One layer."""

    inner: float
    """Leave-one-out R² on the names fitted to."""
    predicted: NDArray[np.float64]
    """(name held out x column)"""
    shuffled: NDArray[np.float64]
    """(name held out x column) in the fit to shuffled targets."""
    without_group: NDArray[np.float64] | None
    """(name held out x column) each without its own group."""
    shares: NDArray[np.float64]
    """(column) penalty as a share of the mean sum of squares of a dimension."""


def set_task(numbers: NDArray[np.float64], groups: Sequence[Hashable], held: NDArray[np.bool_], seed: int) -> Task:
    """A task from (name x column) numbers and who is held out: whose numbers are given to whom in the control."""
    return Task(numbers, numbers[shuffle_rows(len(numbers), seed)], held, groups)


def keep_names(task: Task, items: Sequence[int]) -> Task:
    """The task for those of its names that a model reads: who is held out is the same for all models."""
    groups = [task.groups[item] for item in items] if task.groups else []
    some = np.array(items)
    return Task(task.targets[some], task.shuffled[some], task.held[some], groups)


def fit_layers(rows: Rows, task: Task, *, with_groups: bool = True) -> list[LayerFit]:
    """(layer) what is read from (layer x name x width) rows. One layer at a time is standardised and decomposed, which
    is all that costs.
    """
    with hold_one_thread():
        return list(_fit_each(rows, task, with_groups=with_groups and bool(task.groups)))


def _fit_each(rows: Rows, task: Task, *, with_groups: bool) -> Iterator[LayerFit]:
    fitted = ~task.held
    columns = task.targets.shape[1]
    for layer in range(len(rows)):
        layer_rows = standardise(rows[layer : layer + 1], fitted)[0]
        ridge = decompose_rows(layer_rows[fitted])
        both = fit_ridge(ridge, np.concatenate([task.targets, task.shuffled], axis=1)[fitted])
        points = ridge.place(layer_rows[task.held])
        predicted = both.predict(points)
        own = _take_columns(both, columns)
        yield LayerFit(
            inner=_measure_inner(own),
            predicted=predicted[:, :columns],
            shuffled=predicted[:, columns:],
            without_group=_predict_new(own, points, task) if with_groups else None,
            shares=own.shares,
        )


def _take_columns(fit: RidgeFit, count: int) -> RidgeFit:
    """The fit to the first columns alone."""
    return replace(
        fit,
        shares=fit.shares[:count],
        offset=fit.offset[:count],
        weights=fit.weights[:, :count],
        targets=fit.targets[:, :count],
        left_out_error=fit.left_out_error[:count],
    )


def _measure_inner(fit: RidgeFit) -> float:
    apart = ((fit.targets - fit.offset) ** 2).sum(axis=0)
    return float((1 - fit.left_out_error / apart).mean())


def _predict_new(fit: RidgeFit, points: NDArray[np.float64], task: Task) -> NDArray[np.float64]:
    fitted = [group for group, held in zip(task.groups, task.held, strict=True) if not held]
    return fit.predict_without_groups(points, task.of_held(task.groups), fitted)


def explain_each(targets: NDArray[np.float64], predicted: NDArray[np.float64]) -> NDArray[np.float64]:
    """(name) what each name of (name x column) adds to R², whose mean over the names is R² averaged over the columns:
    1 − mean over the columns of n (y − ŷ)² / Σ (y − ȳ)².
    """
    apart = ((targets - targets.mean(axis=0)) ** 2).mean(axis=0)
    each: NDArray[np.float64] = 1 - ((targets - predicted) ** 2 / apart).mean(axis=1)
    return each
