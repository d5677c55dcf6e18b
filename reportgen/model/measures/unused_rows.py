"""How near each token's row of the unembedding lies to those of tokens that were never trained on.

A token that training never held is only ever pushed away from, as one of all wrong answers: such rows drift together,
and so do those of tokens that were hardly held (Land & Bartolo 2024). The rows are those of the unembedding, which is
the embedding table where the two are tied; the input embedding of an untied model is not looked at. Their first
principal component, which all rows have in common in part, is taken out first. Cost: one product of the table with
itself, width² a row; nothing of the table's size is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from reportgen.model.needs import Unmeasurable
from reportgen.model.network.loaded import LoadedModel

_ROWS_TOGETHER = 8_192
ALIKE = 0.999
"""Cosine from which two rows are alike: those of tokens that text was made of are far from each other."""
FEWEST_ALIKE = 3
"""Rows from which on it is no chance that they are alike."""
_ZERO = 1e-12


def list_alike(model: LoadedModel, tokens: Sequence[int]) -> list[int]:
    """Those of some tokens whose rows of the unembedding are alike: each with two others at least."""
    rows = model.anatomy.unembedding.weight[list(tokens)].detach().float().cpu().double()
    unit = torch.nn.functional.normalize(rows, dim=1)
    alike = (unit @ unit.T >= ALIKE).sum(dim=1) >= FEWEST_ALIKE  # itself among them
    return [token for token, one in zip(tokens, alike.tolist(), strict=True) if one]


@torch.inference_mode()
def distances_to_unused(model: LoadedModel, unused: Sequence[int]) -> torch.Tensor:
    """(vocabulary) cosine distance, 1 − cos, of each row to the mean of some rows, float32 on the host.

    Of all rows, and so of the mean, the part along the first principal component of the (centred) table is taken out;
    the rows themselves are not centred. A row of nothing else has a distance of 1.

    Raises:
        Unmeasurable: nothing is left of the mean: there is no direction to be near to.
        ArithmeticError: the table holds values that are not finite.
    """
    table = model.anatomy.unembedding.weight.detach()
    if not all(bool(rows.isfinite().all()) for rows in _parts(table)):
        raise ArithmeticError("the unembedding holds values that are not finite")
    first = _find_first_component(table)
    mean = _take_out(table[list(unused)].float(), first).mean(dim=0)
    if float(mean.norm()) <= _ZERO:
        raise Unmeasurable("the rows of its unused tokens are 0: no other row is near to them or far from them")
    cosines = [
        torch.nn.functional.cosine_similarity(_take_out(rows.float(), first), mean[None], dim=1, eps=_ZERO)
        for rows in _parts(table)
    ]
    return 1 - torch.cat(cosines).cpu()


def _find_first_component(table: torch.Tensor) -> torch.Tensor:
    """(width) the direction along which the centred rows spread most, of length 1."""
    width = table.shape[1]
    products, total = torch.zeros(width, width, dtype=torch.float64), torch.zeros(width, dtype=torch.float64)
    centre = table[:_ROWS_TOGETHER].float().mean(dim=0)  # near the mean: less is lost in the sums
    for rows in _parts(table):
        moved = rows.float() - centre
        products += (moved.T @ moved).cpu().double()  # not every accelerator has float64
        total += moved.sum(dim=0).cpu().double()
    mean = total / len(table)
    _, directions = torch.linalg.eigh(products / len(table) - mean[:, None] * mean[None, :])
    first: torch.Tensor = directions[:, -1].float().to(table.device)
    return first


def _take_out(rows: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    """Rows without their part along a direction of length 1."""
    return rows - (rows @ direction)[:, None] * direction


def _parts(table: torch.Tensor) -> Iterator[torch.Tensor]:
    return iter(torch.split(table, _ROWS_TOGETHER))
