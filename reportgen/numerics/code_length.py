"""How many bits a model needs to write a text: what is comparable between tokenizers, as every model writes the same
bytes.

Bits per byte as in Gao et al. 2020, "The Pile" (there from the loss per token, L_T / L_B · ℓ / ln 2; here from the sums
themselves).
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def bits_of(nats: NDArray[Any]) -> NDArray[np.float64]:
    """(…) −log2 p, of −ln p."""
    return np.asarray(nats, dtype=np.float64) / math.log(2)


def bits_per_byte(bits: NDArray[Any], sizes: NDArray[Any]) -> float:
    """Σ −log2 p / Σ bytes, of the (token) bits and UTF-8 bytes of the tokens that were predicted; those without bits
    (NaN) are in neither sum. NaN where no byte was predicted.
    """
    predicted = np.isfinite(bits)
    size = int(np.asarray(sizes)[predicted].sum())
    return float(np.asarray(bits, dtype=np.float64)[predicted].sum() / size) if size else math.nan


def perplexity(bits: float, tokens: int) -> float:
    """Exp of the mean −ln p, of the sum of −log2 p over so many predicted tokens."""
    return math.pow(2.0, bits / tokens)


def probabilities_of(bits: NDArray[Any]) -> NDArray[np.float64]:
    """(…) p, of −log2 p."""
    return np.exp2(-np.asarray(bits, dtype=np.float64))


def spread_over_bytes(bits: NDArray[Any], sizes: NDArray[Any]) -> NDArray[np.float64]:
    """(byte) bits of each byte of a text: a token's are spread evenly over its bytes, so that what holds several bytes
    may be summed whatever the tokens are. A token that writes nothing adds its bits to the next that writes something,
    or to the last; bytes of a token that was not predicted are NaN.
    """
    spread: list[NDArray[np.float64]] = []
    carried = 0.0
    for one, size in zip(np.asarray(bits, dtype=np.float64).tolist(), np.asarray(sizes).tolist(), strict=True):
        if size:
            spread.append(np.full(size, (one + carried) / size))
            carried = 0.0
        elif math.isfinite(one):
            carried += one
    if spread:  # of what comes after the last that writes something
        spread[-1] = spread[-1] + carried / len(spread[-1])
    return np.concatenate([np.zeros(0), *spread])
