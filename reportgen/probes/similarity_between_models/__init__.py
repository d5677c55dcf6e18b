"""Whether two models, of whatever sizes and tokenizers, hold the same positions alike: every layer with every layer."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from reportgen.model.needs import Need, Pass, Site
from reportgen.numerics.cka import FEWEST
from reportgen.probing import literature
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import prompt_table
from reportgen.probing.options import PairOptions, Prompts
from reportgen.probing.pairs import share_positions
from reportgen.probing.probe import PairProbe
from reportgen.results.quantities import Findings, Rows, array, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STREAM = Need(Site.RESIDUAL, "all")
FEWEST_ORDERS = 19
"""Shuffles from which on a score beyond all of them is one in twenty by chance."""


class Options(PairOptions):
    """Which two models, on which texts, and how their agreement is told from chance."""

    prompts: Prompts = Field(default=["unrelated/texts", "features/examples"], validate_default=True)
    """What both models read: two texts at least. Many short texts say more than a few long ones."""
    k: Annotated[int, Field(ge=1, le=100)] = 10
    """Nearest neighbours of a position that are looked at; those in its own text are none."""
    repeated_tokens: Literal["leave_out", "keep"] = "leave_out"
    """Whether a token may stand at several of the positions: two models that knew nothing but which tokens are equal
    would agree on those."""
    skip: Annotated[int, Field(ge=0, le=64)] = 1
    """Shared positions left out at the beginning of each text: many models keep a vector of enormous length at the
    first token, which alone would decide the CKA."""
    positions: Annotated[int, Field(ge=8, le=1024)] = 512
    """Positions that are compared, at most: of more, so many are drawn."""
    permutations: Annotated[int, Field(ge=FEWEST_ORDERS, le=1000)] = 100
    """Random orders of other's positions that make up the control. With 100, a standard deviation of theirs is known
    to 7 %, with 20 to 16 %, and less well where they are not normally distributed; each takes about a tenth of a second
    at 300 positions."""
    shuffle: Literal["all", "within_texts"] = "all"
    """Whether other's positions are shuffled over all texts, or each text's among themselves: then telling the texts
    apart, which any two models do, is no agreement."""

    @model_validator(mode="after")
    def _check_several_texts(self) -> Self:
        if len(self.prompts) < 2:
            raise ValueError("prompts: two texts at least: neighbours of a position are looked for in other texts")
        return self


@dataclass(frozen=True, kw_only=True)
class Similarity(Findings):
    """How alike the layers of two models are, by two measures."""

    positions: int = metric("positions")
    """n: positions that are compared."""
    knn: float | str = metric("share", "higher")
    """Mutual k-nearest neighbours of the best pair of layers: how many of the k nearest positions, by cosine and
    in other texts, are the same in both models, mean over the positions. The best pair is the one that lies
    furthest above its shuffles."""
    knn_calibrated: float | str = metric("standard deviations", "higher")
    """The same less its mean over the shuffles, in standard deviations over the shuffles."""
    knn_layer: int | str = metric("layer")
    """Base's layer of that pair."""
    knn_other_layer: int | str = metric("layer")
    """Other's layer of that pair."""
    knn_chance: float | str = metric("share", "lower")
    """Share of all orders, the true one among them, in which the highest of all pairs of layers lies as high."""
    knn_layers_beyond: int = metric("layers", "higher")
    """Base's layers that have a layer of other with which such a chance is 5 % at most."""
    cka: float | str = metric("CKA", "higher")
    """Debiased linear CKA of the best pair of layers, chosen as for the neighbours: 1 if one is a rotated or scaled
    copy of the other, 0 on average for unrelated ones."""
    cka_calibrated: float | str = metric("standard deviations", "higher")
    """The same less its mean over the shuffles, in standard deviations over the shuffles."""
    cka_layer: int | str = metric("layer")
    """Base's layer of that pair."""
    cka_other_layer: int | str = metric("layer")
    """Other's layer of that pair."""
    cka_chance: float | str = metric("share", "lower")
    """Share of all orders, the true one among them, in which the highest of all pairs of layers lies as high."""
    cka_layers_beyond: int = metric("layers", "higher")
    """Base's layers that have a layer of other with which such a chance is 5 % at most."""
    knn_by_layer: NDArray[np.float64] = array("layer", "other_layer", unit="share")
    """(layer x other layer) mutual k-nearest neighbours, as they are."""
    knn_by_layer_calibrated: NDArray[np.float64] = array("layer", "other_layer", unit="standard deviations")
    """(layer x other layer) the same less the mean over the shuffles, in standard deviations over the shuffles;
    undefined where these are all alike."""
    knn_by_layer_chance: NDArray[np.float64] = array("layer", "other_layer", unit="share")
    """(layer x other layer) share of all orders in which the highest of all pairs of layers lies as high."""
    knn_best_shuffled: NDArray[np.float64] = array("layer", unit="share")
    """(layer) the control of the best layer of other for each of base: the highest over other's layers, mean over the
    shuffles."""
    cka_by_layer: NDArray[np.float64] = array("layer", "other_layer", unit="CKA")
    """(layer x other layer) debiased linear CKA, as it is; undefined where all positions of a layer are the same."""
    cka_by_layer_calibrated: NDArray[np.float64] = array("layer", "other_layer", unit="standard deviations")
    """(layer x other layer) the same less the mean over the shuffles, in standard deviations over the shuffles."""
    cka_by_layer_chance: NDArray[np.float64] = array("layer", "other_layer", unit="share")
    """(layer x other layer) share of all orders in which the highest of all pairs of layers lies as high."""
    cka_best_shuffled: NDArray[np.float64] = array("layer", unit="CKA")
    """(layer) the control of the best layer of other for each of base: the highest over other's layers, mean over the
    shuffles."""
    matched: Rows = table("prompt", "token_count", "other_token_count", "shared", "compared")
    """Each text: base's tokens and other's, positions at which both end a token at the same character, and how many of
    them are compared."""
    prompts: Rows = prompt_table()
    """The texts as base reads them."""


