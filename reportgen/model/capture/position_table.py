"""Whether positions enter as rows of a learned table, added to the embedding: a position without a row has none."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from reportgen.model.capture.trial import choose_trial_tokens
from reportgen.model.network.loaded import LoadedModel

_MOST_BEFORE = 8
"""Rows before that of the first position, at most: OPT has two."""


@torch.inference_mode()
def count_position_rows(model: LoadedModel) -> int | None:
    """Positions that the model's table has a row for; None where there is no such table.

    Found by what it gives: a table of the decoder, not the tokens' own, whose rows came out one after another when a
    few tokens passed.
    """
    given: dict[nn.Embedding, torch.Tensor] = {}
    tables = [
        module
        for module in model.anatomy.decoder.modules()
        if isinstance(module, nn.Embedding) and module is not model.anatomy.embedding
    ]
    handles = [table.register_forward_hook(_note_rows(given)) for table in tables]
    try:
        tokens = choose_trial_tokens(model)
        model.anatomy.decoder(input_ids=torch.tensor([tokens], device=model.device), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    counts = [len(table.weight) - first for table, rows in given.items() if (first := _first_row(table, rows)) >= 0]
    return min(counts, default=None)


def _note_rows(given: dict[nn.Embedding, torch.Tensor]) -> Callable[..., None]:
    def note(module: nn.Embedding, _args: Any, output: Any) -> None:
        given[module] = output.reshape(-1, output.shape[-1])

    return note


def _first_row(table: nn.Embedding, rows: torch.Tensor) -> int:
    """The row of the first position; -1 where rows do not come one after another."""
    firsts = range(min(_MOST_BEFORE, len(table.weight) - len(rows)) + 1)
    return next((at for at in firsts if torch.equal(table.weight[at : at + len(rows)], rows)), -1)
