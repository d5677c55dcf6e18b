"""What the model's own distribution says of given tokens, a few rows at a time.

A loss needs the whole vocabulary: one unembedding a row. A difference of two logits does not, as the normaliser drops
out of it: only the rows of the tokens are read.
"""

from collections.abc import Sequence

import torch
from torch.nn.functional import cross_entropy

from reportgen.model.measures.direct_parts import unembedding_rows
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.distributions import softcap


@torch.inference_mode()
def token_losses(model: LoadedModel, residual: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """(row) −ln p of a token each, in nats, at (row x width) rows of the stream after the last block.

    They are read as the lens reads them, in float32: in the chunks of a lens the unembedding is read a quarter as often
    as for the model's own logits. Nothing of vocabulary size is kept.
    """
    losses = torch.empty(len(residual), device=residual.device)
    for rows, logits in model.lens_logits(residual):
        losses[rows] = cross_entropy(logits[: rows.stop - rows.start], tokens[rows], reduction="none")
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
