"""Where in a model lies what tells a clean prompt from a corrupted one: one piece of the other run at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from reportgen.figures.describe import Curve, Curves, Figure, HeatMap, TokenGrid
from reportgen.language import digits, listed, say, sentences
from reportgen.model.needs import Edit, Need, Pass, Site, Unmeasurable
from reportgen.numerics.patching import CLEAR_DIFFERENCE, first_difference, recovered_difference, stays_from
from reportgen.probing.probe import (
    Case,
    Later,
    Layers,
    Probe,
    ProbeOptions,
    Prompts,
    Unusable,
    axis_label,
    curves_read_out,
)
from reportgen.results.quantities import Findings, Outcome, Rows, array, arrays, metric, table
from reportgen.results.section import Section
from reportgen.text.answer_tokens import answer_ids, no_answer
from reportgen.text.characters import mark_space
from reportgen.text.prompts import Prompt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel

CLEAN, CORRUPTED = "clean", "corrupted"
HALF = 0.5
"""Share of the logit difference from which a place is said to hold what tells the prompts apart."""
LARGE = 0.2
"""Share of the logit difference from which a single head is worth naming."""
KEPT = 8
"""Heads that the table names."""
TOLD = 3
"""Heads that a statement names."""

SiteName = Literal["residual", "attention", "mlp", "heads"]
_SITES = {
    "residual": Site.RESIDUAL,
    "attention": Site.ATTENTION_WRITE,
    "mlp": Site.MLP_WRITE,
    "heads": Site.HEADS,
}
_BY_POSITION = ("residual", "attention", "mlp")
Answers = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=2, max_length=2)]


class Options(ProbeOptions):
    """Which pairs of prompts, what is patched, and in which direction."""

    prompts: Prompts
    """Clean and corrupted prompts: `pair` names the two that belong together, `group` is `clean` or `corrupted`. The
    two are of equally many tokens in the model."""
    answers: Annotated[list[Answers], Field(min_length=1)]
    """[right, wrong] tokens, with their leading space: the answer of the clean prompt and the other one. One for all
    pairs, or one a pair, in the order in which the pairs come."""
    direction: Literal["denoise", "noise"] = "denoise"
    """`denoise`: what the clean prompt leads to is put into the corrupted run; `noise`: the other way round."""
    sites: list[SiteName] = Field(default=["residual", "attention", "mlp", "heads"], min_length=1)
    """What is patched: the residual stream, what attention or the MLP of a block writes to it, single heads."""
    layers: Layers = "all"
    """Layers of the residual stream, 0 = embedding; of attention, MLPs and heads, the blocks of these numbers."""
    positions: Literal["all"] | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = "all"
    """Positions that are patched one at a time, counted from 0; heads are always patched at all positions together."""

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        for name, halves in _by_pair(self.prompts).items():
            groups = [half.group for half in halves]
            if name is None or sorted(map(str, groups)) != [CLEAN, CORRUPTED]:
                told = "a prompt without `pair`" if name is None else f"pair {name!r}"
                raise ValueError(
                    f"prompts: {told} has the groups {groups}; each pair is one prompt of group {CLEAN} and one of "
                    f"group {CORRUPTED}"
                )
        pairs = len(self.prompts) // 2
        if len(self.answers) not in (1, pairs):
            raise ValueError(f"answers: {len(self.answers)} for {pairs} pairs; give one [right, wrong], or one a pair")
        return self


@dataclass(frozen=True, kw_only=True)
class Patching(Findings):
    """What activation patching gives."""

    clean_difference: float = metric("logit")
    """Mean over pairs of logit(right) − logit(wrong) behind the clean prompt."""
    corrupted_difference: float = metric("logit")
    """The same behind the corrupted prompt."""
    arrival_layer: float | str = metric("layer")
    """Mean over pairs of the first layer from which on the residual stream at the last position alone moves half of
    the difference or more."""
    best_head: float | str = metric("share")
    """Share of the difference that the head moves which moves most, as a mean over pairs."""
    residual: list[NDArray[np.float32]] = arrays("layer", "position", unit="share")
    """(layer x position) recovered logit difference where the residual stream is patched at one position, a pair each:
    0 as the corrupted prompt, 1 as the clean one. Exactly as without a patch where a position cannot matter: before
    the first token that differs, at layer 0 where the tokens are the same, at the last layer but for the last
    position. NaN where it was not asked for, or the prompts are not told apart."""
    attention: list[NDArray[np.float32]] = arrays("block", "position", unit="share")
    """(block x position) the same for what attention writes."""
    mlp: list[NDArray[np.float32]] = arrays("block", "position", unit="share")
    """(block x position) the same for what the MLP writes."""
    heads: NDArray[np.float32] = array("pair", "block", "head", unit="share")
    """(pair x block x head) the same for what a head finds, at all positions from the first that differs. NaN where
    heads were not asked for."""
    top: Rows = table("rank", "block", "head", "share")
    """The heads that move most, as means over pairs."""
    pairs: Rows = table(
        "pair", "name", "right_id", "right", "wrong_id", "wrong", "first_difference", "token_count",
        "clean_difference", "corrupted_difference", "defined",
    )  # fmt: skip
    """What was patched: the two answers, the first position whose token differs, and logit(right) − logit(wrong) behind
    both prompts. Not defined: the two are less than 0.5 apart."""
    tokens: Rows = table("pair", "position", "clean", "corrupted")
    """The tokens of both prompts, position by position."""
    skipped: Rows = table("pair", "reason")
    """Pairs that this model cannot have, and sites."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """The prompts as this model reads them, clean and corrupted of each pair."""


class ActivationPatching(Probe[Options, Patching]):
    """Shows: where in the model lies what tells a clean prompt from a corrupted one. One piece of the clean run at a
    time, at one layer and position, is put into the corrupted run: does the clean answer come back?

    Read: one cell a layer and position, the last layer at the top; the number is the share of the logit difference that
    comes back, 0 for nothing, 1 for all of it. It may be below 0 (the patch makes it worse) or above 1. In the residual
    stream the dark cells move from the tokens that differ to the last position; where attention or an MLP is dark,
    that block does something about it. Heads are patched at all positions together. Columns before the first token that
    differs are left out: there both runs are the same. With `direction: noise`, pieces of the corrupted run are put
    into the clean one, and the figures show the share that is lost.

    Computed: (LD_patched − LD_corrupted) / (LD_clean − LD_corrupted), LD = logit(right) − logit(wrong) at the last
    position, after scale and softcap, in float32 (Wang et al. 2022; Zhang & Nanda 2024). Not defined where the two
    prompts are less than 0.5 apart in LD. Both prompts have equally many tokens. What is patched replaces what is
    there: the stream that enters a block (or the final norm), what attention or MLP adds to it behind any norm of
    theirs, or what one head found before the output projection. What no patch can change, for want of a difference or
    of a reader, is not run.
    """

    name = "activation_patching"
    version = 1
    question = "Where does the model keep what makes the difference?"
    options = Options
    findings = Patching

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Both prompts of each pair once; what is patched in is kept of one of them."""
        _check(case)
        pairs = _kept(case)
        if not pairs:
            raise Unusable("; ".join(self.skipped_rows(case).values()))
        for pair in pairs:
            _check_positions(case, pair)
        return [
            Pass(tokens, (*(_needs(case, pair).values() if group == _source(case) else ()), _FINAL), partial=True)
            for pair in pairs
            for group, tokens in ((CLEAN, pair.clean), (CORRUPTED, pair.corrupted))
        ]

    def further_passes(self, case: Case[Options]) -> int:
        """One a place of each pair."""
        return sum(len(_places(case, pair)) for pair in _kept(case))

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Pairs whose prompts or answers are of no use in this model's tokens."""
        return {_label(case, at): pair for at, pair in enumerate(_read(case)) if isinstance(pair, str)}

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Later[Patching]:
        """The places of one pair after the other, each a pass of its own; of sites that this model has."""
        without = _not_measurable(case, model)
        sites = [site for site in case.options.sites if site not in without]
        case = replace(case, options=case.options.model_copy(update={"sites": sites}))
        measured = []
        for pair, clean, corrupted in zip(_kept(case), captured[::2], captured[1::2], strict=True):
            places = _places(case, pair)
            source, into = (clean, pair.corrupted) if _source(case) == CLEAN else (corrupted, pair.clean)
            edits = _edits(case, pair, places, source, model.anatomy.heads or 1)
            patched = yield [Pass(into, (_FINAL,), edits=(edit,)) for edit in edits]
            rows = [one.kept(_FINAL, 0)[0] for one in (clean, corrupted, *patched)]
            difference = _differences(model, rows, pair)
            measured.append(_Measured(pair, float(difference[0]), float(difference[1]), places, difference[2:]))
        return _found(case, measured, without)

    def figures(self, section: Section) -> Iterable[Figure]:
        """The two ends of the way over the layers; heads; then layer x position, pair by pair and site by site."""
        ok = section.ok()
        curves = {subject: _ways(outcome) for subject, outcome in ok.items()}
        ends = [value for of_one in curves.values() for curve in of_one for value in curve.y if value == value]
        shared = (min([0.0, *ends]) - 0.05, max([1.0, *ends]) + 0.05)
        for subject, outcome in ok.items():
            if curves[subject]:
                yield _way(section.name(subject), subject, outcome, curves[subject], shared)
        heads = {subject: outcome for subject, outcome in ok.items() if _has_heads(outcome)}
        most = max((float(abs(_mean_heads(outcome)).max()) for outcome in heads.values()), default=0.0)
        for subject, outcome in heads.items():
            yield _heads_drawn(section.name(subject), subject, outcome, most)
        for pair in range(max((len(outcome.tables["pairs"].rows) for outcome in ok.values()), default=0)):
            for site in _BY_POSITION:
                for subject, outcome in ok.items():
                    if f"{site}/{pair}" in outcome.arrays and _defined(outcome)[pair]:
                        yield _grid(section.name(subject), subject, outcome, site, pair)

    def statement(self, section: Section) -> str:
        """Whether the prompts are told apart at all, when the difference arrives at the last position, which heads."""
        return sentences(_seen(section.name(subject), outcome) for subject, outcome in section.ok().items())


