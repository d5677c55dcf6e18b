"""Turning a model by one feature of a sparse dictionary: clamped or scaled while the model reads and writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from reportgen.features.labels import page_of
from reportgen.features.names import place_name
from reportgen.features.options import DictionaryOptions, dictionaries_of, first_counted, need_of
from reportgen.features.tables import cell
from reportgen.figures.describe import Curve, Curves, Figure, Ranking, Rankings, TokenGrid
from reportgen.language import digits, listed, say, sentences, unit_of
from reportgen.model.needs import Edit, Need, Operation, Pass, Site, Unmeasurable
from reportgen.numerics.steering import best_cell, mean_of_defined
from reportgen.probing.probe import Case, Probe, Prompts, Unusable, prompt_labels
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
from reportgen.results.quantities import Findings, Outcome, Rows, array, metric, table
from reportgen.results.section import Section
from reportgen.text.prompts import Prompt
from reportgen.text.refusals import refusal_tokens
from reportgen.text.scripts import script_names
from reportgen.text.word_pieces import pieces_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel
    from reportgen.model.sae.dictionary import Dictionary
    from reportgen.model.sae.files import DictionaryFiles
    from reportgen.model.sae.splice import ClampFeature, ScaleFeature
    from reportgen.probing.probe import Later

PROMOTED = "promoted"
SPEAKS = 10
"""Promoted tokens whose mass is the score where none is named, and that are named of the feature."""
NAMED = 3
"""Promoted tokens that a figure names."""
JOINED = " · "
FINAL = Need(Site.FINAL, "last")

Strengths = Annotated[list[Annotated[float, Field(strict=False, ge=-1e9, le=1e9)]], Field(min_length=1)]


class Options(DictionaryOptions):
    """Which feature, how strong, on which prompts, and what is looked at."""

    seed: int = 0
    """Decides the feature that is the control."""
    feature: Annotated[int, Field(ge=0)]
    """Its number in the dictionary; `layers` names the dictionary where there are several."""
    clamp: Strengths | None = None
    """Activations at which it is held, 0 taking it out; below 0 it points the other way."""
    times_max: Strengths | None = None
    """The same as multiples of its largest activation on the prompts and `texts`."""
    scale: Strengths | None = None
    """Times its own activation: nothing changes where it is silent. One of the three is given."""
    prompts: Prompts
    """What the model goes on from."""
    texts: Prompts | None = None
    """Texts on which its largest activation is looked for, beside the prompts."""
    score: Annotated[Score | Literal["promoted"], BeforeValidator(named_score, json_schema_input_type=str | Score)] = (
        "promoted"
    )
    """What is to change, as in `steering`: {tokens: […]}, refusal, {language: fr}, {script: han}; or `promoted`, the
    probability of the ten tokens that the feature's direction promotes."""
    aim: Literal["higher", "lower"] = "higher"
    """Which score is better."""
    continue_: Annotated[int, Field(ge=1, le=256, alias="continue")] = 24
    """Tokens that are written after a prompt, the likeliest one each time."""
    max_kl: Annotated[float, Field(gt=0, strict=False)] | None = None
    """The price, in nats, that the chosen strength may have at most; where not given, 10 where texts are scored, whose
    loops are seen, else 1."""

    @field_validator("score")
    @classmethod
    def _of_no_direction(cls, score: Score | Literal["promoted"]) -> Score | Literal["promoted"]:
        if isinstance(score, Score) and score.cosine is not None:
            raise ValueError("a cosine is of a direction between two sets: steering has it")
        return score

    @model_validator(mode="after")
    def _one_change(self) -> Self:
        if sum(one is not None for one in (self.clamp, self.times_max, self.scale)) != 1:
            raise ValueError("name one of clamp, times_max and scale")
        if self.of_text and any(map(self.withheld, self.prompts)):
            raise ValueError(f"score: {self.kind} is of what is written, and after harmful prompts nothing is")
        return self

    @property
    def words(self) -> Sequence[str]:
        """The words of the score whose tokens are counted."""
        return self.score.words if isinstance(self.score, Score) else ()

    @property
    def kind(self) -> str:
        """Which score it is."""
        return self.score.kind if isinstance(self.score, Score) else PROMOTED

    @property
    def of_text(self) -> bool:
        """Whether the score is of what is written."""
        return isinstance(self.score, Score) and self.score.of_text

    @property
    def strengths(self) -> list[float]:
        """Each once, ascending."""
        return sorted(set(self.clamp or self.times_max or self.scale or ()))

    @property
    def change(self) -> str:
        """Which of the three it is."""
        return next(name for name in ("clamp", "times_max", "scale") if getattr(self, name) is not None)

    @property
    def most_kl(self) -> float:
        """The price that the chosen strength may have."""
        return self.max_kl or (10.0 if self.of_text else 1.0)

    def withheld(self, prompt: Prompt) -> bool:
        """Whether nothing is written after a prompt."""
        return prompt.group == HARMFUL or (self.kind == "refusal" and prompt.group != HARMLESS)


