"""How it is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.attention import SINK_THRESHOLD
from reportgen.probes.attention_grid import NEED, Attention, Options, heads_of, looks_of, need_of
from reportgen.probes.attention_grid.find import LookPlace
from reportgen.probes.attention_grid.reducers import ReducedPattern
from reportgen.probing.case import Case
from reportgen.probing.findings import reason_rows
from reportgen.results.quantities import Rows


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Attention:
    """Stacks what the reducer kept."""
    reduced: list[list[ReducedPattern]] = [single.values[NEED] for single in captured]
    looks = looks_of(case)
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
        skipped=reason_rows({**_list_absent_heads(case, model), **looks.missing}),
        prompts=case.prompt_rows(case.options.prompts),
        found=[
            row for number, places in looks.places.items() for row in _rank_heads(case, model, captured, number, places)
        ],
        looks=_look_rows(case, looks.places),
        weights=[_fetch(torch.stack([block.weights for block in blocks])) for blocks in reduced],
        sink=sink,
        entropy=entropy,
    )


def _look_rows(case: Case[Options], looks: Mapping[int, Sequence[LookPlace]]) -> Rows:
    rows: Rows = []
    for number, places in looks.items():
        look = case.options.find[number]
        for place in places:
            queries, keys = (" ".join(map(str, positions)) for positions in (place.queries, place.keys))
            rows.append([number, look.from_, look.to, place.prompt, queries, keys])
    return rows


def _rank_heads(
    case: Case[Options],
    model: LoadedModel,
    captured: Sequence[PassResult],
    number: int,
    places: Sequence[LookPlace],
) -> Rows:
    """The heads that look most, of equals the first."""
    kept = [captured[place.prompt].values[need_of(place)] for place in places]
    # (prompt x block x head)
    read = [torch.stack([torch.stack([block.weight, block.below]) for block in blocks], dim=1) for blocks in kept]
    weights, shares = _fetch(torch.stack(read, dim=1))
    means, least, below = weights.mean(0), weights.min(0), shares.mean(0)
    blocks = model.attention_coordinates.get("block", range(len(means)))
    rows: Rows = []
    for rank, flat in enumerate(np.argsort(-means, axis=None, kind="stable")[: case.options.top], 1):
        at = block, head = divmod(int(flat), means.shape[1])
        told = [float(values[at]) for values in (means, least, below)]
        rows.append([number, rank, blocks[block], head, *told, len(kept)])
    return rows


def _list_absent_heads(case: Case[Options], model: LoadedModel) -> dict[str, str]:
    """Named heads that the model does not have, in addition to those that its configuration refuses."""
    heads = heads_of(case)
    refused = case.missing_heads(heads)
    known = {f"{block}.{head}": block for block, head in heads if f"{block}.{head}" not in refused}
    return {
        **refused,
        **{head: told for head, block in known.items() if (told := model.reason_without_attention(block))},
    }


def _fetch(values: Tensor) -> NDArray[np.float32]:
    fetched: NDArray[np.float32] = values.cpu().numpy()
    return fetched
