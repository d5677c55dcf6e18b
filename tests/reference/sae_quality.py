"""What a JumpReLU dictionary is worth over windows of a text: whole passes, loops, float64; and known wrong ways."""

import math

import numpy as np
import torch

from tests.reference.edits import logits_after
from tests.reference.sae import averaged_explained_variance, encode, error_a_token_over_variance_of_all, fvu
from tests.reference.sae_atlas import streams


def loss(network, window, skip, block, change):
    """(sum of −ln p, tokens predicted) from positions `skip` on, with what a block gives changed from there on."""

    def changed(stream):
        stream = stream.clone()
        for position in range(skip, stream.shape[1]):
            stream[0, position] = torch.as_tensor(change(stream[0, position].double().numpy()))
        return stream

    logits = logits_after(network, window, block, changed, before=False).double()
    asked = range(skip, len(window) - 1)
    return -sum(float(torch.log_softmax(logits[at], -1)[window[at + 1]]) for at in asked), len(asked)


def measure(network, blocks, windows, held, layer, skip, *, zeros_at_bos=False):
    """Every number by its name. `skip` tokens at the head of a window are BOS; `zeros_at_bos` is a wrong formula."""
    held = {name: tensor.double().numpy() for name, tensor in held.items()}

    def there_and_back(row):
        return encode(row, held, kind="jumprelu") @ held["W_dec"] + held["b_dec"]

    rows = [row.double().numpy() for one in windows for row in streams(network, blocks, one, layer)[skip:]]
    activations = [encode(row, held, kind="jumprelu") for row in rows]
    back = [there_and_back(row) for row in rows]
    counts = [sum(int(one[feature] > 0) for one in activations) for feature in range(len(held["b_enc"]))]
    block = blocks[layer - 1]
    losses = {}
    for name, change in (("clean", lambda row: row), ("zero", lambda row: 0 * row), ("spliced", there_and_back)):
        both = [loss(network, one, skip, block, change) for one in windows]
        losses[name] = sum(of for of, _ in both) / sum(count for _, count in both)
    if zeros_at_bos:
        both = [loss(network, one, 0, block, lambda row: 0 * row) for one in windows]
        losses["zero"] = sum(of for of, _ in both) / sum(count for _, count in both)
    return {
        "tokens": len(rows),
        "l0": sum(counts) / len(rows),
        "fvu": fvu(np.array(rows), np.array(back)),
        "cosine": sum(_cosine(x, y) for x, y in zip(rows, back, strict=True)) / len(rows),
        "dead": sum(count == 0 for count in counts) / len(counts),
        "dense": sum(count > 0.1 * len(rows) for count in counts) / len(counts),
        "loss": losses["clean"],
        "loss_spliced": losses["spliced"],
        "loss_zero": losses["zero"],
        "delta_loss": losses["spliced"] - losses["clean"],
        "loss_recovered": (losses["zero"] - losses["spliced"]) / (losses["zero"] - losses["clean"]),
        "averaged": averaged_explained_variance(np.array(rows), np.array(back), 8),
        "a token": error_a_token_over_variance_of_all(np.array(rows), np.array(back)),
    }


def _cosine(x, y):
    return float(x @ y) / math.sqrt(float(x @ x) * float(y @ y))
