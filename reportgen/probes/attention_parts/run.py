"""How it is measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.network.matrices import matrix_of
from reportgen.probes.attention_parts import AttentionParts, Options, asked_heads, needs_of, pairs_of
from reportgen.probes.attention_parts.distances import measure_pairs
from reportgen.probing.case import Case
from reportgen.probing.findings import reason_rows
from reportgen.results.quantities import Rows


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> AttentionParts:
    """Head by head, from what its block gave."""
    heads = asked_heads(case)
    prompts = len(case.options.prompts)
    pairs = measure_pairs(case, model, captured[prompts:], heads)
    captured = captured[:prompts]
    found = [_parts(case, model, single, heads) for single in captured]
    scores, weights, norms = ([parts[name] for parts in found] for name in ("scores", "weights", "norms"))
    products = [one * two for one, two in zip(weights, norms, strict=True)]
    keys: Rows = []
    queries: Rows = []
    for prompt, single in enumerate(captured):
        query = case.named_position(case.options.query, single.tokens)
        shown = case.tokenizer.show_sequence(single.tokens)
        queries.append([prompt, query, shown[query]])
        for item in range(len(heads)):
            for key in range(query + 1):
                numbers = (table[prompt][item, key] for table in (scores, weights, norms, products))
                cells = [float(number) if np.isfinite(number) else None for number in numbers]
                keys.append([prompt, item, key, shown[key], *cells])
    return AttentionParts(
        first_weight=float(np.mean([part[:, 0] for part in weights])),
        first_share=float(np.mean([part[:, 0] / part.sum(1) for part in products])),
        scores=scores,
        weights=weights,
        value_norms=norms,
        norm_weighted=products,
        heads=[[item, block, head] for item, (block, head) in enumerate(heads)],
        keys=keys,
        queries=queries,
        pairs=pairs.places,
        words=pairs.words,
        pair_scores=pairs.scores,
        distance_scores=pairs.over_distance,
        coordinates={"position": tuple(case.options.distances)},
        skipped=reason_rows({**case.missing_heads(case.options.heads), **pairs_of(case).missing, **pairs.missing}),
        prompts=case.prompt_rows(case.options.prompts),
    )


def _parts(
    case: Case[Options], model: LoadedModel, single: PassResult, heads: Sequence[tuple[int, int]]
) -> dict[str, NDArray[np.float32]]:
    """(head x key) scores, weights and norms of values, of the keys up to the query."""
    query = case.named_position(case.options.query, single.tokens)
    needs = needs_of(case, query)
    blocks = sorted({block for block, _ in heads})
    scores, patterns, values, _ = (dict(zip(blocks, single.tensors_of(need, 0), strict=True)) for need in needs)
    seen = slice(0, query + 1)
    found = {
        "scores": [scores[block][head, 0, seen] for block, head in heads],
        "weights": [patterns[block][head, 0, seen] for block, head in heads],
        "norms": [_norms(model, block, head, values[block][head][seen]) for block, head in heads],
    }
    stacked = {name: np.stack([row.float().cpu().numpy() for row in rows]) for name, rows in found.items()}
    stacked["scores"] = np.where(np.isfinite(stacked["scores"]), stacked["scores"], np.nan)
    return stacked


def _norms(model: LoadedModel, block: int, head: int, values: Tensor) -> Tensor:
    """(key) norms of (key x head width) values through the head's rows of the output projection."""
    writer = model.anatomy.attention_writers[block]
    assert writer is not None
    assert writer.projection is not None
    width = values.shape[1]
    written: Tensor = values.float() @ matrix_of(writer.projection, model.device)[head * width : (head + 1) * width]
    norms: Tensor = written.norm(dim=1)
    return norms
