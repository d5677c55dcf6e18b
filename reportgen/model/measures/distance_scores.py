"""Attention scores of one query and one key as if they stood at other distances.

Rotary embedding (Su et al. 2021, RoFormer) turns query and key by angles that grow with their positions, so that their
product depends on the distance alone: (R_m q)·(R_n k) = (R_{m−n} q)·k. The angles are the model's own.
"""

from collections.abc import Sequence

import torch

from reportgen.model.network.rotary import Rotation
from reportgen.model.network.scores import scale_scores


@torch.inference_mode()
def score_content(rotation: Rotation, query: torch.Tensor, key: torch.Tensor) -> float:
    """q·k of (head width) vectors that are not turned, scaled and softcapped as the model's scores are."""
    return float(scale_scores(query.float() @ key.float(), rotation.scaling, rotation.softcap))


@torch.inference_mode()
def score_over_distance(
    rotation: Rotation, query: torch.Tensor, key: torch.Tensor, distances: Sequence[int], first: int = 0
) -> torch.Tensor:
    """(distance) the score of (head width) vectors, the key at position `first`, the query so many tokens behind it."""
    places = [first + distance for distance in distances]
    turned = rotation.turn(query.expand(1, len(places), -1), places)[0].float()
    start = rotation.turn(key.expand(1, 1, -1), [first])[0, 0].float()
    return scale_scores(turned @ start, rotation.scaling, rotation.softcap)