@dataclass(frozen=True, kw_only=True)
class FeatureSteering(Findings):
    """What the feature does."""

    largest_activation: float = metric("activation")
    """Of the feature on the prompts and `texts`, BOS left out."""
    fires: float = metric("share")
    """Share of their tokens on which it fires."""
    unsteered_score: float | str = metric()
    """Mean score of the prompts in the model as it is."""
    best_score: float | str = metric()
    """Mean score at the chosen strength: the best (of equals the cheapest) that is not too dear and, where texts are
    scored, whose texts are no loops."""
    best_strength: float | str = metric()
    """The chosen strength, as the battery names it."""
    best_kl: float | str = metric("nat", "lower")
    """The price at the chosen strength."""
    control_score: float | str = metric()
    """Mean score with as much of another feature's direction in its place."""
    score: NDArray[np.float64] = array("item")
    """(strength) mean score; NaN where fewer than half of the prompts have one."""
    kl: NDArray[np.float64] = array("item", unit="nat")
    """(strength) the price: mean over prompts of KL(unsteered || steered) of the next token after the prompt."""
    control: NDArray[np.float64] = array("item")
    """(strength) as `score`, with the control."""
    control_kl: NDArray[np.float64] = array("item", unit="nat")
    """(strength) as `kl`, with the control."""
    repeated: NDArray[np.float64] = array("item", unit="share")
    """(strength) mean share of words in runs that a text had already."""
    scores: NDArray[np.float64] = array("prompt", "item")
    """(prompt x strength) the score of each prompt."""
    strengths: Rows = table("item", "strength", "value")
    """Each strength as the battery names it, and the activation at which the feature is then held; none for a scale."""
    chosen: Rows = table("item", "qualifies", "most_kl")
    """The strength that the texts are of: the best, or, where none qualifies, the one of the best score."""
    feature: Rows = table("layer_label", "site", "index", "feature", "role", "promoted", "suppressed", "link")
    """The feature, and the one whose direction is the control: drawn at random among those that fire on the prompts
    and `texts`."""
    texts: Rows = table("prompt", "opening", "unsteered", "steered", "control")
    """What is written after each prompt, at the chosen strength and with the control in its place."""
    written: Rows = table("prompt", "item", "by", "score", "repeated", "kl", "text")
    """Every prompt in the model as it is (no strength), and at every strength by the feature and by the control."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """The prompts as this model reads them."""
    skipped: Rows = table("text", "reason")
    """Words of the score that are not one token in this model."""


class SaeSteering(Probe[Options, FeatureSteering]):
    """Shows: what the model says where one feature of a sparse dictionary is held at an activation that it would not
    have, and whether that is more than any other feature would do.

    Read: the score follows the strength if the feature does what it is said to do; the control, as large a step along
    another feature's direction, should leave it where it was. The price tells how far the next token's distribution
    has moved altogether: where the control costs as much and the score stays, the feature is about the score. High
    strengths break the text; a scale changes nothing where the feature is silent.

    Computed: the stream becomes x + (a′ − a) d at every position but BOS, of the prompt and of what is written, with a
    the activation of the feature in what the dictionary reads there, a′ the clamped or scaled one, d its row of the
    decoder: what the dictionary does not give back of x stays as it is. The control adds at each position as long a
    vector along the direction of a feature drawn by the seed. Price: KL(unsteered || steered) at the last position of
    the prompt. The score `promoted` is the probability there of the ten tokens of largest W_U (gain ⊙ d). After harmful
    prompts nothing is written. Templeton et al. 2024, "Scaling Monosemanticity".
    """

    name = "sae_steering"
    version = 1
    question = "What does a feature do to the answer?"
    options = Options
    findings = FeatureSteering

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """The prompts in the model as it is, and the texts up to the dictionary."""
        setting = _Setting.of(case)
        own = [Pass(one.tokens, (FINAL, setting.need), one.steps) for one in setting.held]
        return [*own, *(Pass(tokens, (setting.need,)) for tokens in setting.texts)]

    def further_passes(self, case: Case[Options]) -> int:
        """Each prompt at each strength, by the feature and by the control."""
        return 2 * len(case.options.prompts) * len(case.options.strengths)

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Words that a battery names and that are not one token here; of the shipped list none is asked for."""
        score = case.options.score
        return (
            {}
            if isinstance(score, Score) and score.refusal == "shipped"
            else not_tokens(case.tokenizer, case.options.words)
        )

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Later[FeatureSteering]:
        """A prompt at a time, with all strengths."""
        setting = _Setting.of(case)
        found = _Found(setting, model, captured)
        unsteered = [found.read(one, [captured[one.index]])[0] for one in setting.held]
        seen = []
        for one in setting.held:
            seen.append(found.read(one, (yield found.steered(one))))
        return _findings(setting, found, unsteered, seen)

    def figures(self, section: Section) -> Iterable[Figure]:
        """Before and after; score and price by strength; the texts."""
        views = [_View(section.name(subject), subject, outcome) for subject, outcome in section.ok().items()]
        ends = _ends(views)
        for view in views:
            yield _before_and_after(view, ends)
        for view in views:
            if len(view.strengths) > 1:
                yield _by_strength(view)
                yield _price(view)
        for view in views:
            if view.outcome.tables["texts"].rows:
                yield _side_by_side(view)

    def statement(self, section: Section) -> str:
        """What the feature changes, its price, and whether another does as much."""
        return sentences(
            _told(_View(section.name(subject), subject, outcome)) for subject, outcome in section.ok().items()
        )


