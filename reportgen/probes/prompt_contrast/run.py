"""How it is measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.separation import (
    find_highest_by_chance,
    find_p_of_largest,
    measure_distances,
    measure_partings,
    shuffle_labels,
)
from reportgen.numerics.settling import holds_from
from reportgen.probes.prompt_contrast import SURE, Contrast, Options
from reportgen.probing.case import Case
from reportgen.probing.probe import Later
from reportgen.training.places import find_places
from reportgen.training.representations import read_rows


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Later[Contrast]:
    """The model's rows, then the twin's."""
    options = case.options
    texts, positions = zip(*find_places(case, options.prompts), strict=True)
    labels = np.array([0] * len(options.a) + [1] * len(options.b), dtype=np.intp)
    splits = shuffle_labels(labels, options.shuffles, options.seed)
    rows = yield from read_rows(texts, positions)
    partings = np.stack([measure_partings(measure_distances(one), splits) for one in rows], axis=1)
    random = None
    if options.twin:
        twins = yield from read_rows(texts, positions, twin_seed=options.seed)
        random = np.array([measure_partings(measure_distances(one), labels[None])[0] for one in twins])
    return _build(case, partings, random)


def _build(case: Case[Options], partings: NDArray[np.float64], random: NDArray[np.float64] | None) -> Contrast:
    """From the (split x layer) partings, those of the true sets first."""
    true, prompts = partings[0], case.options.prompts
    chances = find_p_of_largest(partings)
    known = bool(np.isfinite(true).any())
    widest = int(np.nanargmax(true)) if known else 0
    first = holds_from(chances < SURE)
    none = "all prompts are the same to the model at every layer"
    return Contrast(
        parting=float(true[widest]) if known else none,
        widest_layer=widest if known else none,
        first_layer=first if first < len(true) else "at the last layer they part by no more than chance",
        chance=float(chances[widest]) if known else none,
        partings=true,
        partings_shuffled=np.full(len(true), find_highest_by_chance(partings) if known else np.nan),
        partings_random=random,
        chances=chances,
        prompts=case.prompt_rows(prompts),
        words=case.word_rows((at, prompt, prompt.word) for at, prompt in enumerate(prompts)),
    )
