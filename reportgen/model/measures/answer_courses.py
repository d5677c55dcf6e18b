"""What becomes of the right answer, and of the wrong one, through the layers: the same for every probe that is told.

Of several right answers the rank is the best of them: a model is right that says any of them. Their probability is the
sum over their distinct first tokens: of two answers that begin alike, that token is counted once. Cost: a rank and a
probability per token that begins an answer, at each row that is read anyway.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from reportgen.model.measures.readout import Readout, fetch_readout, read_out
from reportgen.model.network.loaded import LoadedModel

AnswerTokens = tuple[tuple[int, ...], tuple[int, ...]]
"""The distinct tokens that begin right answers, and those that begin wrong ones."""


@dataclass(frozen=True)
class AnswerCourses:
    """(place x layer) what becomes of the answers; NaN if a place has none."""

    rank: NDArray[np.float32]
    """From 1, of the best of the right answers."""
    right: NDArray[np.float32]
    """Probability of the right answers together."""
    wrong: NDArray[np.float32]
    """Probability of the wrong ones together; NaN if there are none."""


def pad_answers(places: Sequence[AnswerTokens | None]) -> torch.Tensor:
    """(place x token) what a readout is asked for: of each place the right tokens, then the wrong ones. A place with
    fewer asks about a token more than once; those columns are not read.
    """
    wanted = [[*one[0], *one[1]] if one else [] for one in places]
    most = max(map(len, wanted), default=0)
    padded = [[*ids, *[0] * (most - len(ids))] for ids in wanted]
    return torch.tensor(padded, dtype=torch.int64).reshape(len(wanted), most)


def follow_answers(read: Readout, places: Sequence[AnswerTokens | None], first: int = 0) -> AnswerCourses:
    """The courses of the answers that a readout (on the host) was asked for, from its column `first` on."""
    ranks, probabilities = (one[..., first:].float().numpy() for one in (read.asked_rank, read.asked_probability))
    rank, right, wrong = (np.full(ranks.shape[:2], np.nan, np.float32) for _ in range(3))
    for at, tokens in enumerate(places):
        if tokens is not None:
            between, end = len(tokens[0]), len(tokens[0]) + len(tokens[1])
            rank[at] = ranks[at, :, :between].min(-1)
            right[at] = probabilities[at, :, :between].sum(-1)
            if tokens[1]:
                wrong[at] = probabilities[at, :, between:end].sum(-1)
    return AnswerCourses(rank, right, wrong)


def follow_own_answers(
    model: LoadedModel, normed: torch.Tensor, places: Sequence[AnswerTokens | None]
) -> AnswerCourses:
    """The same in the model's own distribution alone, one layer, at (place x width) rows that left the final norm."""
    asked = pad_answers(places).to(normed.device)
    return follow_answers(
        fetch_readout(read_out(model, normed[:, None][:, :0], normed, k=1, asked=asked, kl=False)), places
    )