# What is known before any pass


@dataclass(frozen=True)
class _Held:
    """One prompt."""

    index: int
    prompt: Prompt
    tokens: tuple[int, ...]
    first: int
    """The first position that is changed: 1 behind BOS."""
    steps: int
    """1 where nothing is written after it."""


@dataclass(frozen=True)
class _Setting:
    """What follows from the battery, a tokenizer, a configuration and the dictionary's files."""

    case: Case[Options]
    files: DictionaryFiles
    held: Sequence[_Held]
    texts: Sequence[tuple[int, ...]]
    counted: frozenset[int]
    """Tokens whose mass is a score, where they are named."""

    @classmethod
    def of(cls, case: Case[Options]) -> _Setting:
        """Checks everything that can be.

        Raises:
            Unusable: says what this model cannot have.
        """
        options, files = case.options, dictionaries_of(case).files
        if len(files) > 1:
            names = ", ".join(f"{one.name} at {one.place}" for one in files)
            raise Unusable(
                f"a feature is of one dictionary, and there are {len(files)} ({names}): choose one by `layers`, or "
                "name its own folder"
            )
        if options.feature >= files[0].features:
            raise Unusable(f"feature {options.feature} is out of range: they go from 0 to {files[0].features - 1}")
        counted = refusal_tokens(case.tokenizer, options.words)
        if options.kind in ("tokens", "refusal") and not counted:
            reasons = not_tokens(case.tokenizer, options.words).values()
            raise Unusable(f"no word of the score is one token: {'; '.join(reasons)}")
        held = []
        for index, prompt in enumerate(options.prompts):
            steps = 1 if options.withheld(prompt) else options.continue_ + 1
            tokens = case.tokens(prompt, steps)
            first = first_counted(case, tokens)
            if first == len(tokens):
                raise Unusable(f"prompt {index} has no token beside BOS")
            held.append(_Held(index, prompt, tokens, first, steps))
        return cls(case, files[0], held, [case.tokens(text) for text in options.texts or ()], counted)

    @property
    def need(self) -> Need:
        """What the dictionary reads."""
        return need_of(self.files)


