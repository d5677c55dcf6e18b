"""Directions in the space that the unembedding reads: its rows, and what lies along a direction.

By cosine and by dot product with the rows as they are stored: bias, softcap and output scaling belong to logits, not to
directions. Cost: one pass over the unembedding in float32, a slice at a time.
"""

from collections.abc import Sequence

import torch

from reportgen.model.network.loaded import LoadedModel

_SLICE = 8_192
"""Rows of the unembedding that are widened to float32 at a time."""


def unembedding_rows(model: LoadedModel, ids: Sequence[int]) -> torch.Tensor:
    """(token x width) rows of the unembedding, in float32."""
    return model.anatomy.unembedding.weight.detach()[list(ids)].float()


def normed_residual(model: LoadedModel, residual: torch.Tensor) -> torch.Tensor:
    """(row x width) rows of the residual stream after the model's own final norm, in float32."""
    normed: torch.Tensor = model.norm_in_float32(residual.float())
    return normed


def compare_with_unembedding(model: LoadedModel, direction: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(vocabulary) cosine and dot product of each row of the unembedding with a (width) float32 direction.

    The rows alone: neither the unembedding's bias nor softcap or output scaling play a part.
    """
    cosines, dots = [], []
    length = direction.norm().clamp_min(1e-12)
    for part in torch.split(model.anatomy.unembedding.weight.detach(), _SLICE):
        rows = part.float()
        dot = rows @ direction
        dots.append(dot)
        cosines.append(dot / (torch.linalg.vector_norm(rows, dim=1).clamp_min(1e-12) * length))
    return torch.cat(cosines), torch.cat(dots)
