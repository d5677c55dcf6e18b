"""How much probability each layer gives to sets of tokens.

The sum of the probabilities of a set's tokens, from a softmax over the whole vocabulary; a softmax over the sets alone
would share out what neither is given, and find a language in every layer. Cost: one unembedding a row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from reportgen.model.network.loaded import LoadedModel, select_likeliest
from reportgen.numerics.distributions import entropy, log_softmax


@dataclass(frozen=True)
class Mass:
    """What is read at some places of the stream, a row a layer; the last layer's is the model's own."""

    mass: torch.Tensor
    """(place x set x layer) probability of a set's tokens together."""
    entropy: torch.Tensor
    """(place x layer) in nats."""
    token_ids: torch.Tensor
    """(layer x k) the most likely tokens at the named place."""
    probabilities: torch.Tensor
    """(layer x k)"""


@torch.inference_mode()
def token_mass(
    model: LoadedModel,
    residual: torch.Tensor,
    normed: torch.Tensor,
    sets: Sequence[Sequence[Sequence[int]]],
    *,
    named: int,
    k: int,
) -> Mass:
    """Reads every layer at every place.

    Args:
        model: whose unembedding reads.
        residual: (place x layer x width) layers 0 to L−1.
        normed: (place x width) what the model's own unembedding reads there: the last layer's row.
        sets: (place x set) token ids; a set may be empty.
        named: the place whose likeliest tokens are wanted.
        k: how many of them.
    """
    places, layers, width = residual.shape
    table = _Table.of(sets, normed.device)
    below = _Rows(places * layers, table)
    for rows, logits in model.lens_logits(residual.reshape(-1, width)):
        below.read(rows, logits, [row // layers for row in range(rows.start, rows.stop)], named, k)
    last = _Rows(places, table)
    for rows, logits in model.final_logits(normed):
        last.read(rows, logits, list(range(rows.start, rows.stop)), named, k)
    by_layer = below.mass.reshape(places, layers, -1)
    return Mass(
        mass=torch.cat([by_layer, last.mass[:, None]], dim=1).transpose(1, 2),
        entropy=torch.cat([below.entropy.reshape(places, layers), last.entropy[:, None]], dim=1),
        token_ids=torch.cat([*below.ids, *last.ids]),
        probabilities=torch.cat([*below.probabilities, *last.probabilities]),
    )


@dataclass(frozen=True)
class _Table:
    """Sets of tokens as one tensor, the shorter ones filled up with what is not counted."""

    ids: torch.Tensor
    """(place x set x token)"""
    counted: torch.Tensor
    """(place x set x token) 1 or 0."""

    @classmethod
    def of(cls, sets: Sequence[Sequence[Sequence[int]]], device: torch.device) -> "_Table":
        longest = max((len(ids) for place in sets for ids in place), default=0)
        filled = [[[*ids, *[0] * (longest - len(ids))] for ids in place] for place in sets]
        counted = [[[1.0] * len(ids) + [0.0] * (longest - len(ids)) for ids in place] for place in sets]
        return cls(torch.tensor(filled, dtype=torch.int64, device=device), torch.tensor(counted, device=device))


class _Rows:
    """Room for what is read, and the reading of a few rows."""

    def __init__(self, rows: int, table: _Table) -> None:
        self._table = table
        self.mass = torch.empty(rows, table.ids.shape[1], device=table.ids.device)
        self.entropy = torch.empty(rows, device=table.ids.device)
        self.ids: list[torch.Tensor] = []
        self.probabilities: list[torch.Tensor] = []

    def read(self, rows: slice, logits: torch.Tensor, places: list[int], named: int, k: int) -> None:
        """Rows of the vocabulary, at their places; padding behind them is read too, and dropped."""
        log_p = log_softmax(logits)
        self.entropy[rows] = entropy(log_p)[: len(places)]
        for at, place in enumerate(places):
            chosen = log_p[at][self._table.ids[place]].exp() * self._table.counted[place]
            self.mass[rows.start + at] = chosen.sum(-1)
        here = list(_find_named(places, named))
        if here:
            values, ids = select_likeliest(log_p, k)
            self.ids.append(ids[here])
            self.probabilities.append(values[here].exp())


def _find_named(places: Sequence[int], named: int) -> Iterator[int]:
    return (at for at, place in enumerate(places) if place == named)