# What is measured


@dataclass(frozen=True)
class _Seen:
    """One prompt in the model as one edit leaves it."""

    score: float
    kl: float
    repeated: float
    text: str | None
    """None where nothing was written."""


class _Found:
    """The feature, its control, and the reading of every pass that they change."""

    def __init__(self, setting: _Setting, model: LoadedModel, captured: Sequence[Captured]) -> None:
        import torch

        from reportgen.model.sae.dictionary import load_dictionary
        from reportgen.model.sae.promoted import promoted
        from reportgen.model.sae.splice import feature_activations

        self.setting, self._model = setting, model
        options = setting.case.options
        self.dictionary: Dictionary = load_dictionary(setting.files, model.device)
        rows = [one.kept(setting.need, 0)[0][first_counted(setting.case, one.tokens) :] for one in captured]
        own = torch.cat([feature_activations(self.dictionary, options.feature, some) for some in rows])
        self.largest, self.fires = float(own.max()), float((own > 0).double().mean())
        if options.times_max is not None and not self.largest:
            raise Unmeasurable(f"feature {options.feature} fires nowhere on the prompts and texts: times_max says "
                               "nothing")  # fmt: skip
        self.control = self._drawn(rows)
        self.readings = promoted(model, self.dictionary, [options.feature, self.control], SPEAKS)
        self._counted = frozenset(self.readings[0].top_ids) if options.kind == PROMOTED else setting.counted
        self._own = [one.kept(FINAL, 0)[0] for one in captured[: len(setting.held)]]

    @property
    def values(self) -> list[float | None]:
        """(strength) the activation at which the feature is held; None for a scale."""
        options = self.setting.case.options
        times = self.largest if options.times_max is not None else 1.0
        return [None if options.scale is not None else strength * times for strength in options.strengths]

    def steered(self, one: _Held) -> list[Pass]:
        """(strength, feature then control) of a prompt."""
        from reportgen.model.sae.splice import AlongOther

        place, tokens = self.setting.files.place, one.tokens
        positions = tuple(range(one.first, len(tokens) + one.steps))
        operations: list[Operation] = []
        for edit in self._edits():
            operations += [edit, AlongOther(edit, self.control)]
        return [
            Pass(tokens, (FINAL,), one.steps, edits=(Edit(place.site, place.index, operation, positions),))
            for operation in operations
        ]

    def read(self, one: _Held, captured: Sequence[Captured]) -> list[_Seen]:
        """What some passes of a prompt gave."""
        from reportgen.model.measures.steered import beside_unsteered
        from reportgen.text.wording import repeated_share

        rows = [single.kept(FINAL, 0)[0] for single in captured]
        following = beside_unsteered(self._model, self._own[one.index], rows, self._counted)
        seen = []
        for at, single in enumerate(captured):
            text = None
            if one.steps > 1:
                text = self.setting.case.tokenizer.decode(single.tokens[single.prompt_length :])
            score = self._scored(following.mass[at], following.odds[at], text)
            seen.append(_Seen(score, following.kl[at], float("nan") if text is None else repeated_share(text), text))
        return seen

    def _edits(self) -> list[ClampFeature | ScaleFeature]:
        from reportgen.model.sae.splice import ClampFeature, ScaleFeature

        options = self.setting.case.options
        return [
            ScaleFeature(self.dictionary, options.feature, strength)
            if value is None
            else ClampFeature(self.dictionary, options.feature, value)
            for strength, value in zip(options.strengths, self.values, strict=True)
        ]

    def _drawn(self, rows: Sequence[Any]) -> int:
        """Another feature: of those that fire there, where any does."""
        import numpy as np

        options = self.setting.case.options
        firing = {feature for some in rows for feature in self.dictionary.active(some).feature.tolist()}
        others = sorted(firing - {options.feature})
        others = others or [one for one in range(self.dictionary.features) if one != options.feature]
        if not others:
            raise Unmeasurable("a dictionary of one feature has no other one for a control")
        return int(np.random.default_rng([abs(options.seed), options.feature]).choice(others))

    def _scored(self, mass: float, odds: float, text: str | None) -> float:
        from reportgen.text.wording import language_share, script_share

        score = self.setting.case.options.score
        if isinstance(score, Score) and score.language is not None:
            return float("nan") if text is None else language_share(text, score.language)
        if isinstance(score, Score) and score.script is not None:
            return float("nan") if text is None else script_share(text, score.script)
        return odds if self.setting.case.options.kind == "refusal" else mass


