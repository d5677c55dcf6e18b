"""The structural probe in plain loops: what our batched code has to give."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.stats import spearmanr


def loss_of_sentence(rows: torch.Tensor, mapping: torch.Tensor, tree: np.ndarray) -> torch.Tensor:
    """Σ |‖B(h_i − h_j)‖² − tree distance| / n² over all ordered pairs of a sentence's (word x width) rows."""
    total = torch.zeros(())
    for i in range(len(rows)):
        for j in range(len(rows)):
            total = total + abs(((mapping @ (rows[i] - rows[j])) ** 2).sum() - float(tree[i, j]))
    return total / len(rows) ** 2


def kruskal(distances: np.ndarray, words: Sequence[int]) -> set[tuple[int, int]]:
    """Edges of the minimum spanning tree over some words."""
    group = {word: word for word in words}
    found = set()
    pairs = [(distances[i, j], i, j) for at, i in enumerate(words) for j in words[at + 1 :]]
    for _, i, j in sorted(pairs):
        if group[i] != group[j]:
            found.add((i, j))
            old, new = group[j], group[i]
            group = {word: new if one == old else one for word, one in group.items()}
    return found


def score(
    points: Sequence[np.ndarray], heads: Sequence[Sequence[int]], counted: Sequence[Sequence[int]]
) -> tuple[float, float]:
    """UUAS and DSpr of (word x rank) points of sentences."""
    right = total = 0
    by_length: dict[int, list[float]] = {}
    for rows, parents, words in zip(points, heads, counted, strict=True):
        count = len(rows)
        apart = np.array([[((rows[i] - rows[j]) ** 2).sum() for j in range(count)] for i in range(count)])
        gold = {(min(i, h), max(i, h)) for i, h in enumerate(parents) if i in words and h in words}
        right, total = right + len(gold & kruskal(apart, words)), total + len(gold)
        tree = walk(parents)
        by_length.setdefault(count, []).extend(spearmanr(apart[i], tree[i]).statistic for i in range(count))
    means = [float(np.mean(of_length)) for length, of_length in by_length.items() if 5 <= length <= 50]
    return right / total, float(np.mean(means))


def walk(heads: Sequence[int]) -> np.ndarray:
    """(word x word) edges between two words: up from both until the paths meet."""
    ups = []
    for word in range(len(heads)):
        path = [word]
        while heads[path[-1]] >= 0:
            path.append(heads[path[-1]])
        ups.append(path)
    return np.array(
        [[min(one.index(top) + other.index(top) for top in one if top in other) for other in ups] for one in ups]
    )