@dataclass(frozen=True)
class _Pair:
    """Two prompts that a model can be patched between."""

    index: int
    """Among all pairs of the battery."""
    clean: tuple[int, ...]
    corrupted: tuple[int, ...]
    right: int
    wrong: int
    first: int
    """The first position at which the tokens differ."""

    @property
    def last(self) -> int:
        return len(self.clean) - 1


@dataclass(frozen=True)
class _Place:
    """What is patched by one pass."""

    site: SiteName
    index: int
    """Layer or block."""
    at: int
    """Position, or head."""


@dataclass(frozen=True)
class _Measured:
    """What the passes of one pair gave."""

    pair: _Pair
    clean: float
    corrupted: float
    places: Sequence[_Place]
    patched: NDArray[np.float64]
    """(place) logit differences."""

    def unpatched(self, case: Case[Options]) -> float:
        """The logit difference of the run that is patched."""
        return self.corrupted if _source(case) == CLEAN else self.clean


_FINAL = Need(Site.FINAL, "last")


def _by_pair(prompts: Sequence[Prompt]) -> dict[str | None, list[Prompt]]:
    found: dict[str | None, list[Prompt]] = {}
    for prompt in prompts:
        found.setdefault(prompt.pair, []).append(prompt)
    return found


def _halves(case: Case[Options]) -> list[tuple[Prompt, Prompt]]:
    """(pair) clean and corrupted."""
    return [
        (one, other) if one.group == CLEAN else (other, one) for one, other in _by_pair(case.options.prompts).values()
    ]


