"""Steering: the edits that add a direction or take it out, and what the next token's distribution pays for them.

The price is KL(unsteered || steered) over the whole vocabulary, in nats: a steered model that no longer expects what it
did pays most. Cost: one unembedding a row.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from reportgen.model.capture.edit import Add, ProjectOut, Scale
from reportgen.model.needs import Edit, Positions, Site
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.distributions import kl_divergence, log_softmax
from reportgen.numerics.steering import set_mass


def add_direction(layer: int, direction: torch.Tensor, coefficient: float, positions: Positions) -> tuple[Edit, ...]:
    """Adds c r to what enters block `layer`, in the prompt and in what is written after it."""
    return (Edit(Site.RESIDUAL, layer, Add(direction.float(), coefficient), positions),)


def ablate_direction(blocks: int, direction: torch.Tensor, positions: Positions) -> tuple[Edit, ...]:
    """Takes (x·r̂) r̂ from what enters every block, and from what its attention and MLP write (Arditi et al. 2024).

    Nothing is done with a direction of length 0.
    """
    removed = ProjectOut(direction) if bool(direction.norm() > 0) else Scale(1.0)
    sites = (Site.RESIDUAL, Site.ATTENTION_WRITE, Site.MLP_WRITE)
    return tuple(Edit(site, block, removed, positions) for block in range(blocks) for site in sites)


@dataclass(frozen=True)
class NextToken:
    """What was measured of the next token at some rows."""

    kl: list[float]
    """(row) KL(unsteered || row) in nats."""
    mass: list[float]
    """(row) probability of the counted tokens."""
    odds: list[float]
    """(row) ln p − ln(1 − p) of that probability."""


@torch.inference_mode()
def compare_with_unsteered(
    model: LoadedModel, own: torch.Tensor, rows: Sequence[torch.Tensor], counted: Iterable[int]
) -> NextToken:
    """Compares next-token distributions with the unsteered one.

    Args:
        model: whose unembedding reads.
        own: (1 x width) the unsteered row that left the final norm.
        rows: (1 x width) the steered ones.
        counted: token ids whose mass is summed.
    """
    vocabulary = model.anatomy.unembedding.weight.shape[0]
    inside = torch.zeros(vocabulary, dtype=torch.bool, device=model.device)
    inside[list(counted)] = True
    found = NextToken([], [], [])
    unsteered: torch.Tensor | None = None
    for place, logits in model.final_logits(torch.cat([own, *rows])):
        log_p = log_softmax(logits[: place.stop - place.start])
        if unsteered is None:
            unsteered = log_p[:1].clone()
        mass, odds = set_mass(log_p, inside)
        found.kl.extend(kl_divergence(unsteered, log_p).tolist())
        found.mass.extend(mass.tolist())
        found.odds.extend(odds.tolist())
    return NextToken(found.kl[1:], found.mass[1:], found.odds[1:])
