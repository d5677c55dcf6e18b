"""Turning a model from within: a direction between two sets of prompts, added to the stream or taken out of it."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from reportgen.figures.describe import Curve, Curves, Figure, Ranking, Rankings, TokenGrid
from reportgen.language import digits, listed, say, say_count, sentences, unit_of
from reportgen.model.needs import Draw, Edit, Need, Pass, Site
from reportgen.numerics.steering import (
    DEEPEST,
    METHODS,
    MOST_KL,
    best_cell,
    broken_constraints,
    mean_of_defined,
    of_length,
    random_direction,
    shuffled_split,
)
from reportgen.probing.probe import Case, Layers, Probe, ProbeOptions, Prompts, Unusable, axis_label, curves_read_out
from reportgen.probing.steering_score import (
    CLEAR,
    HARMFUL,
    HARMLESS,
    LOOP,
    MOST_SHOWN,
    WIDEST,
    Score,
    defined,
    is_its_own,
    named_score,
    not_tokens,
    said,
)
from reportgen.results.quantities import Findings, Outcome, Rows, array, arrays, metric, table
from reportgen.results.section import Section
from reportgen.text.function_words import listed_language, telling_words
from reportgen.text.prompts import Message, Prompt
from reportgen.text.refusals import refusal_tokens
from reportgen.text.scripts import script_names
from reportgen.text.word_pieces import pieces_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel
    from reportgen.probing.probe import Later

CONTROLS = ("random", "shuffled")
TOGETHER = 16
"""Rows that go through the unembedding at once while texts are written: prompts are put together up to that many."""
Side = Literal["towards", "away", "prompts", "harmless"]


class Options(ProbeOptions):
    """Between which sets, on which prompts, how far, and what is looked at."""

    seed: int = 0
    """Decides the random direction, the shuffled split and, at a `temperature`, the tokens that are drawn."""
    towards: Prompts
    """The set that the direction points to."""
    away: Prompts
    """The set that it comes from."""
    prompts: Prompts
    """Held-out prompts on which it is tried: none of either set."""
    harmless: Prompts | None = None
    """Held-out prompts on which the price is measured and texts are shown, where those are others than `prompts`."""
    score: Annotated[Score, BeforeValidator(named_score, json_schema_input_type=str | Score)]
    """What is to change: {tokens: […]}, refusal, {language: fr}, {script: han}, or cosine."""
    direction: Literal["difference_of_means", "paired_pca"] = "difference_of_means"
    """How it is found. `paired_pca` takes the sets as pairs, in their order."""
    position: Annotated[int, Field(lt=0)] | Literal["last"] = "last"
    """Where both sets are read: the last token, or −2, −3, … counted from the end."""
    layers: Layers = "all"
    """Layers tried, of those that enter a block: 0 (the embedding) to the last but one."""
    coefficients: Annotated[list[float], Field(min_length=1)] = Field(default=[-1.0, 0.0, 0.5, 1.0, 1.5])
    """Times the direction that is added; 0, the unsteered model, is always there. Of no meaning to `ablate`."""
    mode: Literal["add", "ablate"] = "add"
    """`add`: at one layer. `ablate`: the direction of a layer is taken out everywhere."""
    normalise: bool = False
    """Gives every direction the length 1 before it is multiplied."""
    positions: Literal["all", "last"] = "all"
    """Which tokens are changed: all of them, or the prompt's last and those written after it."""
    chat: Literal["auto", "never"] = "auto"
    """`auto` puts texts through the chat template, as what the user says, where the model has one."""
    continue_: Annotated[int, Field(ge=1, le=256, alias="continue")] = 24
    """Tokens that are written after a prompt."""
    temperature: Annotated[float, Field(gt=0, le=100)] | None = None
    """Draws each token at this temperature; without it the likeliest token follows."""
    aim: Literal["higher", "lower"] | None = None
    """Which score is better; where not given, `higher` to add and `lower` to ablate."""
    max_kl: Annotated[float, Field(gt=0)] | None = None
    """The price, in nats, that a chosen cell may have at most; where not given, 10 where texts are scored, whose loops
    are seen, else 1."""
    choose: Literal["score", "paper"] = "score"
    """`paper`: the layer-choice rule of the refusal paper, with its own constraints; for `ablate` and `refusal`."""
    withhold: bool = False
    """Writes nothing after any prompt. After prompts of the group `harmful` nothing is written in any case, and where
    the score is of refusal or a set is harmful, only after those of the group `harmless`."""

    @field_validator("coefficients")
    @classmethod
    def _something_added(cls, coefficients: list[float]) -> list[float]:
        found = sorted({0.0, *coefficients})
        if len(found) == 1:
            raise ValueError("0 alone adds nothing")
        return found

    @model_validator(mode="after")
    def _sets_fit(self) -> Self:
        for name in ("towards", "away"):
            if len(getattr(self, name)) < 2:
                raise ValueError(f"{name}: a set of one prompt has no mean to speak of: at least 2 are needed")
        if self.direction == "paired_pca" and len(self.towards) != len(self.away):
            raise ValueError(f"paired_pca: towards has {len(self.towards)} prompts, away {len(self.away)}: pairs need "
                             "as many")  # fmt: skip
        known = [(prompt.text, prompt.messages) for prompt in (*self.towards, *self.away)]
        for prompt in (*self.prompts, *(self.harmless or ())):
            if (prompt.text, prompt.messages) in known:
                raise ValueError(f"prompts: {said(prompt)!r} is in one of the sets, and so is not held out")
        return self

    @model_validator(mode="after")
    def _rule_fits(self) -> Self:
        if self.choose == "paper" and (self.mode, self.score.kind, self.harmless is None) != (
            "ablate", "refusal", False):  # fmt: skip
            raise ValueError("choose: the paper's rule needs mode: ablate, score: refusal, and harmless prompts")
        if self.score.of_text and any(map(self.withheld, self.prompts)):
            raise ValueError(f"score: {self.score.kind} is of what is written, and after harmful prompts nothing is")
        return self

    def withheld(self, prompt: Prompt) -> bool:
        """Whether nothing is written after a prompt."""
        if self.withhold or prompt.group == HARMFUL:
            return True
        harmful = self.score.kind == "refusal" or any(one.group == HARMFUL for one in (*self.towards, *self.away))
        return harmful and prompt.group != HARMLESS

    @property
    def factors(self) -> list[float]:
        """What is swept beside the unsteered model: coefficients but 0; one that means nothing for an ablation."""
        return [1.0] if self.mode == "ablate" else [c for c in self.coefficients if c]

    @property
    def most_kl(self) -> float:
        """The price that a chosen cell may have at most."""
        return self.max_kl or (10.0 if self.score.of_text else 1.0)

    @property
    def lowest(self) -> bool:
        """Whether the lowest score is the best."""
        return (self.aim or ("lower" if self.mode == "ablate" else "higher")) == "lower"


