"""Slow second implementations of what the probe `attention_sink` measures; wrong formulas by keyword."""

import torch


@torch.no_grad()
def importance(network, ids, *, first_query=0, over="queries"):
    """[block][head] mean over queries of the weight on position 0, by loops.

    `first_query=1` (the first query, which can look nowhere else, left out) and `over="row"` (the mean of row 0
    instead of column 0) are known wrong formulas.
    """
    found = []
    for block in network(torch.tensor([ids]), output_attentions=True).attentions:
        heads = []
        for pattern in block[0].tolist():
            queries = pattern[first_query:]
            column = pattern[0] if over == "row" else [row[0] for row in queries]
            heads.append(sum(column) / len(column))
        found.append(heads)
    return found


def extremes(rows, *, signed_median=False):
    """Of (position x width) rows: the three largest as (|h|, position, dimension, value), and the median magnitude.

    `signed_median` (of h, not of |h|) is a known wrong formula.
    """
    numbers = [(abs(v), at, dim, v) for at, row in enumerate(rows.tolist()) for dim, v in enumerate(row)]
    usual = sorted(number[3] if signed_median else number[0] for number in numbers)
    return sorted(numbers, reverse=True)[:3], usual[(len(usual) - 1) // 2]