def _label(case: Case[Options], pair: int) -> str:
    return str(_halves(case)[pair][0].pair)


def _source(case: Case[Options]) -> str:
    """The run from which pieces are taken."""
    return CLEAN if case.options.direction == "denoise" else CORRUPTED


def _read(case: Case[Options]) -> list[_Pair | str]:
    """(pair) in this model's tokens, or why it cannot be used."""
    answers = case.options.answers
    halves = _halves(case)
    texts = answers if len(answers) == len(halves) else answers * len(halves)
    return [_readable(case, at, prompts, *both) for at, (prompts, both) in enumerate(zip(halves, texts, strict=True))]


def _readable(case: Case[Options], at: int, prompts: tuple[Prompt, Prompt], right: str, wrong: str) -> _Pair | str:
    clean, corrupted = map(case.tokens, prompts)
    show = case.tokenizer
    if len(clean) != len(corrupted):
        return (
            f"the clean prompt is {len(clean)} tokens, the corrupted one {len(corrupted)}: "
            f"{show.show_joined(clean)} / {show.show_joined(corrupted)}"
        )
    first = first_difference(clean, corrupted)
    if first is None:
        return f"the clean and the corrupted prompt are the same tokens: {show.show_joined(clean)}"
    refused = "; ".join(filter(None, (no_answer(show, text) for text in (right, wrong))))
    if refused:
        return refused
    (one,), (other,) = answer_ids(show, right), answer_ids(show, wrong)
    if one == other:
        return f"right and wrong answer are the same token: {show.show(one)!r}"
    return _Pair(at, clean, corrupted, one, other, first)


