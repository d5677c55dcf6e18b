"""A representation of one model told in the words of another (Patchscopes across models)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from reportgen.model.needs import Need, Pass, Site
from reportgen.probes.patchscope import MOST_DRAWN, AnswerOptions, source_places, target_places
from reportgen.probing import literature
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import prompt_table, word_table
from reportgen.probing.options import PairOptions, Prompts
from reportgen.probing.pairs import share_positions
from reportgen.probing.probe import PairProbe
from reportgen.results.quantities import Findings, Rows, mean_of_rows, metric, table

HELD_OUT = 5
"""Every so many-th text of the fit is held out."""


class Options(AnswerOptions, PairOptions):
    """Which representations of base, and what other is asked about them."""

    map: Literal["none", "linear"] = "none"
    """Whether representations go as they are, or through a linear map from base's stream to other's, fitted per pair of
    layers on `fit`."""
    fit: Prompts | None = None
    """Texts that both models read for the fit, every fifth of them held out; required by `map: linear`. They need more
    positions than base's stream is wide."""
    ridge: Annotated[float, Field(gt=0, le=100, strict=False)] = 0.01
    """Penalty on the map's weights, as a share of the mean variance of a dimension."""

    @model_validator(mode="after")
    def _check_fit_texts(self) -> Self:
        if self.map == "linear" and len(self.fit or ()) < HELD_OUT:
            raise ValueError(f"map: linear needs fit: at least {HELD_OUT} texts, every fifth of which is held out")
        if self.map == "none" and self.fit is not None:
            raise ValueError("fit: nothing is fitted with map: none")
        return self


@dataclass(frozen=True, kw_only=True)
class Across(Findings):
    """What patchscopes across models give."""

    named_share: float | str = metric("share", "higher", of=mean_of_rows("answers", "named", pooled=True))
    """Share of the answers that contain an expected word, over prompts with such words, targets and layers; a target
    that names it unpatched is left out."""
    first_layer: float | str = metric("layer")
    """Mean over prompts with an expected word in some answer of the first source layer whose answer contains one."""
    fitted_positions: int | str = metric("positions")
    """Positions that each map was fitted on."""
    held_out_r2: float | str = metric("R²", "higher")
    """Mean over the maps of R² on the held-out texts."""
    maps: Rows = table("layer", "target_layer", "positions", "held_out", "r2")
    """Every fitted map: positions fitted on and held out, and 1 - sum ‖y - ŷ‖² / sum ‖y - ȳ‖² on the latter."""
    answers: Rows = table("prompt", "target", "layer", "target_layer", "text", "answer", "named")
    """What other wrote with base's representation of `layer` at its `target_layer`: all of it, and the part up to
    `until` or the end of the first line; whether that contains an expected word (empty if none is expected)."""
    unpatched: Rows = table("target", "text", "answer")
    """The control: how other continues each target when nothing is put into it."""
    tokens: Rows = table("prompt", "target", "layer", "target_layer", "step", "token_id", "token")
    """The tokens of every answer, other's."""
    targets: Rows = table("target", "text", "tokens", "position", "token", "word_tokens")
    """The targets as other reads them, and the position that is overwritten."""
    sources: Rows = table("prompt", "position", "token", "word_tokens")
    """Where base's representations are taken."""
    prompts: Rows = prompt_table()
    """The prompts as base reads them."""
    words: Rows = word_table()
    """The words that prompts name, the tokens of base that hold them, and whether these are the word alone."""


class PatchscopeAcross(PairProbe[Options, Across]):
    """Shows: what a representation of one model says when another model is asked: a larger one may have more words for
    it, and what it cannot read is not shared by the two.

    Read: as the patchscope of one model: one row per layer of base, across what other writes. The R² of a map says how
    much of other's stream follows from base's on held-out texts; if it is low, a poor answer says nothing about the
    representation.

    Computed: base's residual stream before the final norm takes the place of other's at one position of the target
    while the prompt passes (Ghandeharioun et al. 2024, "Patchscopes", across models); decoding is greedy. With `map:
    linear` it goes through a ridge regression, one per pair of layers, fitted in float64 at the positions where both
    tokenizers end a token at the same character, without BOS and the like; every fifth text is held out.
    """

    name = "patchscope_across"
    version = 1
    question = "What does one model make of the other's representation?"
    options = Options
    findings = Across
    sources = (literature.GHANDEHARIOUN_2024,)
    drawn = ("prompts", MOST_DRAWN)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Base: each prompt once. Other: each target as it is. Both: each text of the fit."""
        options, layers = case.options, own_layers(case)
        fit = [Pass(case.tokens(prompt), (all_positions(layers),)) for prompt in options.fit or ()]
        if _is_base(case):
            return [*(Pass(p.ids, (all_positions(layers),)) for p in source_places(case, options)), *fit]
        return [*(Pass(p.ids, (), options.continue_ + 1) for p in target_places(case, options)), *fit]

    def further_passes(self, case: Case[Options]) -> int:
        """Through other: every prompt, target and pair of layers."""
        options = case.options
        return 0 if _is_base(case) else len(options.prompts) * len(options.targets) * len(layer_pairs(case))

    def comparable(self, base: Case[Options], other: Case[Options]) -> None:
        """Refuses streams of two widths without a map, layers that one of them has not, and a fit on too little."""
        options = base.options
        one, two = base.facts.hidden_size, other.facts.hidden_size
        if options.map == "none" and one != two:
            raise Unusable(
                f"the streams are {one} and {two} wide: only a fitted map (map: linear) leads from one to the other"
            )
        if options.layers == "all" and base.facts.layers != other.facts.layers:
            raise Unusable(
                f"the models have {base.facts.layers} and {other.facts.layers} blocks: say which layers, and which "
                "target_layers, go together"
            )
        if options.map == "linear":
            shared = [len(share_positions(base, other, prompt)) for prompt in options.fit or ()]
            held_out = sum(count for at, count in enumerate(shared) if is_held_out(at))
            fitted = sum(shared) - held_out
            if one is not None and (fitted <= one or held_out < 2):
                raise Unusable(
                    f"the texts of the fit have {fitted} positions that both models share, and {held_out} held out: a "
                    f"map from a stream {one} wide needs more than {one}, and 2 held out"
                )


def _is_base(case: Case[Options]) -> bool:
    return case.model == case.options.base


def own_layers(case: Case[Options]) -> tuple[int, ...]:
    """Those that base is read at, or other is written at (and read at, for the fit)."""
    options = case.options
    own = options.layers if _is_base(case) or options.target_layers == "same" else options.target_layers
    return case.named_layers(own)


def layer_pairs(other: Case[Options]) -> list[tuple[int, int]]:
    """(layer of base, layer of other); `all` of base are as many as other's."""
    options, last = other.options, other.facts.layers or 0
    sources = range(last + 1) if isinstance(options.layers, str) else sorted(set(options.layers))
    if options.target_layers == "same":
        return [(layer, layer) for layer in sources]
    return list(product(sources, own_layers(other)))


def all_positions(layers: tuple[int, ...]) -> Need:
    """The residual stream at every position of some layers."""
    return Need(Site.RESIDUAL, "all", layers)


def is_held_out(text: int) -> bool:
    """Whether a text tests the map, instead of fitting it."""
    return text % HELD_OUT == HELD_OUT - 1


probe = PatchscopeAcross()
