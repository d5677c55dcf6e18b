"""How it is measured."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.confidence import wilson_95
from reportgen.numerics.resampling import mean_interval_95
from reportgen.probes.linear_probe import LinearProbe, place_prompts
from reportgen.probes.linear_probe.options import Options, labels_of, units_of
from reportgen.probing.case import Case
from reportgen.probing.probe import Later
from reportgen.results.quantities import Rows as TableRows
from reportgen.training.folds import deal_folds
from reportgen.training.logistic import Labels, choose_layers, find_directions, guess_held_out
from reportgen.training.random_coordinates import draw_coordinates
from reportgen.training.random_labels import deal_testable_labels, name_types
from reportgen.training.representations import Rows, read_rows
from reportgen.training.units import number_units, sum_by_unit


@dataclass(frozen=True)
class _Task:
    """What is to be learned, and on what it is tested: the same for all layers, the model and its twin."""

    names: list[str]
    """(label)"""
    labels: Labels
    folds: NDArray[np.int64]
    penalty: float

    @classmethod
    def of(cls, options: Options, labels: Sequence[str]) -> _Task:
        names = sorted(set(labels_of(options.prompts)))
        numbers = np.array([names.index(label) for label in labels])
        folds = deal_folds(labels, units_of(options.prompts), options.folds, options.seed)
        return cls(names, numbers, folds, options.penalty)

    def guess(self, rows: Rows) -> Labels:
        """(layer x prompt) what each held-out prompt is taken for."""
        return guess_held_out(rows, self.labels, self.folds, self.penalty)

    def judge(self, rows: Rows) -> NDArray[np.float64]:
        """(layer x prompt) 1 where that is right."""
        right: NDArray[np.float64] = (self.guess(rows) == self.labels).astype(np.float64)
        return right


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Later[LinearProbe]:
    """The split first, then rows, then a probe a layer and a fold."""
    options, places = case.options, place_prompts(case)
    task = _Task.of(options, labels_of(options.prompts))
    rows = yield from read_rows(places.texts, places.positions, places.layers)
    twin = None
    if options.twin:
        others = yield from read_rows(places.texts, places.positions, places.layers, twin_seed=options.seed)
        twin = task.judge(others).mean(axis=1)
    return _find(case, task, rows, twin)


def _find(case: Case[Options], task: _Task, rows: Rows, twin: NDArray[np.float64] | None) -> LinearProbe:
    options = case.options
    guesses = task.guess(rows)
    right = (guesses == task.labels).astype(np.float64)
    by_chance = _judge_random_labels(options, rows)
    chosen = choose_layers(rows, task.labels, task.folds, task.penalty)
    at, each = chosen[task.folds], np.arange(len(task.labels))
    layers = places if (places := case.needed_layers(options.layers)) is not None else tuple(range(len(rows)))
    units = number_units(units_of(options.prompts))
    counts = np.bincount(task.labels, minlength=len(task.names))
    return LinearProbe(
        coordinates={"layer": layers},
        labelled=len(each),
        accuracy=float(right[at, each].mean()),
        selectivity=float((right - by_chance)[at, each].mean()),
        majority=float(counts.max() / counts.sum()),
        accuracy_of_random_coordinates=_judge_random_coordinates(options, task, rows.shape[-1]),
        best_layer=int(layers[int(right.mean(axis=1).argmax())]),
        accuracy_by_layer=right.mean(axis=1),
        accuracy_control=by_chance.mean(axis=1),
        selectivity_by_layer=(right - by_chance).mean(axis=1),
        accuracy_random=twin,
        right=right,
        control_right=by_chance,
        direction=find_directions(rows, task.labels, len(task.names), task.penalty),
        labels=[
            [label, name, int(counts[label]), float(counts[label] / counts.sum()),
             float(right[at, each][task.labels == label].mean())]
            for label, name in enumerate(task.names)
        ],
        chosen=[[fold, int(layers[layer])] for fold, layer in enumerate(chosen)],
        items=[
            [i, case.tokenizer.prompt_text(prompt), task.names[task.labels[i]], task.names[guesses[at[i], i]],
             bool(right[at[i], i]), int(task.folds[i]), units[i]]
            for i, prompt in enumerate(options.prompts)
        ],
        layers=_list_layers(layers, right, by_chance, units),
        prompts=case.prompt_rows(options.prompts),
        words=case.word_rows((i, prompt, prompt.word) for i, prompt in enumerate(options.prompts)),
    )  # fmt: skip


def _judge_random_labels(options: Options, rows: Rows) -> NDArray[np.float64]:
    """(layer x prompt) share of the draws in which the dealt label is given."""
    labels, types, units = labels_of(options.prompts), _name_types(options), units_of(options.prompts)
    draws = [
        _Task.of(options, deal_testable_labels(labels, types, units, options.seed, draw)).judge(rows)
        for draw in range(options.controls)
    ]
    mean: NDArray[np.float64] = np.mean(draws, axis=0)
    return mean


def _judge_random_coordinates(options: Options, task: _Task, width: int) -> float:
    """Share of the prompts that get the right label by rows of random numbers, mean over the draws."""
    types = _name_types(options)
    draws = [task.judge(draw_coordinates(types, width, options.seed, draw)) for draw in range(options.controls)]
    return float(np.mean(draws))


def _name_types(options: Options) -> list[Hashable]:
    """(prompt) what has one random label, or one random row, wherever it stands."""
    return name_types(labels_of(options.prompts), [prompt.word for prompt in options.prompts])


def _list_layers(
    layers: Sequence[int], right: NDArray[np.float64], by_chance: NDArray[np.float64], units: Sequence[int]
) -> TableRows:
    low, high = mean_interval_95(sum_by_unit(right - by_chance, units))
    count = max(units) + 1
    found: TableRows = []
    for at, layer in enumerate(layers):
        ends = wilson_95(float(right[at].mean()) * count, count)
        accuracy, control = float(right[at].mean()), float(by_chance[at].mean())
        selectivity = float((right - by_chance)[at].mean())
        found.append(
            [
                layer,
                accuracy,
                *ends,
                control,
                selectivity,
                *(None if np.isnan(end[at]) else float(end[at]) for end in (low, high)),
            ]
        )
    return found
