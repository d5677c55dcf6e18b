"""What a proof tries a model with, and how far apart two numbers may be that are the same."""

import torch

from reportgen.model.network.attention import few_tokens
from reportgen.model.network.loaded import LoadedModel

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.02}
"""Largest difference allowed, as a share of the largest logit: rounding of the dtype over one matrix product."""
IN_INT8 = 0.1
"""The same, where a step of int8 lies between two numbers."""


def choose_trial_tokens(model: LoadedModel) -> tuple[int, ...]:
    """A few tokens from all over the vocabulary, after BOS."""
    return few_tokens(model.network.config.get_text_config(), model.embedding_table.shape[0])


def tolerance_of(model: LoadedModel) -> float:
    """How far numbers of two passes of one text may be apart, as a share of the largest.

    Passes of other shapes differ in their last bits; rounding to int8 makes whole steps of them.
    """
    return IN_INT8 if model.rounds else TOLERANCE[model.dtype]
