"""How it is measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reportgen.model.capture.edit import Replace
from reportgen.model.capture.shared_passes import reason_against_pass
from reportgen.model.measures.token_loss import token_logits
from reportgen.model.needs import Edit, Need, Pass, PassResult, Unmeasurable
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.patching import CLEAR_DIFFERENCE, recovered_difference, stays_from
from reportgen.probes.activation_patching import (
    FINAL_NEED,
    Patching,
    asked_indices,
    needs_of,
    pair_label,
    places_of,
    read_pairs,
    source_of,
    usable_pairs,
)
from reportgen.probes.activation_patching.options import Options
from reportgen.probes.activation_patching.pairs import CLEAN, SITES, Place, PromptPair, SiteName, pair_up
from reportgen.probes.activation_patching.view import BY_POSITION, share_moved
from reportgen.probing.case import Case
from reportgen.probing.probe import Later
from reportgen.results.quantities import Rows

HALF = 0.5
"""Share of the logit difference from which a place is said to hold what tells the prompts apart."""
KEPT = 8
"""Heads that the table names."""


@dataclass(frozen=True)
class _PairDifferences:
    """What the passes of one pair gave."""

    pair: PromptPair
    clean: float
    corrupted: float
    places: Sequence[Place]
    patched: NDArray[np.float64]
    """(place) logit differences."""

    def unpatched_difference(self, case: Case[Options]) -> float:
        """The logit difference of the run that is patched."""
        return self.corrupted if source_of(case) == CLEAN else self.clean


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Later[Patching]:
    """The places of one pair after the other, each a pass of its own; of sites that this model has."""
    without = _find_unmeasurable(case, model)
    sites = [site for site in case.options.sites if site not in without]
    case = replace(case, options=case.options.model_copy(update={"sites": sites}))
    measured = []
    for pair, clean, corrupted in zip(usable_pairs(case), captured[::2], captured[1::2], strict=True):
        places = places_of(case, pair)
        source, into = (clean, pair.corrupted) if source_of(case) == CLEAN else (corrupted, pair.clean)
        edits = _edits(case, pair, places, source, model.anatomy.heads or 1)
        patched = yield [Pass(into, (FINAL_NEED,), edits=(edit,)) for edit in edits]
        rows = [one.tensors_of(FINAL_NEED, 0)[0] for one in (clean, corrupted, *patched)]
        difference = _differences(model, rows, pair)
        measured.append(_PairDifferences(pair, float(difference[0]), float(difference[1]), places, difference[2:]))
    return _build_findings(case, measured, without)


def _find_unmeasurable(case: Case[Options], model: LoadedModel) -> dict[str, str]:
    """The sites that cannot be patched in this model, each with the reason.

    Raises:
        Unmeasurable: none of them can be.
    """
    needs = {site: Need(SITES[site], "all", asked_indices(case, site)) for site in dict.fromkeys(case.options.sites)}
    told = {site: reason_against_pass(model, Pass((), (need,))) for site, need in needs.items()}
    reasons: dict[str, str] = {site: reason for site, reason in told.items() if reason}
    if len(reasons) == len(needs):
        raise Unmeasurable(next(iter(reasons.values())))
    return reasons


def _edits(
    case: Case[Options], pair: PromptPair, places: Sequence[Place], source: PassResult, heads: int
) -> Iterator[Edit]:
    """(place) each puts in what the other run has there."""
    kept: dict[tuple[str, int], Tensor] = {
        (site, index): rows
        for site, need in needs_of(case, pair).items()
        for index, rows in zip(asked_indices(case, site), source.tensors_of(need, 0), strict=True)
    }
    for place in places:
        rows, site = kept[place.site, place.index], SITES[place.site]
        if place.site == "heads":
            size = rows.shape[-1] // heads
            of_head = rows[:, place.at * size : (place.at + 1) * size].float()
            yield Edit(site, place.index, Replace(of_head), pair.differing, place.at)
        else:
            yield Edit(site, place.index, Replace(rows[place.at - pair.first].float()), (place.at,))


def _differences(model: LoadedModel, rows: Sequence[Tensor], pair: PromptPair) -> NDArray[np.float64]:
    """(row) logit(right) − logit(wrong)."""
    logits = token_logits(model, torch.cat(list(rows)), (pair.right, pair.wrong)).double().cpu().numpy()
    found: NDArray[np.float64] = logits[:, 0] - logits[:, 1]
    return found


def _build_findings(case: Case[Options], measured: Sequence[_PairDifferences], without: Mapping[str, str]) -> Patching:
    sites = case.options.sites
    heads = np.stack([_head_shares(case, one) for one in measured])
    by_site = {site: [_shares(case, one, site) for one in measured] if site in sites else [] for site in BY_POSITION}
    defined = [_is_defined(one) for one in measured]
    ranked = any(defined) and "heads" in sites
    top = _rank_heads(share_moved(heads[defined].mean(0), case.options.direction)) if ranked else []
    show = case.tokenizer
    return Patching(
        coordinates={"layer": case.named_layers(case.options.layers), "block": asked_indices(case, "heads")},
        clean_difference=float(np.mean([one.clean for one in measured])),
        corrupted_difference=float(np.mean([one.corrupted for one in measured])),
        arrival_layer=_arrival(case, by_site["residual"], defined),
        best_head=top[0][1] if top else without.get("heads", _reason_without_head(case, defined)),
        residual=by_site["residual"],
        attention=by_site["attention"],
        mlp=by_site["mlp"],
        heads=heads,
        top=[
            [rank, asked_indices(case, "heads")[block], head, share]
            for rank, ((block, head), share) in enumerate(top[:KEPT], 1)
        ],
        pairs=[
            [row, pair_label(case, one.pair.index), one.pair.right, show.show(one.pair.right), one.pair.wrong,
             show.show(one.pair.wrong), one.pair.first, len(one.pair.clean), one.clean, one.corrupted, defined[row]]
            for row, one in enumerate(measured)
        ],
        tokens=[
            [row, position, clean, corrupted]
            for row, one in enumerate(measured)
            for position, (clean, corrupted) in enumerate(
                zip(show.show_sequence(one.pair.clean), show.show_sequence(one.pair.corrupted), strict=True)
            )
        ],
        skipped=_list_skipped(case, without),
        prompts=case.prompt_rows([half for one in measured for half in pair_up(case.options.prompts)[one.pair.index]]),
    )  # fmt: skip


def _list_skipped(case: Case[Options], without: Mapping[str, str]) -> Rows:
    rows: Rows = [[pair_label(case, at), pair] for at, pair in enumerate(read_pairs(case)) if isinstance(pair, str)]
    return rows + [[site, reason] for site, reason in without.items()]


def _is_defined(one: _PairDifferences) -> bool:
    return abs(one.clean - one.corrupted) >= CLEAR_DIFFERENCE


def _recover_differences(one: _PairDifferences) -> dict[Place, float]:
    shares = recovered_difference(one.patched, one.clean, one.corrupted).tolist()
    return dict(zip(one.places, shares, strict=True))


def _shares(case: Case[Options], one: _PairDifferences, site: SiteName) -> NDArray[np.float32]:
    """(layer or block x position) of one pair; where nothing was run, nothing changes."""
    indices, asked = asked_indices(case, site), case.options.positions
    nothing = recovered_difference(np.array(one.unpatched_difference(case)), one.clean, one.corrupted)
    found = np.full((len(indices), len(one.pair.clean)), nothing, dtype=np.float32)
    if asked != "all":
        found[:, [at for at in range(found.shape[1]) if at not in asked]] = np.nan
    for place, share in _recover_differences(one).items():
        if place.site == site:
            found[indices.index(place.index), place.at] = share
    return found


def _head_shares(case: Case[Options], one: _PairDifferences) -> NDArray[np.float32]:
    """(block x head) of one pair; NaN where heads are not asked for."""
    blocks = asked_indices(case, "heads")
    found = np.full((len(blocks), case.facts.heads or 0), np.nan, dtype=np.float32)
    for place, share in _recover_differences(one).items():
        if place.site == "heads":
            found[blocks.index(place.index), place.at] = share
    return found


def _rank_heads(shares: NDArray[Any]) -> list[tuple[tuple[int, int], float]]:
    """((row, head), share) of all heads, the largest share first."""
    order = np.argsort(-shares, axis=None, kind="stable").tolist()
    places = [divmod(at, shares.shape[1]) for at in order]
    return [(place, float(shares[place])) for place in places]


def _reason_without_head(case: Case[Options], defined: Sequence[bool]) -> str:
    return "the prompts are not told apart" if not any(defined) else "heads were not patched"


def _arrival(case: Case[Options], residual: Sequence[NDArray[np.float32]], defined: Sequence[bool]) -> float | str:
    layers = case.named_layers(case.options.layers)
    if not any(defined) or not residual:
        return "the prompts are not told apart" if residual else "the residual stream was not patched"
    arrived = [
        stays_from(share_moved(shares[:, -1], case.options.direction), HALF)
        for shares, told_apart in zip(residual, defined, strict=True)
        if told_apart
    ]
    found = [layers[at] for at in arrived if at is not None]
    return sum(found) / len(found) if found else "the last position never holds half of the difference"
