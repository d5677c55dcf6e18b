"""How it is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from reportgen.model.measures.answer_courses import follow_own_answers
from reportgen.model.measures.next_token import Cut, Map, distributions, map_logits
from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.sampling import sparsemax
from reportgen.probes.next_token import FINAL_NEED, NextToken, Options
from reportgen.probes.next_token.view import OWN, TOP_K, TOP_P, WHOLE
from reportgen.probing.case import Case
from reportgen.probing.findings import reason_rows
from reportgen.probing.right_answers import say_what_is_right
from reportgen.results.quantities import Rows
from reportgen.text.contrasts import find_contrasts, reasons_against


def _give_all_to_the_first(logits: torch.Tensor) -> torch.Tensor:
    """(token) 1 and zeros, from descending logits."""
    all_to_one = torch.zeros_like(logits)
    all_to_one[0] = 1.0
    return all_to_one


_MAPS: Mapping[str, Map] = {"argmax": _give_all_to_the_first, "sparsemax": sparsemax}
"""By the names of the option, without softmax."""


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> NextToken:
    """All prompts through the unembedding together."""
    options, temperatures = case.options, _temperatures(case.options)
    normed = torch.cat([single.tensors_of(FINAL_NEED, 0)[0] for single in captured])
    found = list(distributions(model, normed, temperatures, _cuts(options), options.k))
    own = [one for one in found if one.temperature == OWN]
    whole = [one for one in own if one.cut == WHOLE]
    nucleus = [one.kept for one in own if one.cut == TOP_P]
    top: Rows = []
    for one in found:
        named = enumerate(zip(one.token_ids, one.logits, one.probabilities, strict=True), 1)
        top += [
            [one.prompt, one.temperature, one.cut, rank, i, case.tokenizer.show(i), logit, p]
            for rank, (i, logit, p) in named
        ]
    mapped = [
        (name, one)
        for name, of_logits in _MAPS.items()
        if name in options.maps
        for one in map_logits(model, normed, of_logits, options.k)
    ]
    entropies = [one.entropy for one in found if one.cut == WHOLE]
    measured = NextToken(
        own_entropy=float(np.mean([one.entropy for one in whole])),
        top_probability=float(np.mean([one.probabilities[0] for one in whole])),
        nucleus=float(np.mean(nucleus)) if nucleus else "top_p is not asked for",
        entropy=np.array(entropies).reshape(len(captured), len(temperatures)),
        settings=[[one.prompt, one.temperature, one.cut, one.kept, one.mass, one.entropy] for one in found],
        top=top,
        maps=[[one.prompt, name, one.kept, one.entropy] for name, one in mapped],
        mapped=[
            [one.prompt, name, rank, i, case.tokenizer.show(i), logit, p]
            for name, one in mapped
            for rank, (i, logit, p) in enumerate(zip(one.token_ids, one.logits, one.probabilities, strict=True), 1)
        ],
        temperatures=[[item, temperature] for item, temperature in enumerate(temperatures)],
        prompts=case.prompt_rows(options.prompts),
    )
    return _add_answers(case, model, measured, normed) if say_what_is_right(options.prompts) else measured


def _add_answers(case: Case[Options], model: LoadedModel, found: NextToken, normed: torch.Tensor) -> NextToken:
    """With where the answers stand that the prompts say are right."""
    contrasts = find_contrasts(case.tokenizer, case.options.prompts)
    courses = follow_own_answers(model, normed, contrasts)
    rank, right, wrong = (of_own[:, 0] for of_own in (courses.rank, courses.right, courses.wrong))
    asked = [at for at, contrast in enumerate(contrasts) if contrast is not None]
    none = "no prompt has answers that this model tells apart"
    return replace(
        found,
        accuracy=float((rank[asked] == 1).mean()) if asked else none,
        right_probability=float(right[asked].mean()) if asked else none,
        answers=[
            [
                at,
                *(" ".join(map(case.tokenizer.show, tokens)) for tokens in contrast),
                int(rank[at]),
                float(right[at]),
                float(wrong[at]) if contrast.wrong else None,
            ]
            for at, contrast in enumerate(contrasts)
            if contrast is not None
        ],
        skipped=reason_rows(reasons_against(case.tokenizer, case.options.prompts)),
    )


def _temperatures(options: Options) -> list[float]:
    return sorted({OWN, *options.temperatures})


def _cuts(options: Options) -> list[Cut]:
    cuts = [Cut(WHOLE)]
    if options.top_k is not None:
        cuts.append(Cut(TOP_K, top_k=options.top_k))
    if options.top_p is not None:
        cuts.append(Cut(TOP_P, top_p=options.top_p))
    return cuts
