"""How it is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reportgen.model.capture.shared_passes import run_all
from reportgen.model.needs import PassResult
from reportgen.numerics.linear_map import LinearMap, fit_linear_map, r_squared
from reportgen.probes.patchscope import source_places, target_places
from reportgen.probes.patchscope.run import (
    WrittenAnswer,
    collect_answers,
    list_answer_passes,
    source_rows,
    target_rows,
    word_rows,
)
from reportgen.probes.patchscope_across import (
    Across,
    Options,
    all_positions,
    is_held_out,
    layer_pairs,
    own_layers,
)
from reportgen.probing.case import Case
from reportgen.probing.pairs import share_positions
from reportgen.probing.probe import MeasuredModel


@dataclass(frozen=True)
class _FittedMap:
    """A map with how well it holds."""

    map: LinearMap
    positions: int
    held_out: int
    r2: float


def compare(base: MeasuredModel[Options], other: MeasuredModel[Options]) -> Across:
    """The maps; then a prompt and a target at a time, all layers together."""
    case, options = other.case, base.case.options
    targets, pairs = len(options.targets), layer_pairs(case)
    maps = _maps(base, other, pairs)
    written: list[WrittenAnswer] = []
    for prompt, place in enumerate(source_places(base.case, options)):
        rows = _map_by_layer(base.case, base.captured[prompt])
        for target, into in enumerate(target_places(case, options)):
            passes = []
            for source, layer in pairs:
                taken = {source: _map_row(maps, (source, layer), rows[source][place.position])}
                passes += list_answer_passes(case, options, into, taken, [(source, layer)])
            for pair, single in zip(pairs, run_all(other.model, passes), strict=True):
                written.append(WrittenAnswer(prompt, target, *pair, single.tokens[single.prompt_length :]))
    unpatched = [single.tokens[single.prompt_length :] for single in other.captured[:targets]]
    none = "no map was asked for"
    return Across(
        **collect_answers(case, options, written, unpatched),
        fitted_positions=next((one.positions for one in maps.values()), none),
        held_out_r2=float(np.mean([one.r2 for one in maps.values()])) if maps else none,
        maps=[[*pair, one.positions, one.held_out, one.r2] for pair, one in maps.items()],
        targets=target_rows(case, options.targets),
        sources=source_rows(base.case, options),
        prompts=base.case.prompt_rows(options.prompts),
        words=word_rows(base.case, options),
    )


def _map_by_layer(case: Case[Options], captured: PassResult) -> dict[int, Tensor]:
    """Layer -> (position x width)"""
    layers = own_layers(case)
    return dict(zip(layers, captured.tensors_of(all_positions(layers), 0), strict=True))


def _maps(
    base: MeasuredModel[Options], other: MeasuredModel[Options], pairs: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], _FittedMap]:
    """(source layer, target layer) -> the map; none where none is asked for."""
    options = base.case.options
    if options.map == "none":
        return {}
    texts = options.fit or []
    places = [share_positions(base.case, other.case, prompt) for prompt in texts]
    ours = [_map_by_layer(base.case, single) for single in base.captured[len(options.prompts) :]]
    theirs = [_map_by_layer(other.case, single) for single in other.captured[len(options.targets) :]]

    def rows(of: Sequence[Mapping[int, Tensor]], which: int, layer: int, held_out: bool) -> Tensor:
        """(position x width) of the texts that are held out, or of the others, in float64."""
        some = [
            stream[layer][[pair[which] for pair in shared]]
            for at, (stream, shared) in enumerate(zip(of, places, strict=True))
            if is_held_out(at) == held_out and shared
        ]
        return torch.cat(some).cpu().double()

    found = {}
    for source, layer in pairs:
        x, y = rows(ours, 0, source, False), rows(theirs, 1, layer, False)
        fitted = fit_linear_map(x, y, options.ridge)
        unseen, expected = rows(ours, 0, source, True), rows(theirs, 1, layer, True)
        r2 = float(r_squared(expected, fitted(unseen)))
        found[source, layer] = _FittedMap(fitted, len(x), len(unseen), r2)
    return found


def _map_row(maps: Mapping[tuple[int, int], _FittedMap], pair: tuple[int, int], row: Tensor) -> Tensor:
    """(width of other)"""
    if not maps:
        return row
    mapped: Tensor = maps[pair].map(row.cpu().double()).float()
    return mapped