class SimilarityBetweenModels(PairProbe[Options, Similarity]):
    """Shows: whether two models that may differ in size, architecture and tokenizer arrange the same positions of the
    same texts alike, and which layer of one goes with which layer of the other.

    Read: a row per layer of base, a column per layer of other; the deeper the colour, the further above chance the two
    agree, and the outlined cell is the best of its row. A band from the upper left to the lower right says that both
    build up the same things in the same order. The nearest neighbours ask what is next to what; CKA asks how all
    positions lie as a whole, which a few vectors of enormous length may decide. At the embedding, agreement is that of
    similar tokens. Raw scores of models of other widths or depths, or over another number of positions, are
    not comparable: compare the distance from the control.

    Computed: the residual stream of both at the positions where a token ends at the same character in both tokenizers;
    special tokens and the beginning of each text are left out, and each token stands at one position. Mutual k-nearest
    neighbours (Huh et al. 2024) by cosine, positions of the same text being no neighbours; debiased linear CKA
    (Kornblith et al. 2019, Song et al. 2012, Murphy et al. 2024) in float64, over all pairs of positions. Control:
    other's positions in random orders, over all texts unless asked otherwise: what both share by telling the texts
    apart then counts as agreement. Each score less its mean over the orders, in their standard deviations, and its
    chance by the highest of all pairs of layers of each order (Gröger et al. 2026).
    """

    name = "similarity_between_models"
    version = 1
    question = "Do the two models represent the same text alike?"
    options = Options
    findings = Similarity
    sources = (
        literature.HUH_2024,
        literature.GROGER_2026,
        literature.KORNBLITH_2019,
        literature.SONG_2012,
        literature.MURPHY_2024,
    )

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each text once, all positions: which of them are shared is not known from one model alone."""
        return [Pass(case.tokens(prompt), (STREAM,)) for prompt in case.options.prompts]

    def comparable(self, base: Case[Options], other: Case[Options]) -> None:
        """Refuses chats that the two write as different texts, and texts with too few positions in common."""
        for index, prompt in enumerate(base.options.prompts):
            if base.tokenizer.prompt_text(prompt) != other.tokenizer.prompt_text(prompt):
                raise Unusable(f"their chat templates make different texts of prompt {index}: no positions are shared")
        counts, k = [len(kept) for kept in compared_positions(base, other)], base.options.k
        fewest = sum(counts) - max(counts)
        if fewest <= k or sum(counts) < FEWEST:
            raise Unusable(
                f"both models end a token at {sum(counts)} characters of the texts, and one of these has "
                f"{fewest} in other texts: k = {k} nearest neighbours need more; give more texts, or a smaller k"
            )


Places = list[list[tuple[int, int]]]
"""(text) (base position, other position) of what is compared."""


def compared_positions(base: Case[Options], other: Case[Options]) -> Places:
    """The shared positions of every text: each token at one of its places, and so many as are asked for, both drawn."""
    options = base.options
    shared = [share_positions(base, other, prompt)[options.skip :] for prompt in options.prompts]
    every = [(text, at) for text, places in enumerate(shared) for at in range(len(places))]
    random.Random(options.seed).shuffle(every)
    if options.repeated_tokens == "leave_out":
        every = _leave_out_repeated(base, other, shared, every)
    kept: Places = [[] for _ in shared]
    for text, at in sorted(every[: options.positions]):
        kept[text].append(shared[text][at])
    return kept


def _leave_out_repeated(
    base: Case[Options], other: Case[Options], shared: Places, every: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Those of the places (text, its shared position) at which both models read a token that none before them has."""
    ids = [[case.tokens(prompt) for prompt in base.options.prompts] for case in (base, other)]
    seen: tuple[set[int], set[int]] = (set(), set())
    kept = []
    for text, at in every:
        tokens = [of_model[text][place] for of_model, place in zip(ids, shared[text][at], strict=True)]
        if not any(token in before for token, before in zip(tokens, seen, strict=True)):
            kept.append((text, at))
        for token, before in zip(tokens, seen, strict=True):
            before.add(token)
    return kept


probe = SimilarityBetweenModels()
