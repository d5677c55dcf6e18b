"""Where in a model lies what tells a clean prompt from a corrupted one: one piece of the other run at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportgen.model.needs import Need, Pass, Site
from reportgen.probes.activation_patching.options import Options
from reportgen.probes.activation_patching.pairs import (
    CLEAN,
    CORRUPTED,
    SITES,
    Place,
    PromptPair,
    pair_up,
    read_answers,
    read_own_answers,
    read_pair,
)
from reportgen.probing import literature
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import prompt_table
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Findings, Rows, array, arrays, mean_of_rows, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Patching(Findings):
    """What activation patching gives."""

    clean_difference: float = metric(
        "logit", of=mean_of_rows("pairs", "clean_difference", "pair", called="name"), of_asked=True
    )
    """Mean over pairs of logit(correct) − logit(incorrect) after the clean prompt."""
    corrupted_difference: float = metric(
        "logit", of=mean_of_rows("pairs", "corrupted_difference", "pair", called="name"), of_asked=True
    )
    """The same after the corrupted prompt."""
    arrival_layer: float | str = metric("layer", of_asked=True)
    """Mean over pairs of the first layer from which the residual stream at the last position alone moves half of the
    difference or more."""
    best_head: float | str = metric("share", of_asked=True)
    """Share of the difference moved by the head that moves most, mean over pairs."""
    residual: list[NDArray[np.float32]] = arrays("layer", "position", unit="share")
    """(layer x position) recovered logit difference if the residual stream is patched at one position, one array per
    pair: 0 as in the corrupted prompt, 1 as in the clean one. Exactly as without a patch where a position cannot
    matter: before the first token that differs, at layer 0 where the tokens are the same, at the last layer except for
    the last position. NaN if it was not asked for, or if the model does not tell the prompts apart."""
    attention: list[NDArray[np.float32]] = arrays("block", "position", unit="share")
    """(block x position) recovered logit difference if what attention writes is patched at one position."""
    mlp: list[NDArray[np.float32]] = arrays("block", "position", unit="share")
    """(block x position) recovered logit difference if what the MLP writes is patched at one position."""
    heads: NDArray[np.float32] = array("pair", "block", "head", unit="share")
    """(pair x block x head) recovered logit difference if the output of a head is patched, at all positions from the
    first that differs. NaN if heads were not asked for."""
    top: Rows = table("rank", "block", "head", "share")
    """The heads that move most, means over pairs."""
    pairs: Rows = table(
        "pair", "name", "right_id", "right", "wrong_id", "wrong", "first_difference", "token_count",
        "clean_difference", "corrupted_difference", "defined",
    )  # fmt: skip
    """What was patched: the two answers, the first position whose token differs, and logit(correct) − logit(incorrect)
    after both prompts. Undefined if the two are less than 0.5 apart."""
    tokens: Rows = table("pair", "position", "clean", "corrupted")
    """The tokens of both prompts, position by position."""
    skipped: Rows = table("pair", "reason")
    """Pairs and sites that this model does not have."""
    prompts: Rows = prompt_table()
    """The prompts as this model reads them: clean and corrupted of each pair."""


class ActivationPatching(Probe[Options, Patching]):
    """Shows: where in the model the difference between a clean and a corrupted prompt is held. One piece of the clean
    run at a time, at one layer and position, is put into the corrupted run: does the clean answer come back?

    Read: one cell per layer and position, the last layer at the top; the number is the share of the logit difference
    that is recovered, 0 for none, 1 for all of it. It may be below 0 (the patch makes it worse) or above 1. In the
    residual stream the strong cells move from the tokens that differ to the last position; where attention or an MLP
    has a strong cell, that block contributes. Heads are patched at all positions together. Columns before the first
    token that differs are left out: both runs are the same there. With `direction: noise`, pieces of the corrupted run
    are put into the clean one, and the figures show the share that is lost.

    Computed: (LD_patched − LD_corrupted) / (LD_clean − LD_corrupted), LD = logit(correct) − logit(incorrect) at the
    last position, after scale and softcap, in float32 (Wang et al. 2022; Zhang & Nanda 2024). Undefined if the LDs of
    the two prompts are less than 0.5 apart. Both prompts have the same number of tokens. The patch replaces what is
    there: the stream that enters a block (or the final norm), what attention or MLP adds to it after any norm of their
    own, or the output of one head before the output projection. A patch that cannot change anything, because nothing
    differs or nothing reads it, is not run.
    """

    name = "activation_patching"
    version = 1
    question = "Where does the model keep what makes the difference?"
    reads_answers = True
    options = Options
    findings = Patching
    sources = (literature.WANG_2022, literature.ZHANG_2024)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Both prompts of each pair once; what is patched in is kept of one of them."""
        _check(case)
        pairs = usable_pairs(case)
        if not pairs:
            raise Unusable("; ".join(self.skipped_rows(case).values()))
        for pair in pairs:
            _check_positions(case, pair)
        return [
            Pass(
                tokens, (*(needs_of(case, pair).values() if group == source_of(case) else ()), FINAL_NEED), partial=True
            )
            for pair in pairs
            for group, tokens in ((CLEAN, pair.clean), (CORRUPTED, pair.corrupted))
        ]

    def further_passes(self, case: Case[Options]) -> int:
        """One a place of each pair."""
        return sum(len(places_of(case, pair)) for pair in usable_pairs(case))

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Pairs whose prompts or answers are of no use in this model's tokens."""
        return {pair_label(case, at): pair for at, pair in enumerate(read_pairs(case)) if isinstance(pair, str)}


