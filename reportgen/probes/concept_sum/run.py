"""How it is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reportgen.language import say
from reportgen.model.measures.directions import compare_with_unembedding, normed_residual, unembedding_rows
from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel, select_likeliest
from reportgen.numerics.similarity import unit_rows
from reportgen.probes.concept_sum import (
    ConceptNeighbours,
    Options,
    asked_layers,
    concept_name,
    ids_of,
    need_of,
    position_of,
    refusal,
    rows_left_out,
)
from reportgen.probes.concept_sum.view import MEASURES
from reportgen.probing.case import Case
from reportgen.probing.findings import reason_rows
from reportgen.results.quantities import Rows

COMPARED = 10
"""Tokens of which the two measures are compared."""


@dataclass(frozen=True)
class _Target:
    """A concept as a direction."""

    name: str
    direction: Tensor
    """(width) in float32."""
    own: tuple[int, ...] = ()
    """Tokens of its parts."""
    parts: str = ""
    place: tuple[int | None, int | None, int | None] = (None, None, None)
    """(prompt, layer, position)"""
    stands_for: str | None = None


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> ConceptNeighbours:
    """Each direction against the whole unembedding."""
    targets = [*_sums(case, model), *_residuals(case, model, captured)]
    nearest: Rows = []
    concepts: Rows = []
    missing: Rows = []
    highest, overlap = [], []
    for item, target in enumerate(targets):
        by_measure = dict(zip(MEASURES, compare_with_unembedding(model, target.direction), strict=True))
        if not all(bool(scores.isfinite().all()) for scores in by_measure.values()):
            raise ArithmeticError("the unembedding, or the concept, holds values that are not finite")
        cosines = by_measure["cosine"]
        concepts.append([item, target.name, target.parts, *target.place, float(cosines.mean()), float(cosines.std())])
        ranked = {measure: _rank_tokens(case, target, scores) for measure, scores in by_measure.items()}
        nearest += [[item, measure, *row] for measure, rows in ranked.items() for row in rows[: case.options.k]]
        highest.append(ranked["cosine"][0][-1])
        overlap.append(_overlap(ranked))
        if target.stands_for is not None:
            missing.append([item, *_look_up_missing(case, target, by_measure)])
    none = "every concept holds a text of several tokens here"
    return ConceptNeighbours(
        nearest_cosine=float(np.mean(highest)) if highest else none,
        overlap=float(np.mean(overlap)) if overlap else none,
        nearest=nearest,
        concepts=concepts,
        missing=missing,
        skipped=reason_rows(rows_left_out(case)),
        prompts=case.prompt_rows(case.options.prompts or []),
        words=case.word_rows((i, prompt, prompt.word) for i, prompt in enumerate(case.options.prompts or [])),
    )


def _sums(case: Case[Options], model: LoadedModel) -> list[_Target]:
    """The concepts of texts that this model can have."""
    found = []
    for concept in case.options.concepts:
        if refusal(case, concept):
            continue
        ids = [ids_of(case, text) for text in concept.texts]
        rows = [unembedding_rows(model, of_text) for of_text in ids]
        pooled = torch.stack([row.mean(0) if case.options.pool == "mean" else row[-1] for row in rows])
        found.append(
            _Target(
                concept_name(concept),
                unit_rows(pooled).mean(0),
                tuple(dict.fromkeys(token for of_text in ids for token in of_text)),
                " + ".join(case.tokenizer.show_joined(of_text) for of_text in ids),
                stands_for=concept.stands_for,
            )
        )
    return found


def _residuals(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> list[_Target]:
    """Places of the residual stream, layer by layer of each prompt."""
    found = []
    for index, (prompt, single) in enumerate(zip(case.options.prompts or (), captured, strict=True)):
        label = prompt.id or (prompt.text if prompt.text is not None else (prompt.messages or ())[-1].content)
        position = position_of(case, prompt)
        for layer, row in zip(asked_layers(case), single.tensors_of(need_of(case, prompt), 0), strict=True):
            name = say("concept_sum.at_layer", "layer {layer}: {prompt}", prompt=label, layer=layer)
            found.append(_Target(name, normed_residual(model, row)[0], place=(index, layer, position)))
    return found


def _rank_tokens(case: Case[Options], target: _Target, scores: Tensor) -> list[list[Any]]:
    """Rows of (rank, token_id, token, score) of the (vocabulary) scores."""
    others = _mask_own(target, scores)
    most = min(max(case.options.k, COMPARED), len(scores) - len(target.own))
    values, ids = select_likeliest(others[None], most)
    pairs = zip(ids[0].tolist(), values[0].tolist(), strict=True)
    return [[rank, i, case.tokenizer.show(i), value] for rank, (i, value) in enumerate(pairs, 1)]


def _mask_own(target: _Target, scores: Tensor) -> Tensor:
    others = scores.clone()
    others[list(target.own)] = float("-inf")
    return others


def _overlap(ranked: Mapping[str, Sequence[Sequence[Any]]]) -> float:
    """Share of the first ten of one measure that are among the first ten of the other."""
    one, other = ({row[1] for row in ranked[measure][:COMPARED]} for measure in MEASURES)
    return len(one & other) / len(one)


def _look_up_missing(case: Case[Options], target: _Target, by_measure: Mapping[str, Tensor]) -> list[Any]:
    """What became of the word that a concept stands for."""
    assert target.stands_for is not None
    ids = ids_of(case, target.stands_for)
    ranks: list[int | None] = [None, None]
    if len(ids) == 1 and ids[0] not in target.own:
        others = [_mask_own(target, by_measure[measure]) for measure in MEASURES]
        ranks = [1 + int((scores > scores[ids[0]]).sum()) for scores in others]
    return [target.stands_for, len(ids), case.tokenizer.show_joined(ids), *ranks]
