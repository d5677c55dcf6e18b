"""What is said of a distribution over the vocabulary, from its logits, in nats.

Everything starts from log-probabilities in float32: from probabilities, p = 0 of a small number format would make an
entropy of NaN and a KL of infinity. KL is summed over the whole vocabulary, not over the tokens both rank high, whose
partial sum can be negative. Ranks count from 1, and equal scores share the better one, so that no order of the
vocabulary decides. Cost: one pass over (row x vocabulary) each.
"""

from typing import Any

from array_api_compat import array_namespace

Rows = Any
"""A numpy array or torch tensor."""


def softcap(logits: Rows, cap: float | None) -> Rows:
    """Logits as cap * tanh(logits / cap), or as they are where there is no cap."""
    if cap is None:
        return logits
    xp = array_namespace(logits)
    return cap * xp.tanh(logits / cap)


def log_softmax(logits: Rows) -> Rows:
    """(… x vocabulary) natural logarithm of the softmax."""
    xp = array_namespace(logits)
    shifted = logits - xp.max(logits, axis=-1, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True))


def entropy(log_p: Rows) -> Rows:
    """(…) -sum p ln p, from (… x vocabulary) finite log-probabilities."""
    xp = array_namespace(log_p)
    return -xp.sum(xp.exp(log_p) * log_p, axis=-1)


def kl_divergence(log_p: Rows, log_q: Rows) -> Rows:
    """(…) KL(p || q) = sum p (ln p - ln q), from (… x vocabulary) finite log-probabilities; not negative."""
    xp = array_namespace(log_p, log_q)
    total = xp.sum(xp.exp(log_p) * (log_p - log_q), axis=-1)
    return xp.clip(total, 0.0, None)  # rounding can leave -1e-8 for equal distributions


def rank_of(scores: Rows, index: Rows) -> Rows:
    """(row) rank, from 1, of column index[row] in (row x vocabulary) scores; ties take the better rank."""
    xp = array_namespace(scores)
    chosen = xp.take_along_axis(scores, index[:, None], axis=-1)
    return 1 + xp.sum(xp.astype(scores > chosen, xp.int64), axis=-1)
