"""Trees of words from distances, and how much of a known tree they give back.

Taken from the structural probe (Hewitt and Manning 2019). Where several edges are equally short, the tree takes the one
to the word that stands first: two words of one type have the distance 0 at the embedding, which is an edge like others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SHORTEST, LONGEST = 5, 50
"""Words of the sentences over whose lengths the correlation is averaged."""

Distances = NDArray[np.number]
"""(… x word x word)"""


def measure_tree(heads: Sequence[int]) -> NDArray[np.int64]:
    """(word x word) edges on the path between two words of a tree; a word's head is a place from 0, below 0 none."""
    count = len(heads)
    apart = np.zeros((count, count), dtype=np.int64)
    placed: list[int] = []
    while len(placed) < count:
        for word in range(count):
            if word not in placed and (heads[word] < 0 or heads[word] in placed):
                apart[word, placed] = apart[placed, word] = apart[max(heads[word], 0), placed] + 1
                placed.append(word)
    return apart


def span_words(distances: Distances) -> NDArray[np.int64]:
    """(… x word - 1 x 2) edges of the minimum spanning tree, by Prim's algorithm from word 0; an edge's words ascend.

    A distance of 0 is an edge, which libraries of sparse graphs take for none.
    """
    count = distances.shape[-1]
    flat = distances.reshape(-1, count, count)
    each = np.arange(len(flat))
    edges = np.zeros((len(flat), max(count - 1, 0), 2), dtype=np.int64)
    nearest = np.zeros((len(flat), count), dtype=np.int64)
    """(tree x word) the word of the tree that it is nearest to."""
    apart = flat[:, 0].astype(np.float64)
    joined = np.zeros((len(flat), count), dtype=np.bool_)
    joined[:, 0] = True
    for step in range(count - 1):
        new = np.where(joined, np.inf, apart).argmin(axis=1)
        edges[:, step] = np.sort(np.stack([nearest[each, new], new], axis=1), axis=1)
        joined[each, new] = True
        closer = flat[each, new] < apart
        apart = np.where(closer, flat[each, new], apart)
        nearest = np.where(closer, new[:, None], nearest)
    return edges.reshape(*distances.shape[:-2], -1, 2)


def count_right(edges: NDArray[np.int64], gold: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """(…) how many of (… x edge x 2) edges, whose words ascend, are of the known tree: undirected attachment."""
    known = np.zeros((int(edges.max(initial=0)) + 1,) * 2, dtype=np.bool_)
    for first, second in gold:
        if second < len(known):
            known[first, second] = True
    right: NDArray[np.int64] = known[edges[..., 0], edges[..., 1]].sum(axis=-1)
    return right


def correlate_words(distances: Distances, gold: NDArray[np.integer]) -> NDArray[np.float64]:
    """(… x word) Spearman's rank correlation of a word's distances to all words of its sentence with those in the tree.

    Its own distance, 0 in both, is among them, as in the published code. NaN where all its distances are the same.
    """
    from scipy.stats import rankdata  # here: it takes a while to import

    ranks, known = rankdata(distances, axis=-1), rankdata(gold, axis=-1)
    ranks, known = ranks - ranks.mean(axis=-1, keepdims=True), known - known.mean(axis=-1, keepdims=True)
    norms = np.sqrt((ranks**2).sum(axis=-1) * (known**2).sum(axis=-1))
    with np.errstate(invalid="ignore"):
        found: NDArray[np.float64] = (ranks * known).sum(axis=-1) / norms
    return found
