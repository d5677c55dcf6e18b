"""Features by hand: plain numpy in float64, one token and one feature at a time. Keyword arguments make wrong ones."""

import numpy as np
import torch
from safetensors.numpy import load_file

from tests.reference import plain


def weights(folder):
    return {name: array.astype(np.float64) for name, array in load_file(folder / "sae_weights.safetensors").items()}


def activations(network, family, ids, folder, layer, *, bos=True, at_threshold=False, neighbour=False):
    """(token x feature) of the stream at a layer; `bos` says whether ids begin with BOS, which is left out."""
    held = weights(folder)
    stream = plain.residuals(network, family, ids)[layer + (-1 if neighbour else 0)]
    rows = stream.double().numpy()[1 if bos else 0 :]
    found = np.zeros((len(rows), len(held["threshold"])))
    for token, row in enumerate(rows):
        for feature, threshold in enumerate(held["threshold"]):
            value = float(row @ held["W_enc"][:, feature] + held["b_enc"][feature])
            if value > threshold or (at_threshold and value == threshold):
                found[token, feature] = max(value, 0.0)
    return found


def effects(a, b):
    """(feature) of two lists of (token x feature) matrices, each set of two prompts or more."""
    means = [[prompt.mean(0) for prompt in side] for side in (a, b)]
    found = []
    for feature in range(a[0].shape[1]):
        one, other = ([prompt[feature] for prompt in side] for side in means)
        squares = (len(one) - 1) * np.var(one, ddof=1) + (len(other) - 1) * np.var(other, ddof=1)
        spread = (squares / (len(one) + len(other) - 2)) ** 0.5
        found.append((np.mean(one) - np.mean(other)) / spread if spread > 0 else np.nan)
    return np.array(found)


@torch.no_grad()
def promoted(network, family, direction, *, gain=True):
    """(token) what the unembedding says of a direction behind the final norm's own gain."""
    norm = network.get_submodule(plain.PARTS[family].norm)
    by = norm.weight.double().numpy() + (1.0 if "gemma" in family else 0.0)
    if family == "gpt2":
        direction = direction - direction.mean()
    table = network.get_output_embeddings().weight.double().numpy()
    return table @ (direction * by if gain else direction)
