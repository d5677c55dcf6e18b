"""How it is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reportgen.model.measures.direct_parts import ComponentOutputs, Parts, direct_parts, unembedding_rows
from reportgen.model.needs import Need, PassResult
from reportgen.model.network.loaded import LoadedModel, select_likeliest
from reportgen.probes.attribution import Attribution, Options, find_asked, needs_of, refusal_of, usable_prompts
from reportgen.probes.attribution.view import BIAS, EMBEDDING, HEAD, MLP
from reportgen.probing.case import Case
from reportgen.results.quantities import Rows

KEPT = 12
"""Parts of each logit that the table names."""


@dataclass(frozen=True)
class _LogitDirection:
    """The logit that is taken apart after one prompt."""

    prompt: int
    ids: tuple[int, ...]
    against: tuple[int, ...]
    direction: Tensor
    """(width)"""
    bias: Tensor


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Attribution:
    """One direction a prompt, then every component of all prompts together."""
    ends, heads, mlp, final = needs_of(case)
    normed = torch.cat([single.tensors_of(final, 0)[0] for single in captured])
    kept = usable_prompts(case)
    asked = [_find_direction(case, model, prompt, row) for prompt, row in zip(kept, normed, strict=True)]
    seen = ComponentOutputs(
        embedding=torch.cat([single.tensors_of(ends, 0)[0] for single in captured]),
        last=torch.cat([single.tensors_of(ends, 0)[1] for single in captured]),
        heads=_stack_by_block(captured, heads),
        mlp=_stack_by_block(captured, mlp),
    )
    directions, biases = torch.stack([one.direction for one in asked]), torch.stack([one.bias for one in asked])
    parts = direct_parts(model, seen, directions, biases)
    return _build_findings(case, asked, parts, (normed.float() * directions).sum(-1) + biases)


def _find_direction(case: Case[Options], model: LoadedModel, prompt: int, normed: Tensor) -> _LogitDirection:
    ids, others = find_asked(case, prompt)
    if not ids:
        logits = next(model.final_logits(normed[None]))[1]
        ids = (int(select_likeliest(logits, 1)[1][0, 0]),)
    direction, bias = _row(model, ids, case.options.pool)
    if others:
        other, other_bias = _row(model, others, case.options.pool)
        direction, bias = direction - other, bias - other_bias
    return _LogitDirection(prompt, ids, others, direction, bias)


def _row(model: LoadedModel, ids: Sequence[int], pool: str | None) -> tuple[Tensor, Tensor]:
    rows, biases = unembedding_rows(model, ids)
    return (rows.mean(0), biases.mean(0)) if pool == "mean" else (rows[-1], biases[-1])


def _stack_by_block(captured: Sequence[PassResult], need: Need) -> list[Tensor]:
    """(block) (prompt x width)"""
    return [torch.cat(rows) for rows in zip(*(single.tensors_of(need, 0) for single in captured), strict=True)]


def _build_findings(case: Case[Options], asked: Sequence[_LogitDirection], parts: Parts, logits: Tensor) -> Attribution:
    heads, mlp, embedding, bias, logit, total = (
        values.float().cpu().numpy()
        for values in (parts.heads, parts.mlp, parts.embedding, parts.bias, logits, parts.total)
    )
    by_heads, by_mlp = np.abs(heads).sum((1, 2)), np.abs(mlp).sum(1)
    show = case.tokenizer
    rows: Rows = [
        [row, one.ids[0] if len(one.ids) == 1 else None, show.show_joined(one.ids),
         one.against[0] if len(one.against) == 1 else None, show.show_joined(one.against) if one.against else None,
         float(value), float(summed)]
        for row, (one, value, summed) in enumerate(zip(asked, logit, total, strict=True))
    ]  # fmt: skip
    measured = [one.prompt for one in asked]
    return Attribution(
        coordinates={} if measured == list(range(len(case.options.prompts))) else {"prompt": measured},
        mlp_share=float((by_mlp / (by_heads + by_mlp)).mean()),
        mean_logit=float(logit.mean()),
        logit=logit,
        embedding=embedding,
        heads=heads,
        mlp=mlp,
        bias=bias,
        answers=rows,
        parts=[
            [row, rank, *part]
            for row in range(len(asked))
            for rank, part in enumerate(_select_largest(embedding[row], heads[row], mlp[row], bias[row]), 1)
        ],
        skipped=[
            [case.tokenizer.prompt_text(prompt), reason]
            for at, prompt in enumerate(case.options.prompts)
            if (reason := refusal_of(case, at))
        ],
        prompts=case.prompt_rows([case.options.prompts[prompt] for prompt in measured]),
    )


def _select_largest(embedding: Any, heads: NDArray[Any], mlp: NDArray[Any], bias: Any) -> Rows:
    """(part, block, head, logit) of the largest parts, by size; equal ones in the order of the model."""
    every: Rows = [[EMBEDDING, None, None, float(embedding)], [BIAS, None, None, float(bias)]]
    for block in range(len(mlp)):
        every += [[HEAD, block, head, float(value)] for head, value in enumerate(heads[block])]
        every.append([MLP, block, None, float(mlp[block])])
    return sorted(every, key=lambda part: -abs(float(part[-1] or 0.0)))[:KEPT]
