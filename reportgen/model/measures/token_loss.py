"""What the model's own distribution says of given tokens, a few rows at a time.

A loss needs the whole vocabulary: one unembedding a row. A difference of two logits does not, as the normaliser drops
out of it: only the rows of the tokens are read.
"""

from collections.abc import Sequence

import torch

from reportgen.model.measures.direct_parts import unembedding_rows
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.distributions import softcap

_ROWS = 256
"""Rows that are read together. Fixed, and padded to: a row's bits change with the number of rows with it."""


@torch.inference_mode()
def token_losses(model: LoadedModel, residual: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """(row) −ln p of a token each, in nats, at (row x width) rows of the stream after the last block.

    They are read as the lens reads them, in float32, a slice of the vocabulary after the other: of many rows at a time
    nothing of the vocabulary's size is kept, only the logarithm of each slice's sum and the logit of the token.
    """
    losses = torch.empty(len(residual), device=residual.device)
    for start in range(0, len(residual), _ROWS):
        some = slice(start, min(start + _ROWS, len(residual)))
        held, logit = [], torch.zeros(some.stop - start, device=residual.device)
        for part, logits in model.lens_logit_slices(residual[some], _ROWS):
            held.append(logits.logsumexp(-1))
            here = (tokens[some] >= part.start) & (tokens[some] < part.stop)
            logit[here] = logits[here, tokens[some][here] - part.start]
        losses[some] = torch.stack(held).logsumexp(0) - logit
    return losses


@torch.inference_mode()
def token_logits(model: LoadedModel, normed: torch.Tensor, ids: Sequence[int]) -> torch.Tensor:
    """(row x id) logits of a few tokens, in float32, after scale and softcap, at (row x width) rows that left the final
    norm: only their rows of the unembedding are read.
    """
    table, biases = unembedding_rows(model, ids)
    logits = (normed.float() @ table.T + biases) * model.anatomy.logit_scale
    capped: torch.Tensor = softcap(logits, model.anatomy.softcap)
    return capped
