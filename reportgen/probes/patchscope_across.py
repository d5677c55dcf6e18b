"""A representation of one model told in the words of another (Patchscopes across models)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from reportgen.figures.describe import Figure
from reportgen.language import digits, say, sentences
from reportgen.model.needs import Need, Pass, Site
from reportgen.numerics.linear_map import LinearMap, fit_linear_map, r_squared
from reportgen.probes.patchscope import (
    MOST_DRAWN,
    Asked,
    Written,
    answer_grids,
    answered,
    answering,
    named_told,
    source_places,
    source_rows,
    target_places,
    target_rows,
)
from reportgen.probing.probe import Case, Measured, PairOptions, PairProbe, Prompts, Unusable
from reportgen.results.quantities import Findings, Outcome, Rows, metric, table
from reportgen.results.section import Section
from reportgen.text.prompts import Prompt

if TYPE_CHECKING:
    from torch import Tensor

    from reportgen.model.needs import Captured

HELD_OUT = 5
"""Every so many-th text of the fit is held out."""

Shared = list[tuple[int, int]]
"""(base position, other position) at which both models have read the same characters."""


class Options(Asked, PairOptions):
    """Which representations of base, and what other is asked of them."""

    map: Literal["none", "linear"] = "none"
    """Whether representations go as they are, or through a linear map from base's stream to other's, fitted a pair of
    layers on `fit`."""
    fit: Prompts | None = None
    """Texts that both models read for the fit, every fifth of them held out; wanted by `map: linear`. More positions
    than base's stream is wide."""
    ridge: Annotated[float, Field(gt=0, le=100, strict=False)] = 0.01
    """Penalty on the map's weights, as a share of the mean variance of a dimension."""

    @model_validator(mode="after")
    def _fitted_on_something(self) -> Self:
        if self.map == "linear" and len(self.fit or ()) < HELD_OUT:
            raise ValueError(f"map: linear wants fit: at least {HELD_OUT} texts, every fifth of which is held out")
        if self.map == "none" and self.fit is not None:
            raise ValueError("fit: nothing is fitted with map: none")
        return self


