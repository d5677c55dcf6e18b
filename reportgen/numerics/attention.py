"""What is said of attention patterns."""

from itertools import pairwise
from typing import Any

from array_api_compat import array_namespace

Patterns = Any
"""(… x query x key) numpy array or torch tensor whose rows sum to 1 (less the mass of a sink logit)."""


def sink_importance(patterns: Patterns, key: int = 0) -> Any:
    """(…) mean over queries q >= key of A[q, key] (Gu et al. 2024)."""
    xp = array_namespace(patterns)
    return xp.mean(patterns[..., key:, key], axis=-1)


def row_entropy(patterns: Patterns) -> Any:
    """(…) mean over queries of the entropy of their row, in nats."""
    xp = array_namespace(patterns)
    positive = patterns > 0
    logs = xp.log(xp.where(positive, patterns, xp.ones_like(patterns)))
    return xp.mean(-xp.sum(patterns * logs, axis=-1), axis=-1)


def bin_edges(length: int, bins: int) -> list[int]:
    """Edges of `bins` contiguous bins over `length` positions, as equal as whole numbers allow."""
    count = min(bins, length)
    return [length * i // count for i in range(count + 1)]


def binned(patterns: Patterns, bins: int) -> Any:
    """(… x bin x bin) mean over the queries of a bin of the weight that goes to the keys of a bin.

    Keys are summed and queries averaged, so rows still sum to 1.
    """
    xp = array_namespace(patterns)
    edges = bin_edges(patterns.shape[-1], bins)
    keys = [xp.sum(patterns[..., a:b], axis=-1) for a, b in pairwise(edges)]
    by_key = xp.stack(keys, axis=-1)
    queries = [xp.mean(by_key[..., a:b, :], axis=-2) for a, b in pairwise(edges)]
    return xp.stack(queries, axis=-2)
