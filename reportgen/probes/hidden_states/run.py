"""How it is measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, takewhile
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.probes.hidden_states import (
    Options,
    Prompt,
    States,
    need_of,
    read_prompts_in_full,
)
from reportgen.probing.case import Case
from reportgen.probing.findings import reason_rows
from reportgen.probing.word_places import find_words, with_first_occurrence
from reportgen.results.quantities import Rows


@dataclass(frozen=True)
class _Comparison:
    """Two prompts that begin with the same tokens."""

    a: int
    b: int
    prefix: int
    differences: NDArray[np.float32]
    """(layer x position)"""

    @property
    def before(self) -> float:
        """The largest difference before the prompts part."""
        return float(self.differences[:, : self.prefix].max())

    def row(self, norms: Sequence[NDArray[np.float32]]) -> list[Any]:
        """A row of `pairs`, less its number."""
        before = self.differences[:, : self.prefix]
        place = np.unravel_index(int(before.argmax()), before.shape)
        norm = float(norms[self.a][place])
        after = self.differences[:, self.prefix : self.prefix + 1]
        parted = float(after.max()) if after.size else None
        return [self.a, self.b, self.prefix, self.before, self.before / norm if norm else 0.0, parted]


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> States:
    """Norms a prompt, differences a pair."""
    need, read = need_of(case), read_prompts_in_full(case)
    streams = [
        torch.stack(single.tensors_of(need, 0))[:, : len(one.tokens)].float()
        for single, one in zip(captured, read, strict=True)
    ]
    layers = case.needed_layers(case.options.layers) or tuple(range(len(streams[0])))
    norms = [_numpy(torch.linalg.vector_norm(stream, dim=-1)) for stream in streams]
    compared = [
        _Comparison(a, b, prefix, _measure_differences(streams[a], streams[b])) for a, b, prefix in _pairs(read)
    ]
    rows = [[i, *pair.row(norms)] for i, pair in enumerate(compared)]
    found = find_words(case)
    shown = [case.tokenizer.show_sequence(one.tokens) for one in read]
    return States(
        coordinates={"layer": layers},
        prefix_difference=max((pair.before for pair in compared), default="no two prompts begin with one token"),
        last_norm=float(np.median(np.concatenate([of_prompt[-1] for of_prompt in norms]))),
        norms=norms,
        differences=[pair.differences for pair in compared],
        prefix=np.array([pair.prefix for pair in compared], np.int64),
        pairs=rows,
        shapes=[
            row
            for prompt, single in enumerate(captured)
            for row in _shapes(prompt, layers, single.tensors_of(need, 0), norms[prompt], shown[prompt])
        ],
        tokens=[[prompt, at, token] for prompt, of_prompt in enumerate(shown) for at, token in enumerate(of_prompt)],
        vectors=[_take_numbers(case, streams, places) for places in found.places.values()],
        occurrences=[
            [word, item, text, prompt, position, shown[prompt][position]]
            for word, (text, places) in enumerate(found.places.items())
            for item, (prompt, position) in enumerate(places)
        ],
        words=case.word_rows(
            (prompt, with_first_occurrence(case.options.prompts[prompt]), text)
            for text, places in found.places.items()
            for prompt, _ in places
        ),
        skipped=reason_rows(found.missing),
        prompts=case.prompt_rows(case.options.prompts),
    )


def _take_numbers(
    case: Case[Options], streams: Sequence[Tensor], places: Sequence[tuple[int, int]]
) -> NDArray[np.float32]:
    """(item x layer x component) the first numbers of a word's vectors."""
    vectors = [streams[prompt][:, position, : case.options.numbers] for prompt, position in places]
    return _numpy(torch.stack(vectors))


def _pairs(read: Sequence[Prompt]) -> Iterator[tuple[int, int, int]]:
    """Every two that are compared and begin alike, with the number of tokens that they share."""
    for a, b in combinations(range(len(read)), 2):
        both = zip(read[a].tokens, read[b].tokens, strict=False)
        prefix = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], both))
        if prefix and read[a].pair == read[b].pair:
            yield a, b, prefix


def _measure_differences(one: Tensor, other: Tensor) -> NDArray[np.float32]:
    """(layer x position) largest absolute difference of (layer x position x width), as far as the shorter goes."""
    both = min(one.shape[1], other.shape[1])
    return _numpy((one[:, :both] - other[:, :both]).abs().amax(-1))


def _numpy(values: Tensor) -> NDArray[np.float32]:
    result: NDArray[np.float32] = values.cpu().numpy()
    return result


def _shapes(
    prompt: int, layers: Sequence[int], stream: Sequence[Tensor], norms: NDArray[np.float32], tokens: Sequence[str]
) -> Rows:
    """Rows of `shapes` of one prompt, whose fillings do not count."""
    rows: Rows = []
    for layer, values, of_layer in zip(layers, stream, norms, strict=True):
        shape = f"{len(tokens)} x {values.shape[-1]}"
        dtype = str(values.dtype).removeprefix("torch.")
        largest = int(of_layer.argmax())
        rows.append(
            [prompt, layer, shape, dtype, float(np.median(of_layer)), float(of_layer[largest]), tokens[largest]]
        )
    return rows