def _kept(case: Case[Options]) -> list[_Pair]:
    return [pair for pair in _read(case) if isinstance(pair, _Pair)]


def _last_layer(case: Case[Options]) -> int:
    if case.facts.layers is None:
        raise Unusable("its configuration does not say how many blocks it has")
    return case.facts.layers


def _layers(case: Case[Options]) -> tuple[int, ...]:
    last = _last_layer(case)
    return tuple(range(last + 1)) if case.options.layers == "all" else case.named_layers(case.options.layers)


def _indices(case: Case[Options], site: str) -> tuple[int, ...]:
    """Layers or blocks of a site."""
    layers = _layers(case)
    return layers if site == "residual" else tuple(layer for layer in layers if layer < _last_layer(case))


def _check(case: Case[Options]) -> None:
    """What is known of the model alone.

    Raises:
        Unusable: a layer that it has not, or no attention where that is asked for.
    """
    sites = case.options.sites
    if case.facts.heads is None and {"attention", "heads"} & set(sites):
        raise Unusable(f"the architecture {case.facts.architecture} has no attention")
    without = [site for site in sites if not _indices(case, site)]
    if without:
        last = _last_layer(case)
        raise Unusable(f"there is no block {last} whose {without[0]} could be patched: blocks go from 0 to {last - 1}")


def _not_measurable(case: Case[Options], model: LoadedModel) -> dict[str, str]:
    """The sites that cannot be patched in this model, each with the reason.

    Raises:
        Unmeasurable: none of them can be.
    """
    from reportgen.model.capture.shared_passes import reason_against_pass

    needs = {site: Need(_SITES[site], "all", _indices(case, site)) for site in dict.fromkeys(case.options.sites)}
    told = {site: reason_against_pass(model, Pass((), (need,))) for site, need in needs.items()}
    reasons: dict[str, str] = {site: reason for site, reason in told.items() if reason}
    if len(reasons) == len(needs):
        raise Unmeasurable(next(iter(reasons.values())))
    return reasons


