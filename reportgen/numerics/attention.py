"""What is said of attention patterns.

Entropy is the mean of the rows' own entropies in nats, not the entropy of the mean row, which would be high for a head
that looks sharply at another place from every query. Sink importance is the mean weight on one key over the queries
that can see it, as the paper has it; a share of the largest weights would depend on the length of the text. Cost:
linear in the weights; binning is two products with a (position x bin) matrix.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from array_api_compat import array_namespace, device

Patterns = Any
"""(… x query x key) numpy array or torch tensor whose rows sum to 1 (less the mass of a sink logit)."""


SINK_THRESHOLD = 0.3
"""Importance above which a head counts as a sink head (Gu et al. 2024)."""


def sink_importance(patterns: Patterns, key: int = 0) -> Any:
    """(…) mean over queries q >= key of A[q, key] (Gu et al. 2024)."""
    xp = array_namespace(patterns)
    return xp.mean(patterns[..., key:, key], axis=-1)


def row_entropy(patterns: Patterns) -> Any:
    """(…) mean over queries of the entropy of their row, in nats."""
    xp = array_namespace(patterns)
    logs = xp.log(xp.where(patterns > 0, patterns, 1.0))
    return xp.mean(-xp.sum(patterns * logs, axis=-1), axis=-1)


def word_attention(patterns: Patterns, queries: Sequence[int], keys: Sequence[int]) -> Any:
    """(…) how much the tokens of one word attend to those of another: the mean over queries of the sum over keys.

    A word is looked at by looking at any of its tokens, so keys are summed; a word looks as its tokens do on average.
    """
    xp = array_namespace(patterns)
    rows = xp.take(patterns, _places(patterns, queries), axis=-2)
    return xp.mean(xp.sum(xp.take(rows, _places(patterns, keys), axis=-1), axis=-1), axis=-1)


def share_of_pairs_below(patterns: Patterns, weights: Any) -> Any:
    """(…) share of the pairs of a query and a key that is not later, position 0 left out, to which a pattern gives less
    than `weights` (…). Sinks would be most of the largest weights, and are no relation of two words.
    """
    xp = array_namespace(patterns)
    length = patterns.shape[-1]
    places = xp.arange(length, device=device(patterns))
    pairs = (places[None, :] <= places[:, None]) & (places[None, :] > 0)
    below = (patterns < weights[..., None, None]) & pairs
    return xp.sum(xp.astype(below, patterns.dtype), axis=(-2, -1)) / (length * (length - 1) // 2)


def _places(patterns: Patterns, positions: Sequence[int]) -> Any:
    xp = array_namespace(patterns)
    return xp.asarray(list(positions), device=device(patterns))


def bin_edges(length: int, bins: int) -> list[int]:
    """Edges of `bins` contiguous bins over `length` positions, as equal as whole numbers allow."""
    count = min(bins, length)
    return [length * i // count for i in range(count + 1)]


def bin_patterns(patterns: Patterns, bins: int) -> Any:
    """(… x bin x bin) mean over the queries of a bin of the weight that goes to the keys of a bin.

    Keys are summed and queries averaged, so rows still sum to 1.
    """
    xp = array_namespace(patterns)
    belongs = _membership(patterns, bins)
    sizes = xp.sum(belongs, axis=0)[:, None]
    by_key = xp.matmul(patterns, belongs)
    return xp.matmul(belongs.T, by_key) / sizes


def _membership(patterns: Patterns, bins: int) -> Any:
    """(position x bin) 1 where the position is in the bin, else 0; of the type and on the device of the patterns."""
    xp = array_namespace(patterns)
    edges = bin_edges(patterns.shape[-1], bins)
    bin_of = [index for index, (start, end) in enumerate(pairwise(edges)) for _ in range(start, end)]
    where = {"device": device(patterns)}
    inside = xp.asarray(bin_of, **where)[:, None] == xp.arange(len(edges) - 1, **where)[None, :]
    return xp.astype(inside, patterns.dtype)
