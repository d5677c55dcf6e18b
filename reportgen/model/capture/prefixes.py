"""Beginnings that pass once: keys and values of their tokens are kept, and read by the passes that go on from them."""

import copy
from collections.abc import Sequence
from typing import Any

import torch

from reportgen.model.capture.edit import Edits, Scale, apply_edits
from reportgen.model.capture.hooks import Layout
from reportgen.model.capture.trial import choose_trial_tokens, tolerance_of
from reportgen.model.needs import Edit, Site
from reportgen.model.network.loaded import LoadedModel


class Prefix:
    """Keys and values of the tokens at the beginning of some prompts."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def open(self, layout: Layout) -> Any:
        """A cache that a batch may go on from and write to, with the rows that the batch has in each block.

        The rows that the beginning lacks are copies of its first: it was one row's for all of them.
        """
        opened = copy.copy(self._cache)
        opened.layers = [copy.copy(layer) for layer in self._cache.layers]
        for block, layer in enumerate(opened.layers):
            rows = layout.rows(block)
            layer.keys, layer.values = (_copy_first_row(held, rows) for held in (layer.keys, layer.values))
        return opened


def pass_prefix(model: LoadedModel, tokens: Sequence[int], edits: Edits, layout: Layout) -> Prefix:
    """Runs a beginning, as it is or with the edits of each row of a layout."""
    ids = torch.tensor([list(tokens)] * layout.rows(-1), device=model.device)
    with apply_edits(model.anatomy, edits, layout, prompt=len(tokens) + 1):
        output = model.anatomy.decoder(input_ids=ids, use_cache=True)
    return Prefix(output.past_key_values)


@torch.inference_mode()
def begins_once(model: LoadedModel, *, midway: bool) -> bool:
    """Whether passes that go on from a beginning end where whole ones do: tried once, on the model itself.

    What is kept of a beginning has to be keys and values of each block; some families keep other things (Mamba), some
    keep them for fewer blocks than they have (Gemma 3n).
    """
    if model.begins_once is None:
        try:
            model.begins_once = model.keeps_cache and _end_alike(model, midway=midway)
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError):  # as a family may say that it cannot
            model.begins_once = False
    return model.begins_once


def _end_alike(model: LoadedModel, *, midway: bool) -> bool:
    """Rows that are not changed, those that join midway among them, after half of a text and after none of it."""
    tokens = choose_trial_tokens(model)
    half, layers = len(tokens) // 2, tuple(sorted({0, model.layers // 2, model.layers - 1}))
    edits = [(Edit(Site.RESIDUAL, layer, Scale(1.0)),) for layer in layers]
    layout = Layout(model.batch, layers, midway=midway)
    whole = model.anatomy.decoder(input_ids=torch.tensor([tokens], device=model.device), use_cache=False)
    expected = whole.last_hidden_state[0, half:].float()
    for beginning in (Layout(model.batch), layout):  # one row's, then that of each
        prefix = pass_prefix(model, tokens[:half], edits if beginning is layout else [], beginning)
        if not _holds_keys(prefix.open(beginning), model.layers):
            return False
        ids = torch.tensor([tokens[half:]] * layout.rows(-1), device=model.device)
        with apply_edits(model.anatomy, edits, layout, prompt=len(tokens), first=half):
            output = model.anatomy.decoder(input_ids=ids, past_key_values=prefix.open(layout), use_cache=True)
        found = output.last_hidden_state.float()
        if len(found) != layout.rows(model.layers):
            return False
        apart = float((found - expected).abs().max())
        if not apart <= tolerance_of(model) * max(1.0, float(expected.abs().max())):
            return False
    return True


def _holds_keys(cache: Any, blocks: int) -> bool:
    """Whether it holds keys and values of every block, and nothing else."""
    from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

    if type(cache) is not DynamicCache or len(cache.layers) != blocks:
        return False
    kept = (DynamicLayer, DynamicSlidingWindowLayer)
    return all(type(layer) in kept and layer.is_initialized for layer in cache.layers)


def _copy_first_row(held: torch.Tensor, rows: int) -> torch.Tensor:
    """(row x head x token x width) with so many rows."""
    if len(held) == rows:
        return held
    return torch.cat([held, held[:1].expand(rows - len(held), *held.shape[1:])])