def _check_positions(case: Case[Options], pair: _Pair) -> None:
    asked = case.options.positions
    beyond = [] if asked == "all" else [position for position in asked if position > pair.last]
    if beyond:
        name = _label(case, pair.index)
        raise Unusable(f"position {beyond[0]} is out of range: those of pair {name!r} go from 0 to {pair.last}")


def _differing(pair: _Pair) -> tuple[int, ...]:
    """The first position that differs, and all after it."""
    return tuple(range(pair.first, len(pair.clean)))


def _needs(case: Case[Options], pair: _Pair) -> dict[str, Need]:
    """What is kept of the run from which pieces are taken, by site."""
    return {
        site: Need(_SITES[site], _differing(pair), _indices(case, site)) for site in dict.fromkeys(case.options.sites)
    }


def _places(case: Case[Options], pair: _Pair) -> list[_Place]:
    """Everything that is patched, each once; what cannot make a difference is left out."""
    asked = case.options.positions
    positions = [at for at in _differing(pair) if asked == "all" or at in asked]
    found: list[_Place] = []
    for site in dict.fromkeys(case.options.sites):
        for index in _indices(case, site):
            if site == "heads":
                found += [_Place(site, index, head) for head in range(case.facts.heads or 0)]
            else:
                found += [_Place(site, index, at) for at in positions if _matters(case, pair, site, index, at)]
    return found


def _matters(case: Case[Options], pair: _Pair, site: str, index: int, position: int) -> bool:
    """Whether a patch can change the answer, at a position from the first difference on."""
    if site == "residual" and index == 0:
        return pair.clean[position] != pair.corrupted[position]
    behind = index if site == "residual" else index + 1
    return behind < _last_layer(case) or position == pair.last  # nothing reads the others there


def _edits(case: Case[Options], pair: _Pair, places: Sequence[_Place], source: Captured, heads: int) -> Iterator[Edit]:
    """(place) each puts in what the other run has there."""
    from reportgen.model.capture.edit import Replace

    kept: dict[tuple[str, int], Tensor] = {
        (site, index): rows
        for site, need in _needs(case, pair).items()
        for index, rows in zip(_indices(case, site), source.kept(need, 0), strict=True)
    }
    for place in places:
        rows, site = kept[place.site, place.index], _SITES[place.site]
        if place.site == "heads":
            size = rows.shape[-1] // heads
            of_head = rows[:, place.at * size : (place.at + 1) * size].float()
            yield Edit(site, place.index, Replace(of_head), _differing(pair), place.at)
        else:
            yield Edit(site, place.index, Replace(rows[place.at - pair.first].float()), (place.at,))


def _differences(model: LoadedModel, rows: Sequence[Tensor], pair: _Pair) -> NDArray[np.float64]:
    """(row) logit(right) − logit(wrong)."""
    import torch

    from reportgen.model.measures.token_loss import token_logits

    logits = token_logits(model, torch.cat(list(rows)), (pair.right, pair.wrong)).double().cpu().numpy()
    found: NDArray[np.float64] = logits[:, 0] - logits[:, 1]
    return found


