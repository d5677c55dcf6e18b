"""How it is measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reportgen.model.capture.edit import Replace, Scale
from reportgen.model.capture.shared_passes import reason_against_pass
from reportgen.model.measures.token_loss import token_losses
from reportgen.model.needs import Edit, Operation, Pass, PassResult, Site, Unmeasurable
from reportgen.model.network.loaded import LoadedModel
from reportgen.probes.ablation import (
    Ablations,
    Options,
    last_need,
    list_parts,
    positions_to_ablate,
    reasons_against_texts,
    total_needs,
    usable_texts,
)
from reportgen.probes.ablation.parts import WRITES, Kind, Part, Text
from reportgen.probes.ablation.view import is_unmeasured
from reportgen.probing.case import Case
from reportgen.probing.findings import reason_rows
from reportgen.probing.probe import Later
from reportgen.results.quantities import Rows

AT_ONCE = 16_384
"""Tokens of ablated passes whose rows are held at a time: all variants of a long text would not fit into memory."""
KEPT = 5
"""Most missed components of each kind that the table names."""


@dataclass(frozen=True)
class _Losses:
    """What was read of one text: of the model as it is first, then of every part."""

    text: Text
    summed: NDArray[np.float64]
    """(1 + part) sum of the losses of its predicted tokens."""
    answer: NDArray[np.float64]
    """(1 + part) probability of the answer; NaN where there is none."""


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Later[Ablations]:
    """The components of one text after the other, some at a time; those that can be measured in this model."""
    without = _find_unmeasurable(case, model)
    case = _narrow_to_components(case, [kind for kind in case.options.components if kind not in without])
    texts, parts, last = usable_texts(case), list_parts(case), last_need(case)
    means = _means(case, captured[len(texts) :])
    read = []
    for text, clean in zip(texts, captured, strict=False):
        found = [_read_losses(model, text, clean.tensors_of(last, 0))]
        for some in _portions(parts, len(text.tokens)):
            ablated = yield [
                Pass(text.tokens, (last,), edits=_edits(case, text.tokens, part, means, model.anatomy.heads or 1))
                for part in some
            ]
            found.append(_read_losses(model, text, [single.tensors_of(last, 0)[0] for single in ablated]))
        read.append(_join_losses(text, found))
    return _build_findings(case, read, without)


def _find_unmeasurable(case: Case[Options], model: LoadedModel) -> dict[Kind, str]:
    """The components that cannot be ablated in this model, each with the reason.

    Raises:
        Unmeasurable: none of them can be.
    """
    reasons: dict[Kind, str] = {}
    for kind in dict.fromkeys(case.options.components):
        edits = tuple(
            Edit(site, block, Scale(0.0)) for block in case.named_blocks(case.options.blocks) for site in WRITES[kind]
        )
        if reason := reason_against_pass(model, Pass((), (), edits=edits)):
            reasons[kind] = reason
    if len(reasons) == len(set(case.options.components)):
        raise Unmeasurable(next(iter(reasons.values())))
    return reasons


def _narrow_to_components(case: Case[Options], components: Sequence[Kind]) -> Case[Options]:
    return replace(case, options=case.options.model_copy(update={"components": list(components)}))


def _portions(parts: Sequence[Part], length: int) -> Iterator[Sequence[Part]]:
    together = max(1, AT_ONCE // length)
    for start in range(0, len(parts), together):
        yield parts[start : start + together]


def _means(case: Case[Options], captured: Sequence[PassResult]) -> dict[tuple[Site, int], Tensor]:
    """What each component writes on average, in float32; empty where zeros take its place."""
    summed: dict[tuple[Site, int], Tensor] = {}
    count = 0
    for single in captured:
        count += len(positions_to_ablate(case, single.tokens))
        for need in total_needs(case, single.tokens):
            for block, total in zip(case.named_blocks(case.options.blocks), single.values[need], strict=True):
                before = summed.get((need.site, block))
                summed[need.site, block] = total if before is None else before + total
    return {place: (total / count).float() for place, total in summed.items()}


def _edits(
    case: Case[Options], tokens: Sequence[int], part: Part, means: Mapping[tuple[Site, int], Tensor], heads: int
) -> tuple[Edit, ...]:
    """What a pass without one part changes."""
    positions = positions_to_ablate(case, tokens)
    return tuple(
        Edit(site, part.block, _operation(means.get((site, part.block)), part.head, heads), positions, part.head)
        for site in WRITES[part.kind]
    )


def _operation(mean: Tensor | None, head: int | None, heads: int) -> Operation:
    if mean is None:
        return Scale(0.0)
    size = len(mean) // heads
    return Replace(mean if head is None else mean[head * size : (head + 1) * size])


def _read_losses(model: LoadedModel, text: Text, passes: Sequence[Tensor]) -> _Losses:
    """Of some passes of one text, (position x width) each: rows that are asked go through the unembedding together."""
    asked = [at - 1 for at in text.predicted]
    targets = [text.tokens[at] for at in text.predicted]
    asked, targets = [*asked, *[len(text.tokens) - 1] * len(text.answer)], [*targets, *text.answer]
    rows = torch.cat([stream[asked] for stream in passes])
    losses = token_losses(model, rows, torch.tensor(targets * len(passes), device=rows.device))
    by_pass: NDArray[np.float64] = losses.double().cpu().numpy().reshape(len(passes), -1)
    of_text, of_answer = np.split(by_pass, [len(text.predicted)], axis=1)
    answer = np.exp(-of_answer).sum(1) if text.answer else np.full(len(passes), np.nan)
    return _Losses(text, of_text.sum(1), answer)


def _join_losses(text: Text, found: Sequence[_Losses]) -> _Losses:
    return _Losses(text, np.concatenate([one.summed for one in found]), np.concatenate([one.answer for one in found]))


def _build_findings(case: Case[Options], read: Sequence[_Losses], without: Mapping[Kind, str]) -> Ablations:
    parts, show = list_parts(case), case.tokenizer
    losses = np.sum([one.summed for one in read], axis=0) / sum(len(one.text.predicted) for one in read)
    change = _arrange_by_kind(case, parts, losses[1:] - losses[0])
    of_texts = [
        _arrange_by_kind(case, parts, (one.summed[1:] - one.summed[0]) / len(one.text.predicted)) for one in read
    ]
    by_text = {kind: np.stack([one[kind] for one in of_texts]) for kind in change}
    answered = read if any(one.text.answer for one in read) else []
    by_prompt = [_arrange_by_kind(case, parts, one.answer[1:] - one.answer[0]) for one in answered]
    # A prompt axis of length 0 where there are no answers.
    answers = {
        kind: np.stack([one[kind] for one in by_prompt]) if by_prompt else empty[None][:0]
        for kind, empty in change.items()
    }
    return Ablations(
        coordinates={"block": case.named_blocks(case.options.blocks)},
        loss=float(losses[0]),
        largest_head=_find_largest(change["heads"], without.get("heads")),
        largest_mlp=_find_largest(change["mlp"], without.get("mlp")),
        largest_attention=_find_largest(change["attention"], without.get("attention")),
        heads=change["heads"],
        attention=change["attention"],
        mlp=change["mlp"],
        blocks=change["blocks"],
        text_heads=by_text["heads"],
        text_attention=by_text["attention"],
        text_mlp=by_text["mlp"],
        text_blocks=by_text["blocks"],
        answer_heads=answers["heads"],
        answer_attention=answers["attention"],
        answer_mlp=answers["mlp"],
        answer_blocks=answers["blocks"],
        largest=_rank_parts(parts, losses[1:] - losses[0]),
        texts=[
            [row, len(one.text.predicted), float(one.summed[0] / len(one.text.predicted)),
             one.text.answer[0] if len(one.text.answer) == 1 else None,
             *((" ".join(map(show.show, one.text.answer)), float(one.answer[0])) if one.text.answer else (None, None))]
            for row, one in enumerate(read)
        ],
        skipped=_list_skipped(case, without),
        prompts=case.prompt_rows([case.options.prompts[one.text.prompt] for one in read]),
    )  # fmt: skip


def _list_skipped(case: Case[Options], without: Mapping[Kind, str]) -> Rows:
    rows = reason_rows(reasons_against_texts(case))
    return rows + [[kind, reason] for kind, reason in without.items()]


def _arrange_by_kind(
    case: Case[Options], parts: Sequence[Part], values: NDArray[Any]
) -> dict[str, NDArray[np.float64]]:
    """Kind -> (block) values, of heads (block x head); NaN where a kind was not asked for."""
    blocks, heads = case.named_blocks(case.options.blocks), case.facts.heads or 0
    found = {kind: np.full((len(blocks), heads) if kind == "heads" else len(blocks), np.nan) for kind in WRITES}
    for part, value in zip(parts, values, strict=True):
        row = blocks.index(part.block)
        found[part.kind][row if part.head is None else (row, part.head)] = value
    return found


def _find_largest(change: NDArray[Any], reason: str | None) -> float | str:
    return reason or "they were not ablated" if is_unmeasured(change) else float(change.max())


def _rank_parts(parts: Sequence[Part], change: NDArray[Any]) -> Rows:
    """Rows of the `largest` table; equal ones in the order of the model."""
    rows: Rows = []
    for kind in WRITES:
        own = [(part, float(value)) for part, value in zip(parts, change, strict=True) if part.kind == kind]
        own.sort(key=lambda one: -one[1])
        rows += [[kind, rank, part.block, part.head, value] for rank, (part, value) in enumerate(own[:KEPT], 1)]
    return rows