def _values(seen: Sequence[Sequence[_Seen]], what: str, start: int) -> NDArray[np.float64]:
    """(prompt x strength) one number of the feature (0) or the control (1)."""
    import numpy as np

    return np.array([[getattr(one, what) for one in of_prompt[start::2]] for of_prompt in seen])


def _findings(
    setting: _Setting, found: _Found, unsteered: Sequence[_Seen], seen: Sequence[Sequence[_Seen]]
) -> FeatureSteering:
    import numpy as np

    case, options = setting.case, setting.case.options
    scores = _values(seen, "score", 0)
    mean, control = mean_of_defined(scores), mean_of_defined(_values(seen, "score", 1))
    kl, repeated = _values(seen, "kl", 0).mean(axis=0), mean_of_defined(_values(seen, "repeated", 0))
    allowed = kl <= options.most_kl
    if options.of_text:
        allowed = allowed & ~(repeated > LOOP)
    lowest, anywhere = options.aim == "lower", np.ones_like(allowed)
    best = best_cell(mean[None], kl[None], allowed[None], lowest=lowest)
    fallback = best_cell(mean[None], kl[None], anywhere[None], lowest=lowest) or (0, len(mean) - 1)
    item = (best or fallback)[1]

    def told(value: float) -> float | str:
        return float(value) if best is not None else "no strength qualifies"

    own = float(mean_of_defined(np.array([one.score for one in unsteered])))
    return FeatureSteering(
        largest_activation=found.largest,
        fires=found.fires,
        unsteered_score=defined(own),
        best_score=told(mean[item]),
        best_strength=told(options.strengths[item]),
        best_kl=told(kl[item]),
        control_score=defined(float(control[item])),
        score=mean,
        kl=kl,
        control=control,
        control_kl=_values(seen, "kl", 1).mean(axis=0),
        repeated=repeated,
        scores=scores,
        strengths=[[at, *pair] for at, pair in enumerate(zip(options.strengths, found.values, strict=True))],
        chosen=[[item, best is not None, options.most_kl]],
        feature=_feature_rows(setting, found),
        texts=[
            [one.index, said(one.prompt), unsteered[one.index].text,
             *(seen[one.index][2 * item + by].text for by in (0, 1))]
            for one in setting.held
            if one.steps > 1
        ],
        written=_written(unsteered, seen),
        prompts=case.prompt_rows(options.prompts),
        skipped=[[word, reason] for word, reason in not_tokens(case.tokenizer, case.options.words).items()],
    )  # fmt: skip


