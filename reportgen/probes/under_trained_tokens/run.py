"""How it is measured."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from reportgen.model.measures.unused_rows import distances_to_unused, list_alike
from reportgen.model.needs import Pass, PassResult, Unmeasurable, pack_passes
from reportgen.model.network.loaded import LoadedModel, select_likeliest
from reportgen.numerics.distributions import log_softmax
from reportgen.probes.under_trained_tokens import NEXT, PROMPTS, UNUSED_ASKED, Options, UnderTrained, fill_slots
from reportgen.probing.case import Case
from reportgen.probing.probe import Later
from reportgen.results.quantities import Cell, Rows
from reportgen.text.token_kinds import KINDS, kind_of, list_unused

BINS = 40
"""Of the histogram."""
TRIED = 50
"""Times as many tokens as are wanted that are looked at for ordinary ones."""


@dataclass(frozen=True)
class _Answer:
    """What became of one token that the model was asked to repeat."""

    token: int
    kind: str
    distance: float
    probability: float
    """Where it is likeliest."""
    written: int
    """The likeliest token in the first prompt."""

    def cells(self, case: Case[Options]) -> list[Cell]:
        """The end of a row of `candidates` and of `controls`."""
        show = case.tokenizer.show
        return [
            self.token,
            show(self.token),
            self.kind,
            self.distance,
            self.probability,
            self.is_confirmed(case),
            show(self.written),
        ]

    def is_confirmed(self, case: Case[Options]) -> bool:
        """Whether it is not repeated."""
        return self.probability < case.options.threshold


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Later[UnderTrained]:
    """The distances of all rows, then what the model makes of the nearest, of unused ones and of ordinary ones."""
    unused = _find_unused(case, model)
    distances = distances_to_unused(model, list(unused)).double().numpy()
    chosen = _choose(case, unused, distances)
    every = list(dict.fromkeys(token for tokens in chosen.values() for token in tokens))
    passes = [Pass(fill_slots(case, prompt, token), (NEXT,)) for prompt in range(len(PROMPTS)) for token in every]
    passed = yield pack_passes(passes)
    read = dict(zip(every, _read_answers(case, model, passed, every, distances), strict=True))
    nearest, known, drawn = ([read[token] for token in tokens] for tokens in chosen.values())
    confirmed = [one for one in nearest if one.is_confirmed(case)]
    return UnderTrained(
        known_unused=len(unused),
        candidates_asked=len(nearest),
        under_trained=len(confirmed),
        under_trained_ordinary=sum(one.kind == "ordinary" for one in confirmed),
        false_alarms=_share_confirmed(case, drawn) if drawn else "no token was drawn at random",
        unused_not_repeated=_share_confirmed(case, known),
        unused=_count_unused(case, unused),
        candidates=[[rank, *one.cells(case)] for rank, one in enumerate(nearest, 1)],
        controls=[[group, *one.cells(case)] for group, some in (("unused", known), ("random", drawn)) for one in some],
        kinds=_count_kinds(nearest, confirmed),
        distances=_count_distances(distances, list(unused)),
        prompts=[
            [prompt, case.tokenizer.decode(fill_slots(case, prompt, nearest[0].token))]
            for prompt in range(len(PROMPTS))
        ],
    )


def _find_unused(case: Case[Options], model: LoadedModel) -> dict[int, str]:
    """Token -> how it is known that it is unused.

    Raises:
        Unmeasurable: none is known.
    """
    rows = model.anatomy.unembedding.weight.shape[0]
    found: dict[int, str] = dict(list_unused(case.tokenizer, rows))
    if not found:
        special = sorted(token for token in case.tokenizer.special_ids if token < rows)
        found = dict.fromkeys(list_alike(model, special), "alike")
    if not found:
        raise Unmeasurable(
            "no token of it is known to be unused: none by its name, no row beyond the tokenizer's, no byte that UTF-8 "
            "never has, and no special tokens whose rows are alike"
        )
    return found


def _choose(case: Case[Options], unused: Mapping[int, str], distances: NDArray[np.float64]) -> dict[str, Sequence[int]]:
    """The tokens that are asked for: the nearest that are not known to be unused, some that are, and ordinary ones."""
    options, generator = case.options, random.Random(case.options.seed)
    order = [int(token) for token in np.argsort(distances, kind="stable") if int(token) not in unused]
    if not order:
        raise Unmeasurable("all of its tokens are known to be unused")
    nearest = order[: options.candidates]
    known = generator.sample(sorted(unused), min(UNUSED_ASKED, len(unused)))
    farther = order[max(len(order) // 2, len(nearest)) :]
    tried = generator.sample(farther, min(len(farther), TRIED * options.controls))
    ordinary = (token for token in tried if kind_of(case.tokenizer, token) == "ordinary")
    return {
        "nearest": nearest,
        "unused": known,
        "random": [token for token, _ in zip(ordinary, range(options.controls), strict=False)],
    }


def _read_answers(
    case: Case[Options],
    model: LoadedModel,
    passed: Sequence[PassResult],
    tokens: Sequence[int],
    distances: NDArray[np.float64],
) -> Iterator[_Answer]:
    """Each token's answer, from its passes: all tokens of the first prompt, then all of the second, …"""
    asked = list(tokens) * len(PROMPTS)
    finals = torch.cat([single.tensors_of(NEXT, 0)[0] for single in passed])
    probabilities, written = [], []
    for rows, logits in model.final_logits(finals):
        log_p = log_softmax(logits)[: rows.stop - rows.start]
        ids = torch.tensor(asked[rows], device=log_p.device)
        probabilities += log_p.gather(1, ids[:, None])[:, 0].exp().tolist()
        written += select_likeliest(log_p, 1)[1][:, 0].tolist()
    highest = np.array(probabilities).reshape(len(PROMPTS), len(tokens)).max(axis=0)
    for at, token in enumerate(tokens):
        kind = kind_of(case.tokenizer, token)
        yield _Answer(token, kind, float(distances[token]), float(highest[at]), int(written[at]))


def _share_confirmed(case: Case[Options], answers: Sequence[_Answer]) -> float:
    return float(np.mean([one.is_confirmed(case) for one in answers]))


def _count_unused(case: Case[Options], unused: Mapping[int, str]) -> Rows:
    """Rows of `unused`."""
    first = {reason: token for token, reason in reversed(list(unused.items()))}
    counts = Counter(unused.values())
    return [[reason, count, case.tokenizer.show(first[reason])] for reason, count in counts.most_common()]


def _count_kinds(nearest: Sequence[_Answer], confirmed: Sequence[_Answer]) -> Rows:
    """Rows of `kinds`, those that there are."""
    asked, failed = (Counter(one.kind for one in some) for some in (nearest, confirmed))
    return [[kind, asked[kind], failed[kind]] for kind in KINDS if asked[kind]]


def _count_distances(distances: NDArray[np.float64], unused: Sequence[int]) -> Rows:
    """Rows of `distances`."""
    is_unused = np.isin(np.arange(len(distances)), unused)
    edges = np.linspace(min(0.0, distances.min()), distances.max(), BINS + 1)
    counts = [np.histogram(distances[which], edges)[0] / max(which.sum(), 1) for which in (is_unused, ~is_unused)]
    middles = (edges[:-1] + edges[1:]) / 2
    return [[float(middle), float(one), float(other)] for middle, one, other in zip(middles, *counts, strict=True)]
