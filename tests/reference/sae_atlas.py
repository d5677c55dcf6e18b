"""What features do over windows of a text, one token and one feature at a time."""

import math

import torch


def windows(ids, head, context, shortest=2):
    """One document's (without BOS) tokens, in windows that begin with `head`."""
    size = context - len(head)
    parts = [list(ids[at : at + size]) for at in range(0, len(ids), size)]
    return [[*head, *part] for part in parts if len(part) >= shortest]


def streams(network, blocks, window, layer):
    """(position x width) after block `layer` - 1."""
    kept = {}

    def hook(_module, _args, output):
        kept["stream"] = (output[0] if isinstance(output, tuple) else output)[0]

    handle = blocks[layer - 1].register_forward_hook(hook)
    with torch.no_grad():
        network(input_ids=torch.tensor([window]))
    handle.remove()
    return kept["stream"]


def activations(row, held):
    """(feature) JumpReLU of one row in float64."""
    before = row.double() @ held["W_enc"].double() + held["b_enc"].double()
    return [float(z) if z > t else 0.0 for z, t in zip(before, held["threshold"].double(), strict=True)]


def statistics(rows_of_windows, held, skip, most, *, one_a_window=True):
    """(fired, strongest): counts a feature; its (activation, window, position), strongest first."""
    features = held["b_enc"].shape[0]
    fired = [0] * features
    seen = [[] for _ in range(features)]
    tokens = 0
    for window, rows in enumerate(rows_of_windows):
        best = [None] * features
        for position, row in enumerate(rows):
            if position < skip:
                continue
            tokens += 1
            for feature, value in enumerate(activations(row, held)):
                if value > 0:
                    fired[feature] += 1
                    if not one_a_window:
                        seen[feature].append((value, window, position))
                    elif best[feature] is None or value > best[feature][0]:
                        best[feature] = (value, window, position)
        for feature, one in enumerate(best):
            if one is not None:
                seen[feature].append(one)
    strongest = [sorted(one, key=lambda e: (-e[0], e[1], e[2]))[:most] for one in seen]
    return tokens, fired, strongest


def bin_of(value, lowest=1e-4, a_decade=4, bins=40):
    """The bin of an activation, by logarithm."""
    return min(max(math.floor(math.log10(value / lowest) * a_decade), 0), bins - 1)


def auc(firing, silent):
    """By counting pairs."""
    pairs = [(f, s) for f in firing for s in silent]
    return sum(1.0 if f > s else 0.5 if f == s else 0.0 for f, s in pairs) / len(pairs)