@dataclass(frozen=True, kw_only=True)
class Steering(Findings):
    """What steering gives."""

    unsteered_score: float | str = metric()
    """Mean score of the held-out prompts in the model as it is."""
    best_score: float | str = metric()
    """Mean score in the chosen cell: the best (of equals the cheapest) that is not too dear and whose texts are no
    loops; by the paper's rule, the lowest after ablation of the layers that keep its constraints."""
    best_layer: float | str = metric("layer")
    """The layer of the chosen cell."""
    best_coefficient: float | str = metric()
    """The coefficient of the chosen cell."""
    best_kl: float | str = metric("nat", "lower")
    """The price in the chosen cell."""
    random_score: float | str = metric()
    """Mean score with a random direction in the place of the chosen one."""
    shuffled_score: float | str = metric()
    """Mean score with the direction of a shuffled split in its place."""
    score: NDArray[np.float64] = array("layer", "item")
    """(layer x cell) mean of `scores` over prompts; NaN where fewer than half of them have one."""
    kl: NDArray[np.float64] = array("layer", "item", unit="nat")
    """(layer x cell) the price: mean over prompts of KL(unsteered || steered) of the next token after the prompt."""
    repeated: list[NDArray[np.float64]] = arrays("layer", "item", unit="share")
    """(layer x cell) mean share of words in runs that a text had already; only where texts are scored."""
    scores: NDArray[np.float64] = array("prompt", "layer", "item")
    """(prompt x layer x cell) the score of every held-out prompt; of a text too short to tell its language NaN."""
    control_score: NDArray[np.float64] = array("component", "layer")
    """(control x layer) as `score`, with 0 a random direction and 1 that of a shuffled split, as long as the direction
    and with the chosen coefficient; of an ablation only at the chosen layer."""
    control_kl: NDArray[np.float64] = array("component", "layer", unit="nat")
    """(control x layer) as `kl`."""
    norm: NDArray[np.float64] = array("layer", unit="norm")
    """(layer) length of the direction as it was found."""
    cells: Rows = table("item", "coefficient")
    """The cells of a layer: how often the direction was added; empty for an ablation."""
    chosen: Rows = table("layer", "coefficient", "qualifies", "most_kl")
    """The cell that controls and texts are about: the best, or, where none qualifies, the one of the best score; and
    the price that it may have at most."""
    choice: Rows = table("layer", "refusal_ablated", "kl", "inducing", "broken")
    """The paper's rule, layer by layer: the three numbers, and the constraints that are not kept."""
    texts: Rows = table("prompt", "opening", "unsteered", "steered", "random", "shuffled")
    """What is written after each harmless prompt, in the chosen cell and with the controls in its place."""
    written: Rows = table("prompt", "layer", "coefficient", "direction", "score", "repeated", "kl", "text")
    """Every text that was scored."""
    read: Rows = table("side", "prompt", "text", "chat", "token_count", "position", "token")
    """Every prompt, whether it went through the chat template, and the token at which it is read."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """The held-out prompts as this model reads them."""
    skipped: Rows = table("text", "reason")
    """Words of the score that are not one token in this model."""


class SteeringProbe(Probe[Options, Steering]):
    """Shows: whether a direction between two sets of prompts, added to the model's residual stream or taken out of it,
    changes what the model does, at which layer, how strongly, and at what price.

    Read: the first grid has a row a layer and a column a coefficient, the darker the higher the score; 0 is the model
    as it is, and the outlined cell is the chosen one. The last columns are controls: where they are as dark, the
    direction is nothing special. The second grid is the price: how far the next token's distribution has moved, also
    where nobody wanted it to. High coefficients end in loops. A cell is empty where most texts are too short,
    or too much of a loop, to be told.

    Computed: r = mean over one set − mean over the other of what enters a block, at one position (the last token of the
    prompt, after the chat template where the model has one), summed in float64 and not normalised; or the first
    component of paired differences about 0, as long as their mean along it. Adding: x + c·r in what enters one block,
    at all positions. Ablating: x − (x·r̂)r̂ in what enters every block and in what its attention and MLP write. Controls
    are as long as r: a random direction, and one between two halves that hold as much of both sets. After harmful
    prompts nothing is written. The paper's rule: the lowest refusal score after ablation where KL on harmless prompts
    is at most 0.1, adding makes harmless ones refuse (score above 0), and the layer is below 0.8 of the depth.
    """

    name = "steering"
    version = 1
    question = "Can it be steered from within?"
    options = Options
    findings = Steering

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Both sets where the direction is read, then the held-out prompts in the model as it is."""
        setting = _Setting.of(case)
        return [*setting.sides, *(one.unsteered(setting) for one in setting.held)]

    def further_passes(self, case: Case[Options]) -> int:
        """The sweep and its controls, the texts of the chosen cell, and what the paper's rule adds."""
        setting = _Setting.of(case)
        options, layers, held = case.options, len(setting.layers), len(setting.held)
        controlled = 1 if options.mode == "ablate" else layers
        count = held * (layers * len(options.factors) + len(CONTROLS) * controlled)
        if options.choose == "paper":
            count += layers * len(setting.priced)
        if not options.score.of_text:
            count += len(setting.shown) * (1 + len(CONTROLS))
        return count

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Words that a battery names and that are not one token here; of the shipped list none is asked for."""
        return {} if case.options.score.refusal == "shipped" else not_tokens(case.tokenizer, case.options.score.words)

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Later[Steering]:
        """Directions, the sweep, the choice, the controls, the texts."""
        setting = _Setting.of(case)
        found = _Found(setting, model, captured)
        layers, factors = range(len(setting.layers)), case.options.factors
        cells = [found.edits("steered", at, factor) for at in layers for factor in factors]
        # Where there is one coefficient only, it is known for the controls beforehand: all pass together.
        known = len(factors) == 1 and case.options.mode == "add"
        beside = found.controls(layers, factors[0]) if known else []
        sweep = yield from found.measured(setting.held, cells + beside)
        controls = [of_prompt[len(cells) :] for of_prompt in sweep]
        induced: list[list[_Seen]] = []
        if case.options.choose == "paper":
            induced = yield from found.measured(setting.priced, [found.adding(at) for at in layers])
        table = _Table.of(setting, found, [of_prompt[: len(cells)] for of_prompt in sweep], induced)
        (at, item), _ = table.chosen
        factor = factors[item]
        controlled = [at] if case.options.mode == "ablate" else list(layers)
        if not known:
            controls = yield from found.measured(setting.held, found.controls(controlled, factor))
        texts: list[list[_Seen]] = []
        if not case.options.score.of_text:
            three = [found.edits(name, at, factor) for name in ("steered", *CONTROLS)]
            texts = yield from found.measured(setting.shown, three, written=True)
        return _findings(case, setting, found, table, _Controls(controlled, controls), texts)

    def figures(self, section: Section) -> Iterable[Figure]:
        """The sweep and its price with the controls beside them, curves of the chosen coefficient, before and after in
        numbers and in words.
        """
        ok = section.ok()
        views = [_View(section.name(subject), subject, outcome) for subject, outcome in ok.items()]
        ends = _ends([value for view in views for value in view.all_scores], _kind(section))
        # Of the sweep alone: a random direction may cost many times as much, and nothing else would be seen.
        dearest = max((value for view in views for value in _finite(view.outcome, "kl")), default=0.0) or 1.0
        for view in views:
            yield _sweep(view, ends)
        for view in views:
            yield _price(view, dearest)
        for view in views:
            if len(view.layers) > 1:
                yield _over_layers(view, ends)
        for view in views:
            yield _before_and_after(view, ends)
        for view in views:
            if view.outcome.tables["texts"].rows:
                yield _side_by_side(view)

    def statement(self, section: Section) -> str:
        """What the chosen cell changes, its price, and whether the controls do as much."""
        return sentences(
            _seen(_View(section.name(subject), subject, outcome)) for subject, outcome in section.ok().items()
        )


# What is known before any pass


@dataclass(frozen=True)
class _Held:
    """One held-out prompt."""

    index: int
    """Among `prompts`, then `harmless`."""
    prompt: Prompt
    tokens: tuple[int, ...]
    written: bool
    """Whether something is written after it, to be shown."""

    def unsteered(self, setting: _Setting) -> Pass:
        """The model as it is."""
        options = setting.case.options
        steps = options.continue_ + 1 if self.written else 1
        return Pass(self.tokens, setting.needs, steps, setting.draw)


@dataclass(frozen=True)
class _Setting:
    """What follows from the battery, a tokenizer and a configuration."""

    case: Case[Options]
    blocks: int
    layers: tuple[int, ...]
    sides: Sequence[Pass]
    """Of `towards`, `away`, and the target of a cosine."""
    side_need: Sequence[Need]
    held: Sequence[_Held]
    counted: frozenset[int]
    """Tokens whose mass is a score."""
    needs: tuple[Need, ...]

    @classmethod
    def of(cls, case: Case[Options]) -> _Setting:
        """Checks everything that can be.

        Raises:
            Unusable: says what this model cannot have.
        """
        options = case.options
        if case.facts.layers is None:
            raise Unusable("its configuration does not say how many blocks it has")
        blocks = case.facts.layers
        layers = tuple(range(blocks)) if options.layers == "all" else tuple(sorted(set(options.layers)))
        if layers[-1] >= blocks:
            raise Unusable(f"layer {layers[-1]} cannot be steered: what enters a block are layers 0 to {blocks - 1}")
        counted = _counted(case)
        if options.score.kind in ("tokens", "refusal") and not counted:
            reasons = not_tokens(case.tokenizer, options.score.words).values()
            raise Unusable(f"no word of the score is one token: {'; '.join(reasons)}")
        wanted = (*layers, blocks) if options.score.kind == "cosine" else layers
        target = options.score.cosine if isinstance(options.score.cosine, list) else []
        sides = [case.tokens(_asked(case, prompt)) for prompt in (*options.towards, *options.away, *target)]
        needs = [Need(Site.RESIDUAL, (_place(options, len(tokens)),), wanted) for tokens in sides]
        held = [
            _Held(at, _asked(case, prompt), (), not options.withheld(prompt))
            for at, prompt in enumerate((*options.prompts, *(options.harmless or ())))
        ]
        final = (Need(Site.FINAL, "last"),)
        last = (Need(Site.RESIDUAL, "last", (blocks,)),) if options.score.kind == "cosine" else ()
        return cls(
            case,
            blocks,
            layers,
            [Pass(tokens, (need,)) for tokens, need in zip(sides, needs, strict=True)],
            needs,
            [_Held(one.index, one.prompt, case.tokens(one.prompt, options.continue_ + 1), one.written) for one in held],
            counted,
            final + last,
        )

    @property
    def scored(self) -> Sequence[_Held]:
        """The prompts that the score is of."""
        return self.held[: len(self.case.options.prompts)]

    @property
    def priced(self) -> Sequence[_Held]:
        """The prompts that the price is of."""
        return self.held[len(self.scored) :] or self.held

    @property
    def shown(self) -> Sequence[_Held]:
        """The prompts after which texts are shown."""
        return [one for one in self.priced if one.written]

    @property
    def draw(self) -> Draw | None:
        """How the tokens after a prompt are drawn."""
        options = self.case.options
        return None if options.temperature is None else Draw(options.temperature, None, None, options.seed, 0)


def _place(options: Options, length: int) -> int:
    """Where a prompt of either set is read, from its beginning."""
    back = -1 if options.position == "last" else options.position
    if -back > length:
        raise Unusable(f"position {back} lies before a prompt of {length} tokens")
    return length + back


def _asked(case: Case[Options], prompt: Prompt) -> Prompt:
    """A text as what a user says, where the model is one to chat with."""
    if case.options.chat == "never" or prompt.text is None or not case.tokenizer.has_chat_template:
        return prompt
    said = (Message(role="user", content=prompt.text),)
    return prompt.model_copy(update={"text": None, "messages": said})


def _counted(case: Case[Options]) -> frozenset[int]:
    return refusal_tokens(case.tokenizer, case.options.score.words)


# What is measured


@dataclass(frozen=True)
class _Seen:
    """One prompt in the model as one edit leaves it."""

    score: float
    kl: float
    repeated: float = float("nan")
    text: str | None = None
    """None where nothing was written."""


class _Found:
    """The directions, and the reading of every pass that is steered by them."""

    def __init__(self, setting: _Setting, model: LoadedModel, captured: Sequence[Captured]) -> None:
        import numpy as np

        self.setting, self.model = setting, model
        options = setting.case.options
        sides, self._own = captured[: len(setting.sides)], captured[len(setting.sides) :]
        read = np.stack([_rows(single, need) for single, need in zip(sides, setting.side_need, strict=True)], axis=1)
        n, m = len(options.towards), len(options.away)
        one, other = shuffled_split(n, m, options.seed)
        method = METHODS[options.direction]
        layers = range(len(setting.layers))
        steered = [method(read[at, :n], read[at, n : n + m]) for at in layers]
        self.norm = np.array([np.linalg.norm(r) for r in steered])
        lengths = np.where(self.norm > 0, 1.0, 0.0) if options.normalise else self.norm
        width = read.shape[-1]
        drawn = [random_direction(width, layer, options.seed) for layer in setting.layers]
        shuffled = [method(read[at][one], read[at][other]) for at in layers]
        self._directions = {
            name: [of_length(r, length) for r, length in zip(of_name, lengths, strict=True)]
            for name, of_name in (("steered", steered), ("random", drawn), ("shuffled", shuffled))
        }
        self._target = None
        if options.score.kind == "cosine":
            target = read[-1, n + m :] if len(sides) > n + m else read[-1, :n]
            self._target = METHODS["difference_of_means"](target, read[-1, n : n + m])

    def vector(self, name: str, at: int) -> Tensor:
        """(width) the direction, or a control, of one of the layers."""
        import torch

        return torch.from_numpy(self._directions[name][at]).to(self.model.device, torch.float32)

    def edits(self, name: str, at: int, factor: float) -> tuple[Edit, ...]:
        """What steering by a direction, or a control, does."""
        from reportgen.model.measures.steered import ablating

        options = self.setting.case.options
        if options.mode == "add":
            return self.adding(at, name, factor)
        return ablating(self.setting.blocks, self.vector(name, at), options.positions)

    def controls(self, layers: Sequence[int], factor: float) -> list[tuple[Edit, ...]]:
        """The same with each control at some of the layers."""
        return [self.edits(control, at, factor) for control in CONTROLS for at in layers]

    def adding(self, at: int, name: str = "steered", factor: float = 1.0) -> tuple[Edit, ...]:
        """Adds it, whatever the mode."""
        from reportgen.model.measures.steered import adding

        positions = self.setting.case.options.positions
        return adding(self.setting.layers[at], self.vector(name, at), factor, positions)

    def measured(
        self, held: Sequence[_Held], variants: Sequence[tuple[Edit, ...]], *, written: bool = False
    ) -> Generator[Sequence[Pass], Sequence[Captured], list[list[_Seen]]]:
        """(prompt x variant) of all of these prompts with all of these edits, a few prompts at a time."""
        options, found = self.setting.case.options, list[list[_Seen]]()
        steps = options.continue_ + 1 if written or options.score.of_text else 1
        together = max(1, TOGETHER // len(variants))
        for start in range(0, len(held), together):
            some = held[start : start + together]
            captured = yield [
                Pass(one.tokens, self.setting.needs, steps if one.written else 1, self.setting.draw, edits)
                for one in some
                for edits in variants
            ]
            for at, one in enumerate(some):
                found.append(self._read(one, captured[at * len(variants) : (at + 1) * len(variants)], written=written))
        return found

    def unsteered(self) -> list[_Seen]:
        """(prompt) the model as it is."""
        shown = {one.index for one in self.setting.shown}
        return [self._read(one, [self._own[one.index]], written=one.index in shown)[0] for one in self.setting.held]

    def _read(self, one: _Held, captured: Sequence[Captured], *, written: bool) -> list[_Seen]:
        from reportgen.model.measures.steered import beside_unsteered

        score = self.setting.case.options.score
        final, *last = self.setting.needs
        own = self._own[one.index].kept(final, 0)[0]
        rows = [single.kept(final, 0)[0] for single in captured]
        following = beside_unsteered(self.model, own, rows, self.setting.counted)
        seen = []
        for at, single in enumerate(captured):
            text = None
            if one.written and (written or score.of_text):
                text = self.setting.case.tokenizer.decode(single.tokens[single.prompt_length :])
            stream = _rows(single, last[0])[0] if last else None
            own_score = self._scored(following.mass[at], following.odds[at], text, stream)
            seen.append(_Seen(own_score, following.kl[at], _repeated(text), text))
        return seen

    def _scored(self, mass: float, odds: float, text: str | None, stream: NDArray[np.float64] | None) -> float:
        from reportgen.numerics.similarity import cosine
        from reportgen.text.wording import language_share, script_share

        score = self.setting.case.options.score
        if score.language is not None:
            return float("nan") if text is None else language_share(text, score.language)
        if score.script is not None:
            return float("nan") if text is None else script_share(text, score.script)
        if stream is not None:
            return float(cosine(stream, self._target))
        return mass if score.kind == "tokens" else odds


def _rows(single: Captured, need: Need) -> NDArray[np.float64]:
    """(layer x width) what was kept of one position."""
    import numpy as np

    return np.stack([value[0].double().cpu().numpy() for value in single.kept(need, 0)])


def _repeated(text: str | None) -> float:
    from reportgen.text.wording import repeated_share

    return float("nan") if text is None else repeated_share(text)


@dataclass(frozen=True)
class _Table:
    """The sweep, with the model as it is among its cells."""

    setting: _Setting
    unsteered: Sequence[_Seen]
    sweep: Sequence[Sequence[_Seen]]
    scores: NDArray[np.float64]
    """(prompt x layer x factor)"""
    kl: NDArray[np.float64]
    """(layer x factor)"""
    repeated: NDArray[np.float64]
    """(layer x factor)"""
    chosen: tuple[tuple[int, int], bool]
    """(layer, factor) of the best cell, and whether it qualifies."""
    choice: Rows

    @classmethod
    def of(
        cls, setting: _Setting, found: _Found, sweep: Sequence[Sequence[_Seen]], induced: Sequence[Sequence[_Seen]]
    ) -> _Table:
        """Chooses the cell."""
        import numpy as np

        options, layers = setting.case.options, setting.layers
        shape = (len(layers), len(options.factors))
        scores = _values(sweep, setting.scored, "score").reshape(-1, *shape)
        kl = _values(sweep, setting.priced, "kl").mean(axis=0).reshape(shape)
        repeated = mean_of_defined(_values(sweep, setting.scored, "repeated").reshape(-1, *shape))
        mean = mean_of_defined(scores)
        there = np.broadcast_to((found.norm > 0)[:, None], shape)
        allowed = there & (kl <= options.most_kl)
        if options.score.of_text:
            allowed = allowed & ~(repeated > LOOP)
        choice: Rows = []
        if options.choose == "paper":
            inducing = np.array([[one.score for one in of_prompt] for of_prompt in induced]).mean(axis=0)
            for at, layer in enumerate(layers):
                broken = broken_constraints(layer, setting.blocks, float(kl[at, 0]), float(inducing[at]))
                choice.append([layer, float(mean[at, 0]), float(kl[at, 0]), float(inducing[at]), ", ".join(broken)])
            allowed = there & np.array([not row[-1] for row in choice])[:, None]
        best = best_cell(mean, kl, allowed, lowest=options.lowest)
        fallback = best_cell(mean, kl, there, lowest=options.lowest) or (len(layers) - 1, shape[1] - 1)
        chosen = (best or fallback, best is not None)
        return cls(setting, found.unsteered(), sweep, scores, kl, repeated, chosen, choice)


def _values(seen: Sequence[Sequence[_Seen]], held: Sequence[_Held], what: str) -> NDArray[np.float64]:
    """(prompt x variant) one number of some of the prompts."""
    import numpy as np

    return np.array([[getattr(one, what) for one in seen[prompt.index]] for prompt in held])


@dataclass(frozen=True)
class _Controls:
    """The controls at some of the layers."""

    at: Sequence[int]
    seen: Sequence[Sequence[_Seen]]
    """(prompt x control and layer)"""

    def means(self, held: Sequence[_Held], what: str, layers: int) -> NDArray[np.float64]:
        """(control x layer) NaN at the other layers."""
        import numpy as np

        found = np.full((len(CONTROLS), layers), np.nan)
        values = mean_of_defined(_values(self.seen, held, what))
        found[:, list(self.at)] = values.reshape(len(CONTROLS), -1)
        return found

    def of_prompt(self, prompt: int, control: int, at: int) -> _Seen:
        """One prompt with one control at a layer."""
        return self.seen[prompt][control * len(self.at) + list(self.at).index(at)]


def _findings(
    case: Case[Options],
    setting: _Setting,
    found: _Found,
    table: _Table,
    controls: _Controls,
    texts: Sequence[Sequence[_Seen]],
) -> Steering:
    import numpy as np

    options, layers = case.options, setting.layers
    swept = [None] if options.mode == "ablate" else list(options.factors)
    cells = [0.0, *swept] if options.mode == "ablate" else list(options.coefficients)
    zero = cells.index(0.0)
    own = np.array([table.unsteered[one.index].score for one in setting.scored])
    scores = np.insert(table.scores, zero, own[:, None], axis=2)
    mean = mean_of_defined(scores)
    own_repeated = float(mean_of_defined(np.array([table.unsteered[one.index].repeated for one in setting.scored])))
    (at, item), qualifies = table.chosen
    control_score = controls.means(setting.scored, "score", len(layers))
    most = MOST_KL if options.choose == "paper" else options.most_kl
    none = "no layer qualifies" if options.choose == "paper" else "no cell qualifies"
    asked = [_asked(case, prompt) for prompt in options.prompts]

    def told(value: float) -> float | str:
        return float(value) if qualifies else none

    return Steering(
        coordinates={"layer": layers},
        unsteered_score=defined(float(mean[0, zero])),
        best_score=told(mean_of_defined(table.scores)[at, item]),
        best_layer=told(layers[at]),
        best_coefficient=told(options.factors[item]) if options.mode == "add" else "nothing is added",
        best_kl=told(table.kl[at, item]),
        random_score=defined(float(control_score[0, at])),
        shuffled_score=defined(float(control_score[1, at])),
        score=mean,
        kl=np.insert(table.kl, zero, 0.0, axis=1),
        repeated=[np.insert(table.repeated, zero, own_repeated, axis=1)] if options.score.of_text else [],
        scores=scores,
        control_score=control_score,
        control_kl=controls.means(setting.priced, "kl", len(layers)),
        norm=found.norm,
        cells=[[number, coefficient] for number, coefficient in enumerate(cells)],
        chosen=[[layers[at], swept[item], qualifies, most]],
        choice=table.choice,
        texts=_texts(setting, table, controls, texts),
        written=_written(setting, table, controls, swept) if options.score.of_text else [],
        read=_read_at(case, setting),
        prompts=case.prompt_rows(asked),
        skipped=[[word, reason] for word, reason in not_tokens(case.tokenizer, case.options.score.words).items()],
    )


def _texts(setting: _Setting, table: _Table, controls: _Controls, texts: Sequence[Sequence[_Seen]]) -> Rows:
    """Side by side: as it is, steered, and with both controls."""
    (at, item), _ = table.chosen
    rows: Rows = []
    for number, one in enumerate(setting.shown):
        if texts:
            three = [seen.text for seen in texts[number]]
        else:
            steered = table.sweep[one.index][at * len(setting.case.options.factors) + item]
            beside = [controls.of_prompt(one.index, control, at) for control in range(len(CONTROLS))]
            three = [seen.text for seen in (steered, *beside)]
        rows.append([one.index, said(one.prompt), table.unsteered[one.index].text, *three])
    return rows


def _written(setting: _Setting, table: _Table, controls: _Controls, swept: Sequence[float | None]) -> Rows:
    """Every scored text: as it is (no layer), of the sweep, and of the controls."""
    layers, factors = setting.layers, len(setting.case.options.factors)
    (_, item), _ = table.chosen

    def row(prompt: int, layer: int | None, coefficient: float | None, name: str, seen: _Seen) -> list[Any]:
        return [prompt, layer, coefficient, name, _cell(seen.score), _cell(seen.repeated), seen.kl, seen.text]

    rows: Rows = []
    for one in setting.scored:
        rows.append(row(one.index, None, 0.0, "unsteered", table.unsteered[one.index]))
        for number, seen in enumerate(table.sweep[one.index]):
            at, which = divmod(number, factors)
            rows.append(row(one.index, layers[at], swept[which], "steered", seen))
        for control, name in enumerate(CONTROLS):
            for at in controls.at:
                seen = controls.of_prompt(one.index, control, at)
                rows.append(row(one.index, layers[at], swept[item], name, seen))
    return rows


def _cell(value: float) -> float | None:
    return value if value == value else None


def _read_at(case: Case[Options], setting: _Setting) -> Rows:
    """Every prompt with the token at which it is read."""
    options = case.options
    sides: list[tuple[Side, Sequence[Prompt]]] = [
        ("towards", options.towards), ("away", options.away), ("prompts", options.prompts),
        ("harmless", options.harmless or ()),
    ]  # fmt: skip
    rows: Rows = []
    for side, prompts in sides:
        for number, prompt in enumerate(prompts):
            asked = _asked(case, prompt)
            tokens = case.tokens(asked)
            place = _place(options, len(tokens)) if side in ("towards", "away") else len(tokens) - 1
            token = case.tokenizer.show(tokens[place])
            rows.append([side, number, said(prompt), asked.text is None, len(tokens), place, token])
    return rows


# What is shown


@dataclass(frozen=True)
class _View:
    """An outcome as figures and statement read it."""

    name: str
    subject: str
    outcome: Outcome

    @property
    def kind(self) -> str:
        """Of the score."""
        return str(next(iter(self.outcome.options["score"])))

    @property
    def score_label(self) -> str:
        """What the score is called."""
        (kind, what), *_ = self.outcome.options["score"].items()
        return {
            "tokens": say("steering.score.tokens", "probability of these words"),
            "refusal": say("steering.score.refusal", "refusal score"),
            "language": say("steering.score.language", "share of the language {tag} in the text", tag=what),
            "script": say(
                "steering.score.script", "share of {script} in the text", script=script_names().get(str(what), what)
            ),
            "cosine": say("steering.score.cosine", "cosine with the target"),
        }[kind]

    @property
    def layers(self) -> tuple[int, ...]:
        """Those tried."""
        return self.outcome.arrays["score"].along("layer")

    @property
    def ablated(self) -> bool:
        """Whether the direction was taken out."""
        return bool(self.outcome.options["mode"] == "ablate")

    @property
    def chosen(self) -> tuple[int, int, bool]:
        """Number of the layer, number of the cell, and whether it qualifies."""
        (row,) = self.outcome.tables["chosen"].records()
        cells = self.outcome.tables["cells"].column("coefficient")
        return self.layers.index(row["layer"]), cells.index(row["coefficient"]), bool(row["qualifies"])

    @property
    def zero(self) -> int:
        """The cell that is the model as it is."""
        return self.outcome.tables["cells"].column("coefficient").index(0.0)

    @property
    def done(self) -> str:
        """What the chosen cell does, in a few words."""
        row = self.outcome.tables["chosen"].records()[0]
        if self.ablated:
            return say("steering.ablated_at", "ablated (layer {layer})", layer=row["layer"])
        return say("steering.added_at", "{factor} × at layer {layer}", factor=_factor(row["coefficient"]),
                   layer=row["layer"])  # fmt: skip

    @property
    def all_scores(self) -> Iterable[float]:
        """Every score that is drawn."""
        return _finite(self.outcome, "score", "control_score")

    @property
    def all_prices(self) -> Iterable[float]:
        """Every price that is drawn."""
        return _finite(self.outcome, "kl", "control_kl")

    def columns(self, name: str) -> tuple[list[str], NDArray[np.float64]]:
        """Names and (layer x column) values of the cells and the controls."""
        import numpy as np

        cells, controls = self.outcome.arrays[name].values, self.outcome.arrays[f"control_{name}"].values
        names = [
            say("steering.ablated", "ablated") if coefficient is None else _factor(coefficient)
            for coefficient in self.outcome.tables["cells"].column("coefficient")
        ]
        return names + _control_names(), np.concatenate([cells, controls.T], axis=1)


def _finite(outcome: Outcome, *names: str) -> Iterable[float]:
    import numpy as np

    for name in names:
        values = outcome.arrays[name].values
        yield from values[np.isfinite(values)].tolist()


def _control_names() -> list[str]:
    return [say("steering.random", "random"), say("steering.shuffled", "shuffled")]


def _factor(coefficient: float) -> str:
    return digits(f"{coefficient:g}").replace("-", "−")


def _number(value: float) -> str:
    if value == 0:
        return "0"
    return digits(f"{value:.2f}" if abs(value) >= 0.0995 else f"{value:.3f}").replace("-", "−")


def _kind(section: Section) -> str:
    return str(next((next(iter(o.options["score"])) for o in section.ok().values()), "tokens"))


def _ends(values: Sequence[float], kind: str) -> tuple[float, float]:
    """The scale that all models share: a share goes from 0 to 1."""
    if kind in ("language", "script"):
        return 0.0, 1.0
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    if kind == "tokens":
        low = 0.0
    return (low, high) if high > low else (low, low + 1.0)


def _grid(view: _View, name: str, title: str, alt: str, label: str, ends: tuple[float, float]) -> TokenGrid:
    """Layers from the last at the top, a column a coefficient, the controls behind them."""
    import numpy as np

    columns, values = view.columns("score" if name == "sweep" else "kl")
    low, high = ends
    upwards = values[::-1]
    outlined = np.zeros(upwards.shape, bool)
    at, item, _ = view.chosen
    outlined[len(values) - 1 - at, item] = True
    return TokenGrid(
        name=name,
        subject=(view.subject,),
        title=title,
        alt=alt,
        row_label=say("steering.layer", "layer that is changed (0 = embedding)")
        if not view.ablated
        else say("steering.layer_read", "layer that the direction is of (0 = embedding)"),
        rows=[str(layer) for layer in reversed(view.layers)],
        column_label=say("steering.columns", "times the direction, then controls"),
        columns=columns,
        texts=[["" if value != value else _number(value) for value in row] for row in upwards],
        values=np.clip((upwards - low) / (high - low), 0.0, 1.0),
        value_label=label,
        outlined=outlined,
        outline_label=_outline(view),
        sampleable=True,
    )


def _outline(view: _View) -> str:
    if view.chosen[2]:
        return say("steering.chosen", "chosen")
    return say("steering.best_of_none", "best score; does not qualify")


def _scale(label: str, ends: tuple[float, float]) -> str:
    low, high = ends
    if ends == (0.0, 1.0):
        return label
    return say("steering.scale", "{what} (0 = {low}, 1 = {high})", what=label, low=_number(low), high=_number(high))


def _sweep(view: _View, ends: tuple[float, float]) -> TokenGrid:
    title = say("steering.sweep.title", "{model}: {score}", model=view.name, score=view.score_label)
    alt = say(
        "steering.sweep.alt",
        "{score} of {model} at every layer and coefficient, from {low} to {high}; {before} as it is, {after} in the "
        "outlined cell: {done}",
        score=view.score_label,
        model=view.name,
        low=_number(min(view.all_scores, default=0.0)),
        high=_number(max(view.all_scores, default=0.0)),
        before=_number(_cells(view)["unsteered"]),
        after=_number(_cells(view)["steered"]),
        done=view.done,
    )
    return _grid(view, "sweep", title, alt, _scale(view.score_label, ends), ends)


def _price(view: _View, dearest: float) -> TokenGrid:
    label = say("steering.price", "KL(unsteered ‖ steered) of the next token, {unit}", unit=unit_of("nat"))
    title = say("steering.price.title", "{model}: the price", model=view.name)
    at, item, _ = view.chosen
    alt = say(
        "steering.price.alt",
        "{price} in {model} at every layer and coefficient, up to {high}; {value} in the outlined cell",
        price=label,
        model=view.name,
        high=_number(max(view.all_prices, default=0.0)),
        value=_number(float(view.outcome.arrays["kl"].values[at, item])),
    )
    ends = (0.0, dearest)
    scale = say("steering.price.scale", "{what} (1 = {high} or more)", what=label, high=_number(dearest))
    return _grid(view, "price", title, alt, scale, ends)


def _over_layers(view: _View, ends: tuple[float, float]) -> Curves:
    """The chosen coefficient at every layer, with its controls; what has one number only is a reference."""
    import numpy as np

    at, item, _ = view.chosen
    scores, controls = view.outcome.arrays["score"].values, view.outcome.arrays["control_score"].values
    steered = say("steering.ablated", "ablated") if view.ablated else say("steering.steered", "steered")
    lines = [(steered, scores[:, item])]
    references = {say("steering.unsteered", "unsteered"): float(scores[at, view.zero])}
    for name, values in zip(_control_names(), controls, strict=True):
        if view.ablated:
            references[name] = float(values[at])
        else:
            lines.append((name, values))
    curves = [
        Curve(label=name, x=view.layers, y=values.tolist(), group=name)
        for name, values in lines
        if np.isfinite(values).any()
    ]
    return Curves(
        name="layers",
        subject=(view.subject,),
        title=say("steering.layers.title", "{model}: layer by layer, {done}", model=view.name, done=_coefficient(view)),
        alt=curves_read_out(view.name, view.score_label, curves),
        x_label=axis_label(relative=False),
        y_label=view.score_label,
        curves=curves,
        references={name: value for name, value in references.items() if np.isfinite(value)},
        y_range=ends,
    )


def _coefficient(view: _View) -> str:
    if view.ablated:
        return say("steering.taken_out", "the direction taken out")
    factor = view.outcome.tables["chosen"].records()[0]["coefficient"]
    return say("steering.times", "{factor} × the direction", factor=_factor(factor))


def _cells(view: _View) -> dict[str, float]:
    """The four numbers of before and after."""
    at, item, _ = view.chosen
    scores, controls = view.outcome.arrays["score"].values, view.outcome.arrays["control_score"].values
    return {
        "unsteered": float(scores[at, view.zero]),
        "steered": float(scores[at, item]),
        "random": float(controls[0, at]),
        "shuffled": float(controls[1, at]),
    }


def _before_and_after(view: _View, ends: tuple[float, float]) -> Rankings:
    """The bars of the paper: as it is, steered, and the controls; models beside each other on one scale."""
    names = list(_names_of_cells(view).values())
    values = list(_cells(view).values())
    told = [
        say("steering.bar", "{name} {value}", name=name, value=_number(value))
        for name, value in zip(names, values, strict=True)
    ]
    return Rankings(
        name="before-after",
        subject=(view.subject,),
        title=say("steering.before_after", "{model}: before and after", model=view.name),
        alt=say(
            "steering.before_after.alt",
            "{score} of {model}: {bars}",
            score=view.score_label,
            model=view.name,
            bars=listed(told),
        ),
        rankings=[Ranking(title=view.done, labels=names, values=values)],
        value_label=view.score_label,
        value_range=ends,
        model=view.subject,
    )


def _side_by_side(view: _View) -> TokenGrid:
    """The first words of the texts after the first prompts, line by line; the table has them whole."""
    import numpy as np

    rows = view.outcome.tables["texts"].records()[:MOST_SHOWN]
    names = _names_of_cells(view)
    cut = [
        (f"{row['prompt']} {name}" if name == names["unsteered"] else name, pieces_of(row[column])[:WIDEST])
        for row in rows
        for column, name in names.items()
    ]
    columns = max(len(pieces) for _, pieces in cut) or 1
    texts = [[*pieces, *[""] * (columns - len(pieces))] for _, pieces in cut]
    openings = listed([say("text.quoted", "“{text}”", text=row["opening"]) for row in rows])
    return TokenGrid(
        name="texts",
        subject=(view.subject,),
        title=say("steering.texts.title", "{model}: what is written, {done}", model=view.name, done=view.done),
        alt=say(
            "steering.texts.alt",
            "The first words that {model} writes after {openings}, as it is, steered, and with the controls",
            model=view.name,
            openings=openings,
        ),
        row_label=say("steering.texts.rows", "number of the prompt, and how it is steered"),
        rows=[name for name, _ in cut],
        column_label=say("steering.texts.columns", "the first words of the text"),
        columns=[str(at + 1) for at in range(columns)],
        texts=texts,
        values=np.array([[_tells(view, text) for text in row] for row in texts]),
        value_label=_telling_label(view),
        outlined=np.zeros((len(texts), columns), bool),
    )


def _names_of_cells(view: _View) -> dict[str, str]:
    """Columns of the texts, and what they are called."""
    steered = say("steering.ablated", "ablated") if view.ablated else say("steering.steered", "steered")
    return dict(
        zip(
            ("unsteered", "steered", *CONTROLS),
            (say("steering.unsteered", "unsteered"), steered, *_control_names()),
            strict=True,
        )
    )


def _tells(view: _View, piece: str) -> float:
    """1 for a word that the score is about."""
    from reportgen.text.wording import script_share, words_of

    (kind, what), *_ = view.outcome.options["score"].items()
    words = words_of(piece)
    if kind == "language":
        return float(any(word in telling_words()[listed_language(what)] for word in words))
    if kind == "script":
        share = script_share(piece, what)
        return share if share == share else 0.0
    return float(kind == "tokens" and any(word in [one.strip().casefold() for one in what] for word in words))


def _telling_label(view: _View) -> str:
    (kind, what), *_ = view.outcome.options["score"].items()
    if kind == "language":
        return say("steering.texts.language", "1: a word of {tag} alone, of those that tell a language", tag=what)
    if kind == "script":
        return view.score_label
    if kind == "tokens":
        return say("steering.texts.tokens", "1: one of the words of the score")
    return say("steering.texts.nothing", "nothing in a text is scored here")


def _seen(view: _View) -> str:
    """Qualifies, beyond the controls, and large enough: an effect. Else what of it is missing."""
    at, item, qualifies = view.chosen
    four = _cells(view)
    if not qualifies:
        return _none_told(view)
    own = four["steered"] - four["unsteered"]
    controls = [four[name] - four["unsteered"] for name in CONTROLS]
    values = {
        "model": view.name,
        "score": view.score_label,
        "before": _number(four["unsteered"]),
        "after": _number(four["steered"]),
        "layer": view.layers[at],
        "kl": _number(float(view.outcome.arrays["kl"].values[at, item])),
    }
    if not abs(own) >= CLEAR[view.kind]:
        return say(
            "steering.no_effect",
            "No clear statement about {model}: in the best cell (layer {layer}) the {score} goes from {before} to "
            "{after}, too little to speak of.",
            **values,
        )
    if not is_its_own(own, controls):
        return say(
            "steering.as_controls",
            "No clear statement about {model}: the {score} goes from {before} to {after} at layer {layer}, but a "
            "control moves it by {control}.",
            control=_number(max(abs(one) for one in controls if isfinite(one))),
            **values,
        )
    random, shuffled = (_number(four[name]) if four[name] == four[name] else "–" for name in CONTROLS)
    if view.ablated:
        return say(
            "steering.effect_ablated",
            "{model}: taking out the direction of layer {layer} moves the {score} from {before} to {after}, at a price "
            "of {kl} nat; a random direction leaves it at {random}, a shuffled split at {shuffled}.",
            random=random,
            shuffled=shuffled,
            **values,
        )
    return say(
        "steering.effect",
        "{model}: {factor} × the direction at layer {layer} moves the {score} from {before} to {after}, at a price of "
        "{kl} nat; a random direction leads to {random}, a shuffled split to {shuffled}.",
        factor=_factor(view.outcome.tables["chosen"].records()[0]["coefficient"]),
        random=random,
        shuffled=shuffled,
        **values,
    )


def _none_told(view: _View) -> str:
    """Why there is no cell to choose."""
    rows = view.outcome.tables["choice"].records()
    most = _number(view.outcome.tables["chosen"].records()[0]["most_kl"])
    if not rows and view.kind in ("language", "script"):
        return say(
            "steering.none_of_text",
            "{model}: no cell qualifies: the price is above {kl} nat, or the texts are loops, wherever there "
            "is a score.",
            model=view.name,
            kl=most,
        )
    if not rows:
        return say(
            "steering.none",
            "{model}: no cell qualifies: the price is above {kl} nat wherever something is changed.",
            model=view.name,
            kl=most,
        )
    counts = [sum(name in row["broken"].split(", ") for row in rows) for name in ("kl", "inducing", "depth")]
    return say_count(
        "steering.no_layer",
        "{model}: the layer tried does not qualify by the paper's rule: {reasons}.",
        "{model}: none of {count} layers qualifies by the paper's rule: {reasons}.",
        len(rows),
        model=view.name,
        reasons=listed([
            say("steering.broken_kl", "KL is above {most} in {count}", most=_number(MOST_KL), count=counts[0]),
            say("steering.broken_inducing", "adding it makes harmless prompts refuse too little in {count}",
                count=counts[1]),
            say("steering.broken_depth", "{count} lie above {share} of the depth", count=counts[2],
                share=_number(DEEPEST)),
        ]),
    )  # fmt: skip


probe = SteeringProbe()
