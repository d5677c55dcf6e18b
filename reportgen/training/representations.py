"""The residual stream at chosen positions of many texts, read pack by pack: the rows that a probe is trained on."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np
from numpy.typing import NDArray

from reportgen.model.needs import Need, Pass, PassResult, Site, TwinPasses, pack_by_length

TOGETHER = 32
"""Texts that pass together: fixed, so that the bits of a row depend on the battery alone."""

Rows = NDArray[np.float32]
"""(layer x row x width)"""
Reading = Generator[Sequence[Pass] | TwinPasses, Sequence[PassResult], Rows]
"""Yields passes, as a probe's `run` does, and returns what they gave: `rows = yield from read_rows(…)`."""


def read_rows(
    texts: Sequence[tuple[int, ...]],
    positions: Sequence[tuple[int, ...]],
    layers: tuple[int, ...] | None = None,
    *,
    twin_seed: int | None = None,
) -> Reading:
    """(layer x row x width) rows of the residual stream before the final norm, in float32: those of the first text at
    its positions, then those of the second, …

    Args:
        texts: token ids of each.
        positions: of each text, those that are read; a text without any is not read.
        layers: ascending, from 0 = embedding; all where None.
        twin_seed: reads the model's twin, whose random weights are drawn from this seed.
    """
    read = [at for at, places in enumerate(positions) if places]
    passes = [Pass(texts[at], (Need(Site.RESIDUAL, positions[at], layers),)) for at in read]
    starts = np.cumsum([0, *(len(positions[at]) for at in read)])
    rows: Rows | None = None
    for together in _group_by_pack(pack_by_length(passes, TOGETHER)):
        asked = [single for _, single in together]
        given = yield asked if twin_seed is None else TwinPasses(asked, twin_seed)
        for (at, single), captured in zip(together, given, strict=True):
            layers_of_text = [one.float().cpu().numpy() for one in captured.tensors_of(single.needs[0], 0)]
            if rows is None:
                rows = np.empty((len(layers_of_text), starts[-1], layers_of_text[0].shape[-1]), dtype=np.float32)
            for layer, one in enumerate(layers_of_text):
                rows[layer, starts[at] : starts[at + 1]] = one
    if rows is None:
        raise ValueError("no text has a position that is read")
    return rows


def _group_by_pack(passes: Sequence[Pass]) -> list[list[tuple[int, Pass]]]:
    """Passes with their numbers, a list a pack, the shortest texts first."""
    packs: dict[str, list[tuple[int, Pass]]] = {}
    for at, single in sorted(enumerate(passes), key=lambda one: len(one[1].tokens)):
        packs.setdefault(single.pack, []).append((at, single))
    return list(packs.values())


def standardise(rows: Rows, fitted: NDArray[np.bool_]) -> Rows:
    """(layer x row x width) rows less the mean of those that are `fitted`, a dimension, over their standard deviation;
    a dimension that is the same in all of them is 0. Large dimensions would else be all that gradient descent sees.
    """
    mean = rows[:, fitted].mean(axis=1, keepdims=True, dtype=np.float64)
    spread = rows[:, fitted].std(axis=1, keepdims=True, dtype=np.float64)
    scaled: Rows = ((rows - mean) / np.where(spread > 0, spread, np.inf)).astype(np.float32)
    return scaled
