"""How it is measured."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.great_circle import great_circle
from reportgen.probes.linear_map import LinearMap
from reportgen.probes.linear_map.fits import LayerFit, Task, explain_each, fit_layers, keep_names, set_task
from reportgen.probes.linear_map.names import read_names
from reportgen.probes.linear_map.options import Options
from reportgen.probing.case import Case
from reportgen.probing.probe import Later
from reportgen.results.quantities import Rows
from reportgen.training.representations import read_rows


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Later[LinearMap]:
    """The model's own names first, then its twin's; of either only one is in memory."""
    options = case.options
    names, skipped = read_names(case)
    items = [name.item for name in names]
    entities = options.entities
    numbers = np.array([entity.numbers for entity in entities])
    # A name without a group is in one of its own.
    groups: list[Hashable] = [one.group or at for at, one in enumerate(entities)] if options.sheet.group else []
    task = keep_names(set_task(numbers, groups, options.draw_held_out(), options.seed), items)
    texts, positions = [name.tokens for name in names], [(name.position,) for name in names]
    fits = fit_layers((yield from read_rows(texts, positions)), task)
    twins: list[LayerFit] = []
    if options.twin:
        random = yield from read_rows(texts, positions, twin_seed=options.seed)
        twins = fit_layers(random, task, with_groups=False)
    return _make_findings(case, task, items, fits, twins, skipped)


def _make_findings(
    case: Case[Options], task: Task, items: Sequence[int], fits: Sequence[LayerFit], twins: Sequence[LayerFit],
    skipped: Rows,
) -> LinearMap:  # fmt: skip
    true = task.targets[task.held]
    explained = np.stack([explain_each(true, fit.predicted) for fit in fits])
    inner = np.array([fit.inner for fit in fits])
    best = int(inner.argmax())
    shuffled = np.array([explain_each(task.shuffled[task.held], fit.shuffled).mean() for fit in fits])
    by_group = _measure_all(true, [fit.without_group for fit in fits])
    random = _measure_all(true, [fit.predicted for fit in twins])
    held = [item for item, one in zip(items, task.held, strict=True) if one]
    return LinearMap(
        coordinates={"item": held},
        r2=float(explained[best].mean()),
        best_layer=best,
        r2_at_embedding=float(explained[0].mean()),
        r2_of_shuffled=float(shuffled[best]),
        r2_of_twin=float(random.max()) if twins else None,
        r2_of_new_groups=float(by_group[best]) if task.groups else None,
        median_error=_measure_distance(case.options, true, fits[best].predicted),
        fitted=int((~task.held).sum()),
        held_out=len(held),
        r2_by_layer=explained.mean(axis=1),
        r2_inner=inner,
        r2_shuffled=shuffled,
        r2_random=random if twins else None,
        r2_by_country=by_group if task.groups else None,
        explained=explained,
        columns=_list_columns(case.options, true, fits[best]),
        predicted=_list_predicted(case.options, held, true, fits[best]),
        skipped=skipped,
    )


def _measure_all(true: NDArray[np.float64], predicted: Sequence[NDArray[np.float64] | None]) -> NDArray[np.float64]:
    """(layer) R²; of no layer where nothing is predicted."""
    return np.array([explain_each(true, one).mean() for one in predicted if one is not None])


def _measure_distance(options: Options, true: NDArray[np.float64], predicted: NDArray[np.float64]) -> float | None:
    """Median distance on the globe; None where the columns are no places on it."""
    globe = options.sheet.globe
    if globe is None:
        return None
    return float(np.median(great_circle(true[:, list(globe)], predicted[:, list(globe)])))


def _list_columns(options: Options, true: NDArray[np.float64], fit: LayerFit) -> Rows:
    from scipy.stats import spearmanr

    rows: Rows = []
    for at, name in enumerate(options.sheet.numbers):
        one, other = true[:, at], fit.predicted[:, at]
        ranked: Any = spearmanr(one, other).statistic if np.ptp(other) > 0 else None
        r2 = explain_each(one[:, None], other[:, None]).mean()
        rows.append([name, r2, ranked, float(np.median(np.abs(one - other))), float(fit.shares[at])])
    return rows


def _list_predicted(options: Options, held: Sequence[int], true: NDArray[np.float64], fit: LayerFit) -> Rows:
    rows: Rows = []
    for row, item in enumerate(held):
        entity = options.entities[item]
        for at, column in enumerate(options.sheet.numbers):
            new = None if fit.without_group is None else float(fit.without_group[row, at])
            told = [float(true[row, at]), float(fit.predicted[row, at]), new]
            rows.append([item, entity.name, entity.group, entity.colour, column, *told])
    return rows