FINAL_NEED = Need(Site.FINAL, "last")


def pair_label(case: Case[Options], pair: int) -> str:
    """What figures call a pair."""
    return str(pair_up(case.options.prompts)[pair][0].pair)


def source_of(case: Case[Options]) -> str:
    """The run from which pieces are taken."""
    return CLEAN if case.options.direction == "denoise" else CORRUPTED


def read_pairs(case: Case[Options]) -> list[PromptPair | str]:
    """(pair) in this model's tokens, or why it cannot be used."""
    answers = case.options.answers
    halves = pair_up(case.options.prompts)
    if not answers:
        return [
            read_pair(case, at, prompts, read_own_answers(case.tokenizer, *prompts))
            for at, prompts in enumerate(halves)
        ]
    texts = answers if len(answers) == len(halves) else answers * len(halves)
    return [
        read_pair(case, at, prompts, read_answers(case.tokenizer, *both))
        for at, (prompts, both) in enumerate(zip(halves, texts, strict=True))
    ]


def usable_pairs(case: Case[Options]) -> list[PromptPair]:
    """The pairs that this model can have."""
    return [pair for pair in read_pairs(case) if isinstance(pair, PromptPair)]


def asked_indices(case: Case[Options], site: str) -> tuple[int, ...]:
    """Layers or blocks of a site."""
    last, layers = case.last_layer, case.named_layers(case.options.layers)
    return layers if site == "residual" else tuple(layer for layer in layers if layer < last)


def _check(case: Case[Options]) -> None:
    """What is known of the model alone.

    Raises:
        Unusable: a layer that it has not, or no attention where that is asked for.
    """
    sites = case.options.sites
    if {"attention", "heads"} & set(sites):
        case.require_attention()
    without = [site for site in sites if not asked_indices(case, site)]
    if without:
        last = case.last_layer
        raise Unusable(f"there is no block {last} whose {without[0]} could be patched: blocks go from 0 to {last - 1}")


def _check_positions(case: Case[Options], pair: PromptPair) -> None:
    asked = case.options.positions
    beyond = [] if asked == "all" else [position for position in asked if position > pair.last]
    if beyond:
        name = pair_label(case, pair.index)
        raise Unusable(f"position {beyond[0]} is out of range: those of pair {name!r} go from 0 to {pair.last}")


def needs_of(case: Case[Options], pair: PromptPair) -> dict[str, Need]:
    """What is kept of the run from which pieces are taken, by site."""
    sites = dict.fromkeys(case.options.sites)
    return {site: Need(SITES[site], pair.differing, asked_indices(case, site)) for site in sites}


def places_of(case: Case[Options], pair: PromptPair) -> list[Place]:
    """Everything that is patched, each once; what cannot make a difference is left out."""
    asked = case.options.positions
    positions = [at for at in pair.differing if asked == "all" or at in asked]
    found: list[Place] = []
    for site in dict.fromkeys(case.options.sites):
        for index in asked_indices(case, site):
            if site == "heads":
                found += [Place(site, index, head) for head in range(case.facts.heads or 0)]
            else:
                found += [Place(site, index, at) for at in positions if _matters(case, pair, site, index, at)]
    return found


def _matters(case: Case[Options], pair: PromptPair, site: str, index: int, position: int) -> bool:
    """Whether a patch can change the answer, at a position from the first difference on."""
    if site == "residual" and index == 0:
        return pair.clean[position] != pair.corrupted[position]
    behind = index if site == "residual" else index + 1
    return behind < case.last_layer or position == pair.last  # nothing reads the others there


probe = ActivationPatching()
