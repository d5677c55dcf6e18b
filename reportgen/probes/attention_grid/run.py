"""How it is measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.attention import SINK_THRESHOLD
from reportgen.probes.attention_grid import NEED, Attention, Options
from reportgen.probes.attention_grid.reducers import ReducedPattern
from reportgen.probing.case import Case
from reportgen.probing.findings import reason_rows
from reportgen.results.quantities import Rows


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Attention:
    """Stacks what the reducer kept."""
    reduced: list[list[ReducedPattern]] = [single.values[NEED] for single in captured]
    tokens: Rows = []
    for prompt, single in enumerate(captured):
        shown = case.tokenizer.show_sequence(single.tokens)
        tokens += [[prompt, position, token] for position, token in enumerate(shown)]
    heads = [torch.stack([torch.stack([block.sink, block.entropy]) for block in blocks], 1) for blocks in reduced]
    sink, entropy = _fetch(torch.stack(heads, dim=1))
    return Attention(
        coordinates=model.attention_coordinates,
        sink_share=float((sink > SINK_THRESHOLD).mean()),
        mean_entropy=float(entropy.mean()),
        tokens=tokens,
        skipped=reason_rows(_list_absent_heads(case, model)),
        prompts=case.prompt_rows(case.options.prompts),
        weights=[_fetch(torch.stack([block.weights for block in blocks])) for blocks in reduced],
        sink=sink,
        entropy=entropy,
    )


def _list_absent_heads(case: Case[Options], model: LoadedModel) -> dict[str, str]:
    """Named heads that the model does not have, in addition to those that its configuration refuses."""
    refused = case.missing_heads(case.options.heads)
    known = {f"{block}.{head}": block for block, head in case.options.heads if f"{block}.{head}" not in refused}
    return {
        **refused,
        **{head: told for head, block in known.items() if (told := model.reason_without_attention(block))},
    }


def _fetch(values: Tensor) -> NDArray[np.float32]:
    fetched: NDArray[np.float32] = values.cpu().numpy()
    return fetched