def _found(case: Case[Options], measured: Sequence[_Measured], without: Mapping[str, str]) -> Patching:
    import numpy as np

    sites = case.options.sites
    heads = np.stack([_head_shares(case, one) for one in measured])
    by_site = {site: [_shares(case, one, site) for one in measured] if site in sites else [] for site in _BY_POSITION}
    defined = [_is_defined(one) for one in measured]
    ranked = any(defined) and "heads" in sites
    top = _ranked(_moved(heads[defined].mean(0), case.options.direction)) if ranked else []
    show = case.tokenizer
    return Patching(
        coordinates={"layer": _layers(case), "block": _indices(case, "heads")},
        clean_difference=float(np.mean([one.clean for one in measured])),
        corrupted_difference=float(np.mean([one.corrupted for one in measured])),
        arrival_layer=_arrival(case, by_site["residual"], defined),
        best_head=top[0][1] if top else without.get("heads", _why_no_head(case, defined)),
        residual=by_site["residual"],
        attention=by_site["attention"],
        mlp=by_site["mlp"],
        heads=heads,
        top=[
            [rank, _indices(case, "heads")[block], head, share]
            for rank, ((block, head), share) in enumerate(top[:KEPT], 1)
        ],
        pairs=[
            [row, _label(case, one.pair.index), one.pair.right, show.show(one.pair.right), one.pair.wrong,
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
        skipped=_left_out(case, without),
        prompts=case.prompt_rows([half for one in measured for half in _halves(case)[one.pair.index]]),
    )  # fmt: skip


def _left_out(case: Case[Options], without: Mapping[str, str]) -> Rows:
    rows: Rows = [[_label(case, at), pair] for at, pair in enumerate(_read(case)) if isinstance(pair, str)]
    return rows + [[site, reason] for site, reason in without.items()]


def _is_defined(one: _Measured) -> bool:
    return abs(one.clean - one.corrupted) >= CLEAR_DIFFERENCE


def _recovered(one: _Measured) -> dict[_Place, float]:
    shares = recovered_difference(one.patched, one.clean, one.corrupted).tolist()
    return dict(zip(one.places, shares, strict=True))


def _shares(case: Case[Options], one: _Measured, site: SiteName) -> NDArray[np.float32]:
    """(layer or block x position) of one pair; where nothing was run, nothing changes."""
    import numpy as np

    indices, asked = _indices(case, site), case.options.positions
    nothing = recovered_difference(np.array(one.unpatched(case)), one.clean, one.corrupted)
    found = np.full((len(indices), len(one.pair.clean)), nothing, dtype=np.float32)
    if asked != "all":
        found[:, [at for at in range(found.shape[1]) if at not in asked]] = np.nan
    for place, share in _recovered(one).items():
        if place.site == site:
            found[indices.index(place.index), place.at] = share
    return found


def _head_shares(case: Case[Options], one: _Measured) -> NDArray[np.float32]:
    """(block x head) of one pair; NaN where heads are not asked for."""
    import numpy as np

    blocks = _indices(case, "heads")
    found = np.full((len(blocks), case.facts.heads or 0), np.nan, dtype=np.float32)
    for place, share in _recovered(one).items():
        if place.site == "heads":
            found[blocks.index(place.index), place.at] = share
    return found


def _moved(recovered: NDArray[Any], direction: str) -> NDArray[Any]:
    """What a patch does: the share that comes back, or the share that is lost."""
    return recovered if direction == "denoise" else 1 - recovered


def _ranked(shares: NDArray[Any]) -> list[tuple[tuple[int, int], float]]:
    """((row, head), share) of all heads, the largest share first."""
    import numpy as np

    order = np.argsort(-shares, axis=None, kind="stable").tolist()
    places = [divmod(at, shares.shape[1]) for at in order]
    return [(place, float(shares[place])) for place in places]


def _why_no_head(case: Case[Options], defined: Sequence[bool]) -> str:
    return "the prompts are not told apart" if not any(defined) else "heads were not patched"


def _arrival(case: Case[Options], residual: Sequence[NDArray[np.float32]], defined: Sequence[bool]) -> float | str:
    layers = _layers(case)
    if not any(defined) or not residual:
        return "the prompts are not told apart" if residual else "the residual stream was not patched"
    arrived = [
        stays_from(_moved(shares[:, -1], case.options.direction), HALF)
        for shares, told_apart in zip(residual, defined, strict=True)
        if told_apart
    ]
    found = [layers[at] for at in arrived if at is not None]
    return sum(found) / len(found) if found else "the last position never holds half of the difference"


def _defined(outcome: Outcome) -> list[bool]:
    return [bool(one) for one in outcome.tables["pairs"].column("defined")]


def _direction(outcome: Outcome) -> str:
    return str(outcome.options["direction"])


def _value_label(outcome: Outcome) -> str:
    if _direction(outcome) == "denoise":
        return say("activation_patching.recovered", "recovered logit difference")
    return say("activation_patching.lost", "lost logit difference")


def _has_heads(outcome: Outcome) -> bool:
    return bool(outcome.tables["top"].rows)


def _mean_heads(outcome: Outcome) -> NDArray[Any]:
    """(block x head) what each head moves, as a mean over the pairs that are told apart."""
    return _moved(outcome.arrays["heads"].values[_defined(outcome)].mean(0), _direction(outcome))


def _ways(outcome: Outcome) -> list[Curve]:
    """What the residual stream moves at the first position that differs, and at the last; means over pairs."""
    import numpy as np

    pairs = [
        (_moved(outcome.arrays[f"residual/{record['pair']}"].values, _direction(outcome)), record["first_difference"])
        for record in outcome.tables["pairs"].records()
        if record["defined"] and f"residual/{record['pair']}" in outcome.arrays
    ]
    if not pairs:
        return []
    layers = list(outcome.arrays["residual/0"].along("layer"))
    ends = {
        say("activation_patching.first", "at the first token that differs"): [shares[:, at] for shares, at in pairs],
        say("activation_patching.last", "at the last token"): [shares[:, -1] for shares, _ in pairs],
    }
    return [Curve(label=end, x=layers, y=np.mean(rows, 0).tolist(), group=end) for end, rows in ends.items()]


def _way(name: str, subject: str, outcome: Outcome, curves: Sequence[Curve], shared: tuple[float, float]) -> Curves:
    what = _value_label(outcome)
    return Curves(
        name="way",
        subject=(subject,),
        title=say("activation_patching.way.title", "{model}: where the difference is, layer by layer", model=name),
        alt=curves_read_out(name, what, curves),
        x_label=axis_label(relative=False),
        y_label=what,
        curves=curves,
        references={
            say("activation_patching.nothing", "nothing"): 0.0,
            say("activation_patching.everything", "everything"): 1.0,
        },
        y_range=shared,
    )


def _told_heads(outcome: Outcome, least: float | None = None) -> list[str]:
    """The heads that move most, with what they move; only those that move at least so much."""
    return [
        say(
            "activation_patching.head",
            "head {block}.{head} ({share})",
            block=record["block"],
            head=record["head"],
            share=digits(f"{record['share']:.0%}"),
        )
        for record in outcome.tables["top"].records()[:TOLD]
        if least is None or record["share"] >= least
    ]


def _heads_drawn(name: str, subject: str, outcome: Outcome, most: float) -> HeatMap:
    what = _value_label(outcome)
    return HeatMap(
        name="heads",
        subject=(subject,),
        title=say("activation_patching.heads.title", "{model}: one head patched at a time", model=name),
        alt=say(
            "activation_patching.heads.alt",
            "{what} for each head of {model}, mean over pairs; most: {heads}",
            what=what,
            model=name,
            heads=listed(_told_heads(outcome)),
        ),
        values=_mean_heads(outcome),
        row_label=_block_label(outcome),
        column_label=say("figure.head", "head"),
        value_label=what,
        scale="diverging",
        value_range=(-most, most),
    )


def _block_label(outcome: Outcome) -> str:
    """Rows of a heat map count from 0: where only some blocks were asked for, the axis names them."""
    blocks = outcome.arrays["heads"].along("block")
    if list(blocks) == list(range(len(blocks))):
        return say("figure.block", "block")
    return say("activation_patching.some_blocks", "blocks {blocks}", blocks=listed([str(block) for block in blocks]))


def _site_label(site: str) -> str:
    if site == "residual":
        return say("activation_patching.site.residual", "residual stream")
    if site == "attention":
        return say("activation_patching.site.attention", "attention output")
    return say("activation_patching.site.mlp", "MLP output")


def _grid(name: str, subject: str, outcome: Outcome, site: str, pair: int) -> TokenGrid:
    """Layers from the last at the top; columns from the first position that differs."""
    import numpy as np

    record = outcome.tables["pairs"].records()[pair]
    found = outcome.arrays[f"{site}/{pair}"]
    first = int(record["first_difference"])
    shares = _moved(found.values[:, first:], _direction(outcome))[::-1]
    indices = [str(index) for index in reversed(found.along("layer" if site == "residual" else "block"))]
    tokens = [one for one in outcome.tables["tokens"].records() if one["pair"] == pair][first:]
    columns = [_both(one["clean"], one["corrupted"]) for one in tokens]
    row, column = np.unravel_index(np.nanargmax(shares), shares.shape)
    what = _value_label(outcome)
    return TokenGrid(
        name=f"{site}-{pair}",
        subject=(subject,),
        title=say(
            "activation_patching.grid.title",
            "{model}: {site} patched, {pair}: {right} or {wrong}",
            model=name,
            site=_site_label(site),
            pair=record["name"],
            right=mark_space(str(record["right"])),
            wrong=mark_space(str(record["wrong"])),
        ),
        alt=say(
            "activation_patching.grid.alt",
            "{what} by layer and position, {site} of {model}; most at {layer}, “{token}”: {share}",
            what=what,
            site=_site_label(site),
            model=name,
            layer=indices[row],
            token=columns[column],
            share=digits(f"{shares[row, column]:.2f}"),
        ),
        row_label=axis_label(relative=False) if site == "residual" else say("figure.block", "block"),
        rows=indices,
        column_label=say("activation_patching.columns", "token (clean/corrupted where they differ)"),
        columns=columns,
        texts=[[_number(share) for share in row] for row in shares.tolist()],
        values=np.clip(shares, 0.0, 1.0),
        value_label=what,
        outlined=np.zeros(shares.shape, dtype=bool),
        sampleable=True,
    )


def _both(clean: str, corrupted: str) -> str:
    """A column's token, or both where they differ."""
    return mark_space(clean) if clean == corrupted else f"{mark_space(clean)}/{corrupted.lstrip(' ')}"


def _number(share: float) -> str:
    if share != share:
        return ""
    rounded = round(share, 2) or 0.0  # no -0.00
    return digits("0" if share == 0 else f"{rounded:.2f}".replace("-", "−"))


def _seen(name: str, outcome: Outcome) -> str:
    """What one model shows over all its pairs."""
    records = outcome.tables["pairs"].records()
    values = {
        "model": name,
        "clean": digits(f"{outcome.metrics['clean_difference'].value or 0.0:+.1f}"),
        "corrupted": digits(f"{outcome.metrics['corrupted_difference'].value or 0.0:+.1f}"),
    }
    if not any(record["defined"] for record in records):
        return say(
            "activation_patching.not_told_apart",
            "No clear statement about {model}: it hardly tells the prompts apart (right less wrong answer: {clean} "
            "logits behind the clean prompt, {corrupted} behind the corrupted one).",
            **values,
        )
    told = [
        say(
            "activation_patching.told_apart",
            "Right less wrong answer is {clean} logits in {model} behind the clean prompt, {corrupted} behind the "
            "corrupted one.",
            **values,
        )
    ]
    arrival = outcome.metrics["arrival_layer"].value
    if arrival is not None:
        told.append(
            say(
                "activation_patching.arrives",
                "Half of the difference is at the last token from layer {layer} on.",
                layer=digits(f"{arrival:.0f}"),
            )
        )
    large = _told_heads(outcome, LARGE)
    if large:
        told.append(
            say("activation_patching.some_heads", "Heads that move much of it alone: {heads}.", heads=listed(large))
        )
    elif outcome.tables["top"].rows:
        told.append(
            say(
                "activation_patching.no_head",
                "No single head moves {least} of it; the most: {heads}.",
                least=digits(f"{LARGE:.0%}"),
                heads=listed(_told_heads(outcome)),
            )
        )
    return sentences(told)


probe = ActivationPatching()
