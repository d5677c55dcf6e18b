"""Slow second implementations of what the probe `head_scores` measures; wrong formulas by keyword."""

import torch


def looks(kind, ids, query, key, *, shift=1):
    """Whether a head of this kind looks from query to key; `shift=0` takes an induction head for one of copies, and
    `shift=2` for one that looks a token too far: known wrong formulas.
    """
    if kind == "previous_token":
        return key == query - 1
    if kind == "duplicate_token":
        return key < query and ids[key] == ids[query]
    return 0 <= key - shift < query and key <= query and ids[key - shift] == ids[query]


@torch.no_grad()
def scores(network, ids, kind, *, shift=1, over="all"):
    """[block][head] sum(A * pattern) / sum(A), by loops; `over="pattern"` (divided by the size of the pattern) is a
    known wrong formula.
    """
    found = []
    for block in network(torch.tensor([ids]), output_attentions=True).attentions:
        heads = []
        for pattern in block[0].tolist():
            on_it, whole, size = 0.0, 0.0, 0
            for query, row in enumerate(pattern):
                for key, weight in enumerate(row):
                    whole += weight
                    if looks(kind, ids, query, key, shift=shift):
                        on_it += weight
                        size += 1
            heads.append(on_it / (whole if over == "all" else size))
        found.append(heads)
    return found
