"""How it is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from reportgen.model.measures.readout import Readout, fetch_readout, read_out, stack_layers
from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.settling import leads_from
from reportgen.probes.right_answer import Options, RightAnswer, needs_of
from reportgen.probes.right_answer.contrast import Contrast, find_contrast, reasons_against
from reportgen.probing.case import Case
from reportgen.probing.findings import reason_rows
from reportgen.results.quantities import Cell, Rows


@dataclass(frozen=True)
class _Courses:
    """(prompt x layer) what becomes of the answers; NaN for a prompt that is not asked."""

    rank: NDArray[np.float32]
    right: NDArray[np.float32]
    wrong: NDArray[np.float32]


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> RightAnswer:
    """All prompts through the unembedding together."""
    skipped = reasons_against(case.tokenizer, case.options.prompts)
    contrasts = [
        None if prompt.called in skipped else find_contrast(case.tokenizer, prompt) for prompt in case.options.prompts
    ]
    read = _read(case, model, captured, contrasts)
    courses = _follow(read, contrasts)
    asked = [at for at, contrast in enumerate(contrasts) if contrast is not None]
    leads = courses.rank[asked] == 1
    settled = [leads_from(courses.rank[at]) for at in asked if courses.rank[at, -1] == 1]
    none = "no prompt has answers that this model tells apart"
    return RightAnswer(
        asked=len(asked),
        accuracy=float(leads[:, -1].mean()) if asked else none,
        right_probability=float(courses.right[asked, -1].mean()) if asked else none,
        right_layer=sorted(settled)[(len(settled) - 1) // 2] if settled else "no prompt is answered right",
        rank=courses.rank,
        probability=courses.right,
        wrong_probability=courses.wrong,
        right_share=leads.mean(0, dtype=np.float32) if asked else np.full(courses.rank.shape[1], np.nan, np.float32),
        answers=_list_answers(case, read, courses, contrasts),
        skipped=reason_rows(skipped),
        prompts=case.prompt_rows(case.options.prompts),
    )


def _read(
    case: Case[Options],
    model: LoadedModel,
    captured: Sequence[PassResult],
    contrasts: Sequence[Contrast | None],
) -> Readout:
    """Every layer after every prompt: its likeliest token, and the tokens that begin the prompt's answers."""
    stream, final = needs_of(case)
    residual = torch.cat([stack_layers(single.tensors_of(stream, 0)) for single in captured])
    normed = torch.cat([single.tensors_of(final, 0)[0] for single in captured])
    wanted = [[*one.right, *one.wrong] if one else [] for one in contrasts]
    most = max(map(len, wanted))
    # Prompts with fewer answers ask about a token more than once; those columns are not read.
    padded = torch.tensor([[*ids, *[0] * (most - len(ids))] for ids in wanted], dtype=torch.int64)
    return fetch_readout(read_out(model, residual, normed, k=1, asked=padded.to(normed.device), kl=False))


def _follow(read: Readout, contrasts: Sequence[Contrast | None]) -> _Courses:
    ranks, probabilities = read.asked_rank.numpy(), read.asked_probability.float().numpy()
    rank, right, wrong = (np.full(ranks.shape[:2], np.nan, np.float32) for _ in range(3))
    for at, contrast in enumerate(contrasts):
        if contrast is not None:
            between, end = len(contrast.right), len(contrast.right) + len(contrast.wrong)
            rank[at] = ranks[at, :, :between].min(-1)
            right[at] = probabilities[at, :, :between].sum(-1)
            if contrast.wrong:
                wrong[at] = probabilities[at, :, between:end].sum(-1)
    return _Courses(rank, right, wrong)


def _list_answers(case: Case[Options], read: Readout, courses: _Courses, contrasts: Sequence[Contrast | None]) -> Rows:
    rows: Rows = []
    show, last = case.tokenizer.show, courses.rank.shape[1] - 1
    for at, (prompt, contrast) in enumerate(zip(case.options.prompts, contrasts, strict=True)):
        if contrast is None:
            continue
        first = leads_from(courses.rank[at])
        layer: Cell = first if first <= last else None
        is_right = bool(courses.rank[at, -1] == 1)
        says = int(read.token_ids[at, -1, 0])
        if is_right and says not in contrast.right:  # another is as likely, and stands first for its number alone
            says = contrast.right[int(read.asked_rank[at, -1, : len(contrast.right)].argmin())]
        rows.append(
            [
                at,
                prompt.called,
                " ".join(map(show, contrast.right)),
                " ".join(map(show, contrast.wrong)),
                int(courses.rank[at, -1]),
                float(courses.right[at, -1]),
                layer,
                None if layer is None else first / last,
                show(says),
                float(read.probabilities[at, -1, 0]),
                is_right,
            ]
        )
    return rows
