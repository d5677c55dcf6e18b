"""How it is measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.addends import share_of_sum
from reportgen.numerics.similarity import cosine
from reportgen.probes.residual_shares import ATTENTION, MLP, STREAM, Options, Shares
from reportgen.probing.case import Case
from reportgen.probing.findings import reason_rows
from reportgen.probing.word_places import find_words, with_first_occurrence
from reportgen.results.quantities import Rows

Quantities = dict[str, torch.Tensor]
"""Name -> (block, or layer, x position)."""
GAP = "gap"


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Shares:
    """Of every token, then the mean over tokens, and those of the words."""
    by_prompt = [_measure(model, single) for single in captured]
    words = find_words(case)
    places = [(word, prompt, position) for word, found in words.places.items() for prompt, position in found]
    found: dict[str, Any] = {name: _items(name, by_prompt, places) for name in by_prompt[0] if name != GAP}
    shown = [case.tokenizer.show_sequence(single.tokens) for single in captured]
    count = sum(len(single.tokens) - 1 for single in captured)
    items: Rows = [[0, None, None, None, None, count]]
    items += [[item, word, prompt, at, shown[prompt][at], 1] for item, (word, prompt, at) in enumerate(places, 1)]
    return Shares(
        **found,
        kept=float(found["share_kept"][0].mean()),
        attention=float(found["share_attention"][0].mean()),
        mlp=float(found["share_mlp"][0].mean()),
        gap=max(float(one[GAP].max()) for one in by_prompt),
        items=items,
        words=case.word_rows(
            (prompt, with_first_occurrence(case.options.prompts[prompt]), word) for word, prompt, _ in places
        ),
        skipped=reason_rows(words.missing),
        prompts=case.prompt_rows(case.options.prompts),
    )


@torch.inference_mode()
def _measure(model: LoadedModel, single: PassResult) -> Quantities:
    """What is told of each block (or layer) and position of a prompt."""
    layers, attention, mlp = (
        torch.stack([rows.float() for rows in single.tensors_of(need, 0)]) for need in (STREAM, ATTENTION, MLP)
    )
    entered, output = layers[:-1], layers[1:]
    carried = entered * torch.tensor([model.anatomy.carry_factor(b) for b in range(model.layers)],
                                     device=layers.device)[:, None, None]  # fmt: skip
    left = output - carried - attention - mlp
    return {
        "share_kept": share_of_sum(carried, output),
        "share_attention": share_of_sum(attention, output),
        "share_mlp": share_of_sum(mlp, output),
        "norm_in": carried.norm(dim=-1),
        "norm_attention": attention.norm(dim=-1),
        "norm_mlp": mlp.norm(dim=-1),
        "cosine_attention": cosine(attention, entered),
        "cosine_mlp": cosine(mlp, entered),
        "cosine_through": cosine(entered, output),
        "cosine_embedding": cosine(layers, layers[:1].expand_as(layers)),
        GAP: left.norm(dim=-1) / output.norm(dim=-1).clamp_min(1e-6),
    }


def _items(name: str, by_prompt: Sequence[Quantities], places: Sequence[tuple[str, int, int]]) -> NDArray[np.float32]:
    """(item x block) the mean over all tokens but those at position 0, then each word."""
    rest = torch.cat([one[name][:, 1:] for one in by_prompt], dim=1)
    # A prompt of one token has nothing but position 0.
    mean = rest.mean(1) if rest.shape[1] else torch.full_like(by_prompt[0][name][:, 0], float("nan"))
    rows = [mean, *(by_prompt[prompt][name][:, position] for _, prompt, position in places)]
    found: NDArray[np.float32] = torch.stack(rows).cpu().numpy()
    return found