@dataclass(frozen=True, kw_only=True)
class Across(Findings):
    """What patchscopes across models give."""

    named_share: float | str = metric("share", "higher")
    """Share of the answers that hold an expected word, over prompts with such words, targets and layers; a target that
    names it unpatched is left out."""
    first_layer: float | str = metric("layer")
    """Mean over prompts with an expected word in some answer of the first source layer whose answer holds one."""
    fitted_positions: int | str = metric("positions")
    """Positions that each map was fitted on."""
    held_out_r2: float | str = metric("R²", "higher")
    """Mean over the maps of the R² on the texts held out."""
    maps: Rows = table("layer", "target_layer", "positions", "held_out", "r2")
    """Every fitted map: positions fitted on and held out, and 1 - sum ‖y - ŷ‖² / sum ‖y - ȳ‖² on the latter."""
    answers: Rows = table("prompt", "target", "layer", "target_layer", "text", "answer", "named")
    """What other wrote with base's representation of `layer` at its `target_layer`: all of it, and the part up to
    `until` or the end of the first line; whether that holds an expected word (empty where none is expected)."""
    unpatched: Rows = table("target", "text", "answer")
    """The control: what other goes on with after each target when nothing is put into it."""
    tokens: Rows = table("prompt", "target", "layer", "target_layer", "step", "token_id", "token")
    """The tokens of every answer, other's."""
    targets: Rows = table("target", "text", "tokens", "position", "token", "word_tokens")
    """The targets as other reads them, and the position that is overwritten."""
    sources: Rows = table("prompt", "position", "token", "word_tokens")
    """Where base's representations are taken."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """The prompts as base reads them."""


class PatchscopeAcross(PairProbe[Options, Across]):
    """Shows: what a representation of one model says when another model is asked: a larger one may have more words for
    it, and what it cannot read, the two do not share.

    Read: as the patchscope of one model: a row a layer of base, across what other writes. The R² of a map says how much
    of other's stream follows from base's on texts that it was not fitted on; where it is low, a poor answer says
    nothing of the representation.

    Computed: base's residual stream before the final norm takes the place of other's at one position of the target
    while the prompt passes (Ghandeharioun et al. 2024, "Patchscopes", across models); the likeliest token follows. With
    `map: linear` it goes through a ridge regression, a pair of layers, fitted in float64 at the positions where both
    tokenizers end a token at the same character, BOS and its like left out; every fifth text is held out.
    """

    name = "patchscope_across"
    version = 1
    question = "What does one model make of the other's representation?"
    options = Options
    findings = Across
    drawn = ("prompts", MOST_DRAWN)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Base: each prompt once. Other: each target as it is. Both: each text of the fit."""
        options, layers = case.options, _own_layers(case)
        fit = [Pass(case.tokens(prompt), (_all(layers),)) for prompt in options.fit or ()]
        if _is_base(case):
            return [*(Pass(p.ids, (_all(layers),)) for p in source_places(case, options)), *fit]
        return [*(Pass(p.ids, (), options.continue_ + 1) for p in target_places(case, options)), *fit]

    def further_passes(self, case: Case[Options]) -> int:
        """Through other: every prompt, target and pair of layers."""
        options = case.options
        return 0 if _is_base(case) else len(options.prompts) * len(options.targets) * len(_pairs(case))

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
            shared = [len(_shared(base, other, prompt)) for prompt in options.fit or ()]
            held_out = sum(count for at, count in enumerate(shared) if _held_out(at))
            fitted = sum(shared) - held_out
            if one is not None and (fitted <= one or held_out < 2):
                raise Unusable(
                    f"the texts of the fit have {fitted} positions that both models share, and {held_out} held out: a "
                    f"map from a stream {one} wide needs more than {one}, and 2 held out"
                )

    def compare(self, base: Measured[Options], other: Measured[Options]) -> Across:
        """The maps; then a prompt and a target at a time, all layers together."""
        import numpy as np

        from reportgen.model.capture.shared_passes import run_all

        case, options = other.case, base.case.options
        targets, pairs = len(options.targets), _pairs(case)
        maps = _maps(base, other, pairs)
        written: list[Written] = []
        for prompt, place in enumerate(source_places(base.case, options)):
            rows = _by_layer(base.case, base.captured[prompt])
            for target, into in enumerate(target_places(case, options)):
                passes = []
                for source, layer in pairs:
                    taken = {source: _mapped(maps, (source, layer), rows[source][place.position])}
                    passes += answering(case, options, into, taken, [(source, layer)])
                for pair, single in zip(pairs, run_all(other.model, passes), strict=True):
                    written.append(Written(prompt, target, *pair, single.tokens[single.prompt_length :]))
        unpatched = [single.tokens[single.prompt_length :] for single in other.captured[:targets]]
        none = "no map was asked for"
        return Across(
            **answered(case, options, written, unpatched),
            fitted_positions=next((one.positions for one in maps.values()), none),
            held_out_r2=float(np.mean([one.r2 for one in maps.values()])) if maps else none,
            maps=[[*pair, one.positions, one.held_out, one.r2] for pair, one in maps.items()],
            targets=target_rows(case, options.targets),
            sources=source_rows(base.case, options),
            prompts=base.case.prompt_rows(options.prompts),
        )

    def figures(self, section: Section) -> Iterable[Figure]:
        """A prompt and a target at a time."""
        yield from answer_grids(section)

    def statement(self, section: Section) -> str:
        """From which layer on other names what base holds, and how well the maps hold."""
        return sentences(
            sentence
            for subject, outcome in section.ok().items()
            for sentence in (named_told(section.name(subject), outcome), _maps_told(outcome))
        )


def _is_base(case: Case[Options]) -> bool:
    return case.model == case.options.base


def _own_layers(case: Case[Options]) -> tuple[int, ...]:
    """Those that base is read at, or other is written at (and read at, for the fit)."""
    options, last = case.options, case.facts.layers
    if last is None:
        raise Unusable("its configuration does not say how many blocks it has")
    own = options.layers if _is_base(case) or options.target_layers == "same" else options.target_layers
    return tuple(range(last + 1)) if isinstance(own, str) else case.named_layers(own)


