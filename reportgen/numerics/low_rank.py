"""What an adapter of low rank (LoRA) adds to a matrix of weights.

LoRA (Hu et al. 2021, arXiv 2106.09685) adds (α / r) B A. Rank-stabilised (rsLoRA, Kalajdzievski 2023, arXiv 2312.03732)
it adds (α / √r) B A: with α / r what is added grows ever smaller as the rank rises.
"""

import math
from typing import Any

Matrix = Any
"""A numpy array or torch tensor."""


def low_rank_scale(alpha: float, rank: int, *, stabilised: bool) -> float:
    """α / r, or α / √r where it is rank-stabilised."""
    return alpha / (math.sqrt(rank) if stabilised else rank)


def low_rank_change(down: Matrix, up: Matrix, scale: float) -> Matrix:
    """(output x input) what is added to a matrix that maps inputs to outputs: scale · B A.

    `down` is A (rank x input), `up` is B (output x rank). A matrix that is stored as (input x output), GPT-2's, or a
    table of embeddings (token x width), whose input is the token, takes the transpose.
    """
    return (up @ down) * scale
