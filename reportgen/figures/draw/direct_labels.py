"""Labels next to what they name, moved as little as is needed to stand clear of each other."""

from collections.abc import Sequence


def spread_labels(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places for labels that want to be at `wanted`: in the same order, at least `gap` apart, from low to high.

    The sum of squared moves is the least possible (isotonic regression by pooling neighbours).
    Where all do not fit they run on beyond `high`.
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    pools: list[tuple[float, int]] = []
    for rank, i in enumerate(order):
        mean, count = wanted[i] - rank * gap, 1
        while pools and pools[-1][0] > mean:
            before, members = pools.pop()
            mean, count = (mean * count + before * members) / (count + members), count + members
        pools.append((mean, count))
    last = max(low, high - (len(wanted) - 1) * gap)
    flat = [min(max(mean, low), last) for mean, count in pools for _ in range(count)]
    places = [0.0] * len(wanted)
    for rank, i in enumerate(order):
        places[i] = flat[rank] + rank * gap
    return places