def _feature_rows(setting: _Setting, found: _Found) -> Rows:
    from reportgen.text.characters import mark_space

    place, show = setting.files.place, setting.case.tokenizer.show
    residual = place.site is Site.RESIDUAL
    label = f"layer {place.index}" if residual else f"block {place.index}, {place.site.value}"
    rows: Rows = []
    for feature, role, reading in zip(
        (setting.case.options.feature, found.control), ("feature", "control"), found.readings, strict=True
    ):
        ends = [JOINED.join(mark_space(show(token)) for token in ids) for ids in (reading.top_ids, reading.bottom_ids)]
        rows.append([label, place.site.value, place.index, feature, role, *ends, page_of(setting.files, feature)])
    return rows


def _written(unsteered: Sequence[_Seen], seen: Sequence[Sequence[_Seen]]) -> Rows:
    def row(prompt: int, item: int | None, by: str, one: _Seen) -> list[Any]:
        return [prompt, item, by, cell(one.score), cell(one.repeated), one.kl, one.text]

    rows: Rows = []
    for prompt, (own, of_prompt) in enumerate(zip(unsteered, seen, strict=True)):
        rows.append(row(prompt, None, "unsteered", own))
        rows += [row(prompt, at // 2, ("feature", "control")[at % 2], one) for at, one in enumerate(of_prompt)]
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
        score = self.outcome.options["score"]
        return score if isinstance(score, str) else str(next(iter(score)))

    @property
    def score_label(self) -> str:
        """What the score is called."""
        if self.kind == PROMOTED:
            tokens = JOINED.join(self.promoted[:NAMED])
            return say(
                "sae_steering.score.promoted",
                "probability of the tokens that the feature promotes ({tokens} …)",
                tokens=tokens,
            )
        (kind, what), *_ = self.outcome.options["score"].items()
        return {
            "tokens": say("steering.score.tokens", "probability of these words"),
            "refusal": say("steering.score.refusal", "refusal score"),
            "language": say("steering.score.language", "share of the language {tag} in the text", tag=what),
            "script": say(
                "steering.score.script", "share of {script} in the text", script=script_names().get(str(what), what)
            ),
        }[kind]

    @property
    def promoted(self) -> list[str]:
        """Tokens that the feature promotes, the most first."""
        return str(self.outcome.tables["feature"].records()[0]["promoted"]).split(JOINED)

    @property
    def counted(self) -> list[str]:
        """Words that the score is of."""
        if self.kind == PROMOTED:
            return [token.strip("␣ ").casefold() for token in self.promoted]
        return [word.strip().casefold() for word in self.outcome.options["score"].get("tokens") or ()]

    @property
    def strengths(self) -> list[float]:
        """As the battery names them, ascending."""
        return [float(value) for value in self.outcome.tables["strengths"].column("strength")]

    @property
    def chosen(self) -> tuple[int, bool]:
        """Number of the strength, and whether it qualifies."""
        (row,) = self.outcome.tables["chosen"].records()
        return int(row["item"]), bool(row["qualifies"])

    @property
    def feature(self) -> str:
        """The feature and where it is of."""
        row = self.outcome.tables["feature"].records()[0]
        place = place_name(row["site"], row["index"])
        return say("sae_steering.feature_of", "feature {feature} of {place}", feature=row["feature"], place=place)

    def done(self, item: int) -> str:
        """What a strength means, in a few words."""
        strength = _strength(self.strengths[item])
        if self.outcome.options.get("scale") is not None:
            return say("sae_steering.scaled", "at {strength} × its activation", strength=strength)
        if self.outcome.options.get("times_max") is not None:
            return say("sae_steering.times_max", "held at {strength} × its maximum", strength=strength)
        return say("sae_steering.clamped", "held at {strength}", strength=strength)

    @property
    def strength_label(self) -> str:
        """Below curves over the strengths."""
        if self.outcome.options.get("scale") is not None:
            return say("sae_steering.x.scale", "times the feature's own activation")
        if self.outcome.options.get("times_max") is not None:
            return say("sae_steering.x.times_max", "activation at which it is held, times its maximum")
        return say("sae_steering.x.clamp", "activation at which it is held")

    @property
    def three(self) -> dict[str, float]:
        """Unsteered, steered and with the control, at the chosen strength."""
        item, _ = self.chosen
        own = self.outcome.metrics["unsteered_score"].value
        return {
            "unsteered": float("nan") if own is None else float(own),
            "steered": float(self.outcome.arrays["score"].values[item]),
            "control": float(self.outcome.arrays["control"].values[item]),
        }


def _names() -> dict[str, str]:
    return {
        "unsteered": say("steering.unsteered", "unsteered"),
        "steered": say("sae_steering.by_feature", "feature"),
        "control": say("sae_steering.by_control", "another feature"),
    }


def _strength(value: float) -> str:
    return digits(f"{value:.3g}").replace("-", "−")


def _number(value: float) -> str:
    if not isfinite(value):
        return "–"
    return digits(f"{value:.2f}" if abs(value) >= 0.0995 else f"{value:.2g}").replace("-", "−")


def _ends(views: Sequence[_View]) -> tuple[float, float]:
    """The scale of bars that all models share."""
    values = [value for view in views for value in view.three.values() if isfinite(value)]
    return min([0.0, *values]), max([0.0, *values]) or 1.0


def _before_and_after(view: _View, ends: tuple[float, float]) -> Rankings:
    """The chosen strength beside the model as it is and the control."""
    known = {name: value for name, value in view.three.items() if isfinite(value)}
    labels = [_names()[name] for name in known]
    bars = [
        say("steering.bar", "{name} {value}", name=label, value=_number(value))
        for label, value in zip(labels, known.values(), strict=True)
    ]
    return Rankings(
        name="before-after",
        subject=(view.subject,),
        title=say(
            "sae_steering.before_after", "{model}, {feature}: before and after", model=view.name, feature=view.feature
        ),
        alt=say(
            "sae_steering.before_after.alt",
            "{score} of {model}, {feature} {done}: {bars}",
            score=view.score_label,
            model=view.name,
            feature=view.feature,
            done=view.done(view.chosen[0]),
            bars=listed(bars),
        ),
        rankings=[Ranking(title=view.done(view.chosen[0]), labels=labels, values=list(known.values()))],
        value_label=view.score_label,
        value_range=ends,
        model=view.subject,
    )


def _curves(
    view: _View, name: str, title: str, y_label: str, arrays: tuple[str, str], references: Mapping[str, float]
) -> Curves:
    names = _names()
    curves = []
    for label, values in zip((names["steered"], names["control"]), arrays, strict=True):
        y = view.outcome.arrays[values].values
        known = [at for at in range(len(y)) if isfinite(y[at])]
        if known:
            points = [view.strengths[at] for at in known], [float(y[at]) for at in known]
            curves.append(Curve(label=label, x=points[0], y=points[1], group=label))
    ends = [
        say(
            "sae_steering.curve.alt",
            "{curve} from {first} to {last}",
            curve=curve.label,
            first=_number(curve.y[0]),
            last=_number(curve.y[-1]),
        )
        for curve in curves
    ]
    return Curves(
        name=name,
        subject=(view.subject,),
        title=title,
        alt=say(
            "sae_steering.curves.alt",
            "{what} by strength in {model}: {ends}",
            what=y_label,
            model=view.name,
            ends=listed(ends),
        ),
        x_label=view.strength_label,
        y_label=y_label,
        curves=curves,
        references=references,
    )


def _by_strength(view: _View) -> Curves:
    own = view.three["unsteered"]
    references = {_names()["unsteered"]: own} if isfinite(own) else {}
    title = say("sae_steering.strengths", "{model}, {feature}: the score", model=view.name, feature=view.feature)
    return _curves(view, "strengths", title, view.score_label, ("score", "control"), references)


def _price(view: _View) -> Curves:
    label = say("steering.price", "KL(unsteered ‖ steered) of the next token, {unit}", unit=unit_of("nat"))
    title = say("sae_steering.price", "{model}, {feature}: the price", model=view.name, feature=view.feature)
    return _curves(view, "price", title, label, ("kl", "control_kl"), {})


def _side_by_side(view: _View) -> TokenGrid:
    """The first words of the texts after the first prompts, line by line; the table has them whole."""
    import numpy as np

    from reportgen.text.wording import words_of

    records, names, counted = view.outcome.tables["texts"].records()[:MOST_SHOWN], _names(), view.counted
    rows, lines = [], []
    for record in records:
        for column, name in names.items():
            rows.append(f"{record['prompt']} {name}" if column == "unsteered" else name)
            lines.append(pieces_of(record[column])[:WIDEST])
    told = [[float(any(part in counted for part in words_of(word))) for word in words] for words in lines]
    width = max(map(len, lines), default=0) or 1
    labels = prompt_labels(view.outcome)
    openings = [say("text.quoted", "“{text}”", text=labels[int(record["prompt"])]) for record in records]
    return TokenGrid(
        name="texts",
        subject=(view.subject,),
        title=say(
            "sae_steering.texts.title",
            "{model}: what is written, {feature} {done}",
            model=view.name,
            feature=view.feature,
            done=view.done(view.chosen[0]),
        ),
        alt=say(
            "sae_steering.texts.alt",
            "The first words that {model} writes after {openings}: as it is, with the feature, and with another one",
            model=view.name,
            openings=listed(openings),
        ),
        row_label=say("sae_steering.texts.rows", "number of the prompt, and what is changed"),
        rows=rows,
        column_label=say("steering.texts.columns", "the first words of the text"),
        columns=[str(at + 1) for at in range(width)],
        texts=[[*words, *[""] * (width - len(words))] for words in lines],
        values=np.array([[*marks, *[0.0] * (width - len(marks))] for marks in told]),
        value_label=say("steering.texts.tokens", "1: one of the words of the score")
        if counted
        else say("steering.texts.nothing", "nothing in a text is scored here"),
        outlined=np.zeros((len(lines), width), bool),
    )


def _told(view: _View) -> str:
    """Qualifies, beyond the control, and large enough: an effect. Else what of it is missing."""
    if view.outcome.options.get("scale") is not None and not view.outcome.metrics["fires"].value:
        return say(
            "sae_steering.silent",
            "{model}: {feature} fires on no token of the prompts, where a scale therefore changes nothing.",
            model=view.name,
            feature=view.feature,
        )
    item, qualifies = view.chosen
    three, kind = view.three, "tokens" if view.kind == PROMOTED else view.kind
    own = three["steered"] - three["unsteered"]
    values = {
        "model": view.name,
        "feature": view.feature,
        "done": view.done(item),
        "score": view.score_label,
        "before": _number(three["unsteered"]),
        "after": _number(three["steered"]),
        "control": _number(three["control"]),
        "kl": _number(float(view.outcome.arrays["kl"].values[item])),
    }
    if not qualifies:
        most = view.outcome.tables["chosen"].records()[0]["most_kl"]
        return say(
            "sae_steering.none",
            "No clear statement about {feature} in {model}: at no strength is there a score at a price of {most} nat "
            "or less.",
            most=_number(float(most)),
            **values,
        )
    if not abs(own) >= CLEAR[kind]:
        return say(
            "sae_steering.no_effect",
            "No clear statement about {model}: with {feature} {done} the {score} goes from {before} to {after}, too "
            "little to speak of.",
            **values,
        )
    if not is_its_own(own, [three["control"] - three["unsteered"]]):
        return say(
            "sae_steering.as_control",
            "No clear statement about {model}: with {feature} {done} the {score} goes from {before} to {after}, but as "
            "large a step along another feature leads to {control}.",
            **values,
        )
    return say(
        "sae_steering.effect",
        "{model}: with {feature} {done} the {score} goes from {before} to {after}, at a price of {kl} nat; as large a "
        "step along another feature leads to {control}.",
        **values,
    )


probe = SaeSteering()
