"""How it is measured where the direction comes from a file, and no sets say what is midway and how far is far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reportgen.numerics.one_thread import hold_one_thread
from reportgen.numerics.projection import Scale, scale_by_rows, to_unit
from reportgen.numerics.steering import random_direction
from reportgen.probes.concept_directions import RANDOM, ConceptDirections
from reportgen.probes.concept_directions.followed import (
    NO_TOKEN,
    WITHIN,
    Followed,
    ReadText,
    bound_random,
    follow_text,
    list_followed,
    read_along,
    value_or_reason,
)
from reportgen.probes.concept_directions.options import Options, direction_file_of
from reportgen.probing.case import Case
from reportgen.probing.probe import Later

NO_SETS = "the direction comes from a file, without sets that it could separate"
OWN_MEAN = "without sets the mean of the texts' own tokens is 0"


def run_along_file(case: Case[Options]) -> Later[ConceptDirections]:
    """The texts at the layer that is named; each direction on a scale of their own tokens."""
    options = case.options
    (layer,) = case.named_layers(options.layers)
    vectors = direction_file_of(options).read((layer,))
    read = yield from read_along(case, layer)
    with hold_one_thread():
        scales = _make_scales(vectors[0], layer, read, options.seed)
        followed = [follow_text(one, scales) for one in read]
        share, drawn = count_standing_out(followed)
    return ConceptDirections(
        coordinates={"layer": (layer,)},
        projection=OWN_MEAN,
        random_projection=OWN_MEAN,
        layer=layer,
        auc=NO_SETS,
        shuffled_auc=NO_SETS,
        separation=NO_SETS,
        standing_out=value_or_reason(share, NO_TOKEN),
        random_standing_out=value_or_reason(drawn, NO_TOKEN),
        direction=vectors.astype(np.float32),
        sides=[],
        words=[],
        **list_followed(case, followed),
    )


def _make_scales(vector: NDArray[np.float64], layer: int, read: Sequence[ReadText], seed: int) -> list[Scale]:
    """The direction's, then those of random directions: each by the same rows."""
    rows = np.concatenate([one.given for one in read])
    drawn = [random_direction(len(vector), layer, seed, draw) for draw in range(RANDOM)]
    return [scale_by_rows(unit, rows) for unit in (to_unit(vector), *drawn)]


def count_standing_out(followed: Sequence[Followed]) -> tuple[float, float]:
    """Share of all tokens that count that are further out than 95 % of random directions put them, and the share that
    95 % of random directions stay within; NaN where none counts.
    """
    values = np.abs(np.concatenate([one.values[one.text.counted] for one in followed]))
    drawn = np.abs(np.concatenate([one.random[:, one.text.counted] for one in followed], axis=1))
    if not len(values) or not np.isfinite(values).all():
        return float("nan"), float("nan")
    bound = bound_random(drawn)
    return float((values > bound).mean()), float(np.percentile((drawn > bound).mean(axis=1), WITHIN))
