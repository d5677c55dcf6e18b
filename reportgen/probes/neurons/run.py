"""How it is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from reportgen.features.tables import dictionary_rows
from reportgen.model.capture.check_writes import reason_against
from reportgen.model.measures.memories import strengths
from reportgen.model.needs import PassResult, Unmeasurable
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.sae.dictionary import load_dictionary
from reportgen.numerics.kinds import effective_number, sum_by_name
from reportgen.probes.neurons import Neurons
from reportgen.probes.neurons.off import count_off
from reportgen.probes.neurons.options import Options
from reportgen.probes.neurons.units import (
    BESIDE,
    KINDS,
    Unit,
    asked_units,
    counted_positions,
    dictionaries_beside,
    missing_units,
    need_of_unit,
)
from reportgen.probing.case import Case
from reportgen.probing.findings import reason_rows
from reportgen.results.quantities import Rows

AROUND = 12
"""Tokens of context on either side of an example."""

Column = list[NDArray[np.float32]]
"""(text) (position) activations of one unit; NaN where a token does not count."""


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Neurons:
    """The units one place at a time, then how many neurons are off."""
    count = len(case.options.prompts)
    texts, passes_of_off = captured[:count], captured[count:]
    units, columns, lacking = _find_columns(case, model, texts)
    names = [[case.tokenizer.show(token).strip().casefold() for token in text.tokens] for text in texts]
    if not units:
        raise Unmeasurable(model.say_not_measurable(next(iter(lacking.values()))))
    rows: Rows = []
    examples: Rows = []
    for item, (unit, column) in enumerate(zip(units, columns, strict=True)):
        ranked = _rank(column)
        kept = ranked[: case.options.top]
        kinds, kinds_all = (_count_kinds(some, column, names) for some in (kept, ranked))
        largest = float(column[kept[0][0]][kept[0][1]])
        counted = sum(int(np.isfinite(values).sum()) for values in column)
        share = len(ranked) / counted if kinds is not None else 0.0
        rows.append([item, unit.kind, _place_of(case, unit), unit.index, largest, kinds, kinds_all, share, counted])
        examples += [[item, rank, *_tell(case, texts, column, at)] for rank, at in enumerate(kept, 1)]
    off = count_off(case, model, passes_of_off)
    mean_kinds = {kind: _mean_kinds(rows, kind) for kind in KINDS}
    shown = [case.tokenizer.show_sequence(text.tokens) for text in texts]
    beside = case.options.beside
    return Neurons(
        closed=off.closed,
        silent=off.silent,
        neuron_kinds=mean_kinds["neuron"],
        dimension_kinds=mean_kinds["dimension"],
        feature_kinds=mean_kinds["feature"],
        closed_by_block=off.closed_by_block,
        silent_by_block=off.silent_by_block,
        functions=off.functions,
        units=rows,
        examples=examples,
        activations=[np.stack([column[text] for column in columns]) for text in range(count)],
        dictionaries=dictionary_rows(beside) if beside is not None and BESIDE not in missing_units(case) else [],
        tokens=[[prompt, at, token] for prompt, row in enumerate(shown) for at, token in enumerate(row)],
        skipped=reason_rows({**missing_units(case), **lacking}),
        prompts=case.prompt_rows(case.options.prompts),
    )


def _find_columns(
    case: Case[Options], model: LoadedModel, texts: Sequence[PassResult]
) -> tuple[list[Unit], list[Column], dict[str, str]]:
    """The units with their activations, and what the model lacks."""
    units: list[Unit] = []
    columns: list[Column] = []
    lacking: dict[str, str] = {}
    asked = asked_units(case)
    for unit in dict.fromkeys(asked):
        need = need_of_unit(case, unit)
        if any(need not in text.values for text in texts):
            lacking[f"{unit.kind} of {'block' if unit.kind == 'neuron' else 'layer'} {unit.place}"] = reason_against(
                model, need.site, need.indices
            ).partition(": ")[2]
            continue
        rows = [text.tensors_of(need, 0)[0].float() for text in texts]
        counted = [counted_positions(case, text.tokens) for text in texts]
        found = _activations(case, unit, rows, counted)
        chosen = [unit.index] if unit.index is not None else _strongest(model, unit, found, counted, asked.count(unit))
        for index in chosen:
            units.append(replace(unit, index=index))
            columns.append([_column(one[:, index], places) for one, places in zip(found, counted, strict=True)])
    return units, columns, lacking


@torch.inference_mode()
def _activations(
    case: Case[Options], unit: Unit, rows: Sequence[torch.Tensor], counted: Sequence[Sequence[int]]
) -> list[torch.Tensor]:
    """(text) (position x unit) activations of all units of the same kind and place."""
    if unit.kind == "neuron":
        return list(rows)
    if unit.kind == "dimension":
        together = torch.cat([one[places] for one, places in zip(rows, counted, strict=True)])
        return [one - together.mean(0) for one in rows]
    dictionaries = dictionaries_beside(case)
    assert dictionaries is not None
    files = dictionaries.files[unit.place]
    dictionary = load_dictionary(files, rows[0].device)
    found = []
    for one in rows:
        active = dictionary.find_active(one)
        dense = torch.zeros(len(one), files.features, device=one.device)
        dense[active.row, active.feature] = active.value.float()
        found.append(dense)
    return found


@torch.inference_mode()
def _strongest(
    model: LoadedModel, unit: Unit, found: Sequence[torch.Tensor], counted: Sequence[Sequence[int]], count: int
) -> list[int]:
    """Numbers of the strongest: neurons by the length of what they write, dimensions by how much they vary, features by
    their largest activation.
    """
    together = torch.cat([one[places] for one, places in zip(found, counted, strict=True)])
    if unit.kind == "neuron":
        size = strengths(model, unit.place, together).amax(0)
    else:
        size = together.std(0, unbiased=False) if unit.kind == "dimension" else together.amax(0)
    chosen: list[int] = size.topk(count).indices.tolist()
    return chosen


def _column(values: torch.Tensor, counted: Sequence[int]) -> NDArray[np.float32]:
    kept = np.full(len(values), np.nan, np.float32)
    kept[list(counted)] = values.cpu().numpy()[list(counted)]
    return kept


def _rank(column: Column) -> list[tuple[int, int]]:
    """(text, position) of all tokens that count and on which it is not 0, the strongest first."""
    places = [
        (text, int(at)) for text, values in enumerate(column) for at in np.flatnonzero(np.nan_to_num(values) != 0)
    ]
    ranked = sorted(places, key=lambda at: -abs(float(column[at[0]][at[1]])))
    return ranked or [_first_counted(column)]


def _first_counted(column: Column) -> tuple[int, int]:
    return next((text, int(at)) for text, values in enumerate(column) for at in np.flatnonzero(np.isfinite(values)))


def _count_kinds(places: Sequence[tuple[int, int]], column: Column, names: Sequence[Sequence[str]]) -> float | None:
    """Effective number of spellings among tokens, by the size of the activation on them; None where that is 0."""
    sizes = ((names[text][at], abs(float(column[text][at]))) for text, at in places)
    kinds = effective_number(sum_by_name(sizes).values())
    return kinds if np.isfinite(kinds) else None


def _mean_kinds(rows: Rows, kind: str) -> float | str:
    kinds = [row[5] for row in rows if row[1] == kind and isinstance(row[5], float)]
    return float(np.mean(kinds)) if kinds else f"no {kind} is shown"


def _place_of(case: Case[Options], unit: Unit) -> int:
    """A neuron's block, a dimension's layer, the layer or block that a feature's dictionary reads."""
    if unit.kind != "feature":
        return unit.place
    found = dictionaries_beside(case)
    assert found is not None
    return found.files[unit.place].place.index


def _tell(
    case: Case[Options], texts: Sequence[PassResult], column: Column, at: tuple[int, int]
) -> list[str | int | float | bool | None]:
    """(activation, prompt, position, before, token, after) of an example."""
    text, position = at
    ids = texts[text].tokens
    first = int(ids[0] in case.tokenizer.special_ids)
    before, after = ids[max(position - AROUND, first) : position], ids[position + 1 : position + 1 + AROUND]
    show = case.tokenizer
    words = [show.decode(before), show.show(ids[position]), show.decode(after)]
    return [float(column[text][position]), text, position, *words]
