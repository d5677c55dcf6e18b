"""How it is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.attention import SINK_THRESHOLD
from reportgen.numerics.outliers import flag_massive
from reportgen.probes.attention_sink import FIRST_KEY_NEED, STREAM, Extremes, Options, Sinks
from reportgen.probes.attention_sink.view import FULL, SLIDING
from reportgen.probing.case import Case
from reportgen.results.quantities import Rows

_KINDS = {
    "full_attention": FULL, "attention": FULL, "hybrid": FULL, "global": FULL, "sliding_attention": SLIDING,
    "local": SLIDING,
}  # fmt: skip
"""What configurations call the two."""


@dataclass(frozen=True)
class _Window:
    """How far the attention of one block sees."""

    kind: str
    size: int | None
    """Tokens, the query's own included; None where nothing limits it."""

    def sees_first(self, length: int) -> float:
        """Share of the queries of so many tokens that can see position 0."""
        return 1.0 if self.size is None else min(self.size, length) / length


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Sinks:
    """Stacks what the reducers kept."""
    importance = np.stack([_numpy(single.values[FIRST_KEY_NEED]) for single in captured])
    layers: list[list[Extremes]] = [single.values[STREAM] for single in captured]
    largest = np.stack([_numpy([layer.values for layer in of_prompt]) for of_prompt in layers])
    median = np.stack([_numpy([layer.median for layer in of_prompt]) for of_prompt in layers])
    is_massive = flag_massive(largest, median[..., None])
    return Sinks(
        coordinates={"rank": range(1, largest.shape[-1] + 1), **model.attention_coordinates},
        sink_share=float((importance > SINK_THRESHOLD).mean()),
        mean_importance=float(importance.mean()),
        massive_share=float(is_massive.any(-1).mean()),
        importance=importance,
        largest=largest,
        median=median,
        blocks=_block_rows(importance, _windows(model), [len(single.tokens) for single in captured]),
        sinks=[_sink_row(case, prompt, single, importance[prompt]) for prompt, single in enumerate(captured)],
        activations=[
            row
            for prompt, single in enumerate(captured)
            for row in _activation_rows(case, prompt, single, layers[prompt], is_massive[prompt])
        ],
        prompts=case.prompt_rows(case.options.prompts),
    )


def _windows(model: LoadedModel) -> dict[int, _Window]:
    """Block with attention -> what the configuration says."""
    config = model.network.config.get_text_config()
    size = getattr(config, "sliding_window", None) or getattr(config, "window_size", None)
    if getattr(config, "use_sliding_window", True) is False:
        size = None
    named = getattr(config, "layer_types", None) or getattr(config, "attention_layers", None)
    every = SLIDING if size is not None else FULL
    if named is None or len(named) != model.layers:
        named = [every] * model.layers
    kinds = [_KINDS.get(kind, str(kind)) for kind in named]
    return {block: _Window(kinds[block], size if kinds[block] == SLIDING else None) for block in model.attention_blocks}


def _numpy(values: Sequence[Tensor]) -> NDArray[np.float32]:
    stacked: NDArray[np.float32] = torch.stack(list(values)).cpu().numpy()
    return stacked


def _block_rows(importance: NDArray[np.float32], windows: Mapping[int, _Window], lengths: Sequence[int]) -> Rows:
    """Rows of the `blocks` table, from (prompt x block x head) importances."""
    rows: Rows = []
    for at, (block, window) in enumerate(windows.items()):
        of_block = importance[:, at]
        sees = sum(window.sees_first(length) for length in lengths) / len(lengths)
        share = float((of_block > SINK_THRESHOLD).mean())
        rows.append([block, window.kind, window.size, sees, float(of_block.mean()), share])
    return rows


def uniform_importance(length: int) -> float:
    """The importance of position 0 where every query spreads its attention evenly over what it may see."""
    return sum(1 / seen for seen in range(1, length + 1)) / length


def _sink_row(case: Case[Options], prompt: int, single: PassResult, importance: NDArray[np.float32]) -> list[Any]:
    """A row of the `sinks` table, from (block x head) importances."""
    first, length = single.tokens[0], len(single.tokens)
    special = first in case.tokenizer.special_ids
    sinks = int((importance > SINK_THRESHOLD).sum())
    return [prompt, case.tokenizer.show(first), special, length, uniform_importance(length), sinks, importance.size]


def _activation_rows(
    case: Case[Options], prompt: int, single: PassResult, layers: Sequence[Extremes], is_massive: NDArray[Any]
) -> Rows:
    """Rows of the `activations` table of one prompt."""
    shown = case.tokenizer.show_sequence(single.tokens)
    rows: Rows = []
    for layer, extremes in enumerate(layers):
        median = float(extremes.median)
        pairs = zip(extremes.places.tolist(), extremes.values.tolist(), strict=True)
        for rank, (place, value) in enumerate(pairs, 1):
            position, dimension = divmod(place, extremes.width)
            times = abs(value) / median if median else None
            told = bool(is_massive[layer, rank - 1])
            rows.append([prompt, layer, rank, position, shown[position], dimension, value, times, told])
    return rows
