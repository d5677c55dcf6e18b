"""How it is measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from reportgen.model.measures.answer_courses import AnswerCourses, follow_answers, pad_answers
from reportgen.model.measures.readout import Readout, fetch_readout, read_out, stack_layers
from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.confidence import wilson_95
from reportgen.numerics.settling import leads_from, middle_lead
from reportgen.probes.right_answer import Options, RightAnswer, needs_of
from reportgen.probing.case import Case
from reportgen.probing.findings import reason_rows
from reportgen.results.quantities import Cell, Rows
from reportgen.text.contrasts import Contrast, find_contrasts, reasons_against


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> RightAnswer:
    """All prompts through the unembedding together."""
    skipped = reasons_against(case.tokenizer, case.options.prompts)
    contrasts = find_contrasts(case.tokenizer, case.options.prompts)
    read = _read(case, model, captured, contrasts)
    courses = follow_answers(read, contrasts)
    asked = [at for at, contrast in enumerate(contrasts) if contrast is not None]
    leads = courses.rank[asked] == 1
    middle = middle_lead(courses.rank)
    none = "no prompt has answers that this model tells apart"
    return RightAnswer(
        asked=len(asked),
        accuracy=float(leads[:, -1].mean()) if asked else none,
        right_probability=float(courses.right[asked, -1].mean()) if asked else none,
        right_layer="no prompt is answered right" if middle is None else middle,
        rank=courses.rank,
        probability=courses.right,
        wrong_probability=courses.wrong,
        right_share=leads.mean(0, dtype=np.float32) if asked else np.full(courses.rank.shape[1], np.nan, np.float32),
        answers=_list_answers(case, read, courses, contrasts),
        groups=_count_by_group(case, courses) if any(prompt.group for prompt in case.options.prompts) else None,
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
    asked = pad_answers(contrasts).to(normed.device)
    return fetch_readout(read_out(model, residual, normed, k=1, asked=asked, kl=False))


def _list_answers(
    case: Case[Options], read: Readout, courses: AnswerCourses, contrasts: Sequence[Contrast | None]
) -> Rows:
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


def _count_by_group(case: Case[Options], courses: AnswerCourses) -> Rows:
    """Right answers in each group of prompts, of those that were asked."""
    names = [prompt.group for prompt in case.options.prompts]
    rows: Rows = []
    for name in dict.fromkeys(name for name in names if name is not None):
        ranks, probabilities = (
            np.array([values[at, -1] for at, own in enumerate(names) if own == name and np.isfinite(values[at, -1])])
            for values in (courses.rank, courses.right)
        )
        asked, right = len(ranks), int((ranks == 1).sum())
        share = [right / asked, *wilson_95(right, asked), float(probabilities.mean())] if asked else [None] * 4
        rows.append([name, asked, right, *share])
    return rows
