"""Of which stored numbers a metric is the mean: one a prompt, so that two nights can be compared prompt by prompt.

A probe says so where it declares the metric (`metric(..., of=mean_of_rows("answers", "is_right"))`); what a bundle
holds is enough to read them again, so bundles of every age have them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reportgen.results.prompt_names import PROMPT, name_along, name_prompts
from reportgen.results.quantities import Array, Cell, Mean, Outcome, Table


@dataclass(frozen=True)
class PromptValue:
    """What one prompt gives to a metric that is a mean over prompts."""

    name: str
    """What its author calls it."""
    value: float
    """The mean of its own numbers, if it has several."""


def read_prompt_values(outcome: Outcome, mean: Mean) -> dict[Cell, PromptValue]:
    """Prompt -> its value, as far as the outcome holds a finite one; nothing if it holds no such numbers."""
    numbers: dict[Cell, list[float]] = {}
    for prompt, number in _list_numbers(outcome, mean):
        if math.isfinite(number):
            numbers.setdefault(prompt, []).append(number if mean.above is None else float(number > mean.above))
    names = _read_names(outcome, mean)
    return {
        prompt: PromptValue(names.get(prompt, str(prompt)), math.fsum(found) / len(found))
        for prompt, found in numbers.items()
    }


def _list_numbers(outcome: Outcome, mean: Mean) -> Iterator[tuple[Cell, float]]:
    if mean.column:
        if (table := outcome.tables.get(mean.name)) is not None:
            yield from _list_cells(table, mean)
    elif (array := outcome.arrays.get(mean.name)) is not None and mean.each in array.dims:
        for prompt in array.along(mean.each):
            yield from ((prompt, number) for number in _list_elements(array, mean.at, {mean.each: prompt}))
    else:  # one array a prompt
        for name, one in outcome.arrays.items():
            stem, _, prompt_number = name.partition("/")
            if stem == mean.name and prompt_number.isdecimal():
                yield from ((int(prompt_number), number) for number in _list_elements(one, mean.at, {}))


def _list_cells(table: Table, mean: Mean) -> Iterator[tuple[Cell, float]]:
    """The cells of the rows that count; an empty one, or one that is no number, says nothing."""
    if not {mean.each, mean.column, *mean.where} <= set(table.columns):
        return
    for row in table.records():
        if all(row[column] == cell for column, cell in mean.where.items()):
            cell = row[mean.column]
            if isinstance(cell, bool | int | float):
                yield row[mean.each], float(cell)


def _list_elements(array: Array, at: Mapping[str, int], prompt: Mapping[str, int]) -> list[float]:
    """The elements at some places along some dims, from the end where below 0; nothing where these are not there."""
    if not set(at) <= set(array.dims):
        return []
    places: dict[str, Any] = dict(prompt)
    for dim, place in at.items():
        along = array.along(dim)
        if not -len(along) <= place < len(along):
            return []
        places[dim] = along[place]
    return [float(number) for number in array.sel(**places).values.ravel()]


def _read_names(outcome: Outcome, mean: Mean) -> dict[Cell, str]:
    """Prompt -> what it is called: by a column of its own, else as everywhere."""
    table = outcome.tables.get(mean.name)
    if mean.called:
        if table is None or not {mean.each, mean.called} <= set(table.columns):
            return {}
        return {row[mean.each]: str(row[mean.called]) for row in table.records()}
    array = outcome.arrays.get(mean.name)
    if array is not None and mean.each == PROMPT and mean.called is not None and (names := name_along(outcome, array)):
        return dict(zip(array.along(PROMPT), names, strict=True))
    named = mean.each == PROMPT and mean.called is not None
    return {number: name for number, name in name_prompts(outcome).items() if named}
