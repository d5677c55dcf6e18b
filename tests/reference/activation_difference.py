"""Slow second implementations of what the probe `activation_difference` measures, by loops; wrong formulas by keyword.

Definition: arXiv 2510.13900. Streams are lists, text by text, of (position x width) lists at one layer.
"""

import math
from collections.abc import Sequence

Stream = Sequence[Sequence[Sequence[float]]]
"""(text) (position) (width)"""


def mean_difference(base: Stream, other: Stream, position: int, signs: Sequence[int] | None = None) -> list[float]:
    """δ at one position; a sign of −1 has base and other change places in that text."""
    width = len(base[0][0])
    total = [0.0] * width
    for text in range(len(base)):
        for number in range(width):
            one, two = base[text][position][number], other[text][position][number]
            if signs is not None and signs[text] < 0:
                one, two = two, one
            total[number] += two - one
    return [value / len(base) for value in total]


def norm(vector: Sequence[float]) -> float:
    return math.sqrt(sum(value * value for value in vector))


def relative_norm(
    base: Stream, other: Stream, position: int, signs: Sequence[int] | None = None, *, wrong: str = ""
) -> float:
    """‖δ‖ / mean over texts of ‖h_base‖; `wrong` is "over other", "norm of the mean", or "mean of norms"."""
    if wrong == "mean of norms":
        apart = [[b - a for a, b in zip(one[position], two[position], strict=True)]
                 for one, two in zip(base, other, strict=True)]  # fmt: skip
        top = sum(map(norm, apart)) / len(apart)
    else:
        top = norm(mean_difference(base, other, position, signs))
    below = other if wrong == "over other" else base
    if wrong == "norm of the mean":
        width = len(base[0][0])
        return top / norm([sum(text[position][n] for text in base) / len(base) for n in range(width)])
    return top / (sum(norm(text[position]) for text in below) / len(below))


def patched_row(
    base: Stream, other: Stream, position: int, scale: float, signs: Sequence[int] | None = None, *, wrong: str = ""
) -> list[float]:
    """δ at one position, `scale` times as long as other's stream is on average at the last position; `wrong` is "as it
    is", "as long as base", or "at its own position".
    """
    apart = mean_difference(base, other, position, signs)
    if wrong == "as it is":
        return [scale * value for value in apart]
    place = position if wrong == "at its own position" else len(other[0]) - 1
    of = base if wrong == "as long as base" else other
    length = scale * sum(norm(text[place]) for text in of) / len(of)
    return [value * length / norm(apart) for value in apart]


def logit_changes(
    base: Stream, other: Stream, signs: Sequence[int] | None = None, *, centred: bool = True
) -> list[float]:
    """(token) mean over texts and positions of other's logits less base's, less its mean over the tokens; streams are
    of logits here. `centred=False` is a known other formula.
    """
    tokens, count = len(base[0][0]), 0
    total = [0.0] * tokens
    for text in range(len(base)):
        sign = 1 if signs is None else signs[text]
        for position in range(len(base[text])):
            count += 1
            for token in range(tokens):
                total[token] += sign * (other[text][position][token] - base[text][position][token])
    means = [value / count for value in total]
    middle = sum(means) / tokens if centred else 0.0
    return [value - middle for value in means]