def _pairs(other: Case[Options]) -> list[tuple[int, int]]:
    """(layer of base, layer of other); `all` of base are as many as other's."""
    options, last = other.options, other.facts.layers or 0
    sources = range(last + 1) if isinstance(options.layers, str) else sorted(set(options.layers))
    if options.target_layers == "same":
        return [(layer, layer) for layer in sources]
    return list(product(sources, _own_layers(other)))


def _all(layers: tuple[int, ...]) -> Need:
    return Need(Site.RESIDUAL, "all", layers)


def _by_layer(case: Case[Options], captured: Captured) -> dict[int, Tensor]:
    """Layer -> (position x width)"""
    layers = _own_layers(case)
    return dict(zip(layers, captured.kept(_all(layers), 0), strict=True))


def _held_out(text: int) -> bool:
    return text % HELD_OUT == HELD_OUT - 1


def _shared(base: Case[Options], other: Case[Options], prompt: Prompt) -> Shared:
    """Where both end a token of a text at the same character."""
    ends = [_ends(case, prompt) for case in (base, other)]
    return [(at, ends[1][end]) for end, at in ends[0].items() if end in ends[1]]


def _ends(case: Case[Options], prompt: Prompt) -> dict[int, int]:
    """Character behind a token -> its position, the last one's where several end there."""
    encoded = case.tokenizer.encode_prompt(prompt)
    spans = enumerate(zip(encoded.offsets, encoded.added, strict=True))
    special = case.tokenizer.special_ids
    return {end: at for at, ((_, end), added) in spans if end and not added and encoded.ids[at] not in special}


@dataclass(frozen=True)
class _Fitted:
    """A map with how well it holds."""

    map: LinearMap
    positions: int
    held_out: int
    r2: float


def _maps(
    base: Measured[Options], other: Measured[Options], pairs: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], _Fitted]:
    """(source layer, target layer) -> the map; none where none is asked for."""
    import torch

    options = base.case.options
    if options.map == "none":
        return {}
    texts = options.fit or []
    places = [_shared(base.case, other.case, prompt) for prompt in texts]
    ours = [_by_layer(base.case, single) for single in base.captured[len(options.prompts) :]]
    theirs = [_by_layer(other.case, single) for single in other.captured[len(options.targets) :]]

    def rows(of: Sequence[Mapping[int, Tensor]], which: int, layer: int, held_out: bool) -> Tensor:
        """(position x width) of the texts that are held out, or of the others, in float64."""
        some = [
            stream[layer][[pair[which] for pair in shared]]
            for at, (stream, shared) in enumerate(zip(of, places, strict=True))
            if _held_out(at) == held_out and shared
        ]
        return torch.cat(some).cpu().double()

    found = {}
    for source, layer in pairs:
        x, y = rows(ours, 0, source, False), rows(theirs, 1, layer, False)
        fitted = fit_linear_map(x, y, options.ridge)
        unseen, expected = rows(ours, 0, source, True), rows(theirs, 1, layer, True)
        r2 = float(r_squared(expected, fitted(unseen)))
        found[source, layer] = _Fitted(fitted, len(x), len(unseen), r2)
    return found


def _mapped(maps: Mapping[tuple[int, int], _Fitted], pair: tuple[int, int], row: Tensor) -> Tensor:
    """(width of other)"""
    if not maps:
        return row
    mapped: Tensor = maps[pair].map(row.cpu().double()).float()
    return mapped


def _maps_told(outcome: Outcome) -> str:
    """How much of other's stream the maps give on texts held out."""
    r2 = outcome.metrics["held_out_r2"].value
    if r2 is None:
        return ""
    rows = outcome.tables["maps"].records()
    best = max(rows, key=lambda row: float(row["r2"]))
    return say(
        "patchscope_across.maps",
        "The linear maps hold with R² {r2} on texts they were not fitted on, best at layer {layer} ({best}).",
        r2=digits(f"{r2:.2f}"),
        layer=best["layer"],
        best=digits(f"{best['r2']:.2f}"),
    )


probe = PatchscopeAcross()
