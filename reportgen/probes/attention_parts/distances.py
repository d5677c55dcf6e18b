"""How the scores of pairs of words are measured, with and without positions and at other distances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from reportgen.model.capture.check_writes import reason_against
from reportgen.model.capture.rotations import rotations_of
from reportgen.model.measures.distance_scores import score_content, score_over_distance
from reportgen.model.needs import PassResult, Site
from reportgen.model.network.windows import window_of
from reportgen.probes.attention_parts import Options, needs_of_pair, pairs_of
from reportgen.probes.attention_parts.pairs import PairPlace
from reportgen.probing.case import Case
from reportgen.results.quantities import Rows
from reportgen.text.words import WordPlace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from reportgen.model.network.loaded import LoadedModel


@dataclass
class PairScores:
    """What is found of the pairs."""

    places: Rows = field(default_factory=list)
    words: Rows = field(default_factory=list)
    scores: Rows = field(default_factory=list)
    over_distance: list[NDArray[np.float32]] = field(default_factory=list)
    """(pair) (head x distance); none where no head has a score before positions."""
    missing: dict[str, str] = field(default_factory=dict)
    """Heads whose block turns no queries and keys -> why."""


def measure_pairs(
    case: Case[Options], model: LoadedModel, passed: Sequence[PassResult], heads: Sequence[tuple[int, int]]
) -> PairScores:
    """Each pair, from the pass of its prompt."""
    found = PairScores()
    for pair, (place, single) in enumerate(zip(pairs_of(case).places, passed, strict=True)):
        one, other = place.query.position, place.key.position
        found.places.append([pair, place.prompt, place.look.from_, place.look.to, one, other, place.distance])
        found.words += [_word_row(case, place.prompt, *word) for word in place.words]
        curves = np.full((len(heads), len(case.options.distances)), np.nan, np.float32)
        for item, (block, head) in enumerate(heads):
            if reason := _reason_without_positions(model, block):
                found.missing[f"{block}.{head}: positions"] = reason
                continue
            row, curves[item] = _measure_head(case, model, place, single, block, head)
            found.scores.append([pair, item, block, head, *row])
        found.over_distance.append(curves)
    if not found.scores:
        found.over_distance.clear()  # no head's block turns anything
    return found


def _word_row(case: Case[Options], prompt: int, word: str, place: WordPlace) -> list[str | int | float | bool | None]:
    return [prompt, word, case.tokenizer.show_joined(place.tokens), place.fit]


def _reason_without_positions(model: LoadedModel, block: int) -> str:
    return reason_against(model, Site.QUERIES, (block,)).partition(": ")[2]


def _measure_head(
    case: Case[Options], model: LoadedModel, place: PairPlace, single: PassResult, block: int, head: int
) -> tuple[list[float | None], NDArray[np.float32]]:
    """([score before, score after, window], curve) of one head, the curve over distance."""
    rotation, window = rotations_of(model)[block], window_of(model.network.config.get_text_config(), block)
    needs = [need for need in needs_of_pair(case, place) if need.indices == (block,)]
    query, key, scores = (single.tensors_of(need, 0)[0][head, 0] for need in needs)
    after = float(scores[place.key.position])
    curve = score_over_distance(rotation, query, key, case.options.distances).cpu().numpy().astype(np.float32)
    if window is not None:
        curve = np.where(np.array(case.options.distances) < window, curve, np.nan).astype(np.float32)
    return [score_content(rotation, query, key), after if np.isfinite(after) else None, window], curve
