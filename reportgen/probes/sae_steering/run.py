"""How it is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reportgen.features.labels import page_of
from reportgen.features.options import first_counted
from reportgen.features.tables import cell
from reportgen.model.measures.steered import compare_with_unsteered
from reportgen.model.needs import Edit, Operation, Pass, PassResult, Site, Unmeasurable
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.sae.dictionary import Dictionary, load_dictionary
from reportgen.model.sae.promoted import find_promoted_tokens
from reportgen.model.sae.splice import AlongOther, ClampFeature, ScaleFeature, feature_activations
from reportgen.numerics.steering import best_cell, mean_of_defined
from reportgen.probes.sae_steering import FINAL, FeatureSteering, HeldOutPrompt, Setting
from reportgen.probes.sae_steering.options import PROMOTED, Options
from reportgen.probes.sae_steering.view import JOINED
from reportgen.probing.case import Case
from reportgen.probing.findings import reason_rows
from reportgen.probing.probe import Later
from reportgen.probing.steering_score import LOOP, Score, reasons_against_score_words, replace_undefined, text_of_prompt
from reportgen.results.quantities import Rows
from reportgen.text.characters import mark_space
from reportgen.text.wording import language_share, repeated_share, script_share

TOGETHER = 64
"""Rows that go through the unembedding at once while texts are written: prompts are put together up to that many."""
SPEAKS = 10
"""Promoted tokens whose mass is the score where none is named, and that are named of the feature."""


@dataclass(frozen=True)
class _EditReading:
    """One prompt in the model as one edit leaves it."""

    score: float
    kl: float
    repeated: float
    text: str | None
    """None where nothing was written."""


class _FeatureSweep:
    """The feature, its control, and the reading of every pass that they change."""

    def __init__(self, setting: Setting, model: LoadedModel, captured: Sequence[PassResult]) -> None:
        self.setting, self._model = setting, model
        options = setting.case.options
        self.dictionary: Dictionary = load_dictionary(setting.files, model.device)
        rows = [one.tensors_of(setting.need, 0)[0][first_counted(setting.case, one.tokens) :] for one in captured]
        own = torch.cat([feature_activations(self.dictionary, options.feature, some) for some in rows])
        self.largest, self.fires = float(own.max()), float((own > 0).double().mean())
        if options.times_max is not None and not self.largest:
            raise Unmeasurable(f"feature {options.feature} fires nowhere on the prompts and texts, so times_max is "
                               f"undefined")  # fmt: skip
        self.control = self._draw_control(rows)
        self.readings = find_promoted_tokens(model, self.dictionary, [options.feature, self.control], SPEAKS)
        self._counted = frozenset(self.readings[0].top_ids) if options.kind == PROMOTED else setting.counted
        self._own = [one.tensors_of(FINAL, 0)[0] for one in captured[: len(setting.held)]]

    @property
    def values(self) -> list[float | None]:
        """(strength) the activation at which the feature is held; None for a scale."""
        options = self.setting.case.options
        times = self.largest if options.times_max is not None else 1.0
        return [None if options.scale is not None else strength * times for strength in options.strengths]

    def list_steered_passes(self, one: HeldOutPrompt) -> list[Pass]:
        """(strength, feature then control) of a prompt."""
        place, tokens = self.setting.files.place, one.tokens
        positions = tuple(range(one.first, len(tokens) + one.steps))
        operations: list[Operation] = []
        for edit in self._edits():
            operations += [edit, AlongOther(edit, self.control)]
        return [
            Pass(tokens, (FINAL,), one.steps, edits=(Edit(place.site, place.index, operation, positions),))
            for operation in operations
        ]

    def read_passes(self, one: HeldOutPrompt, captured: Sequence[PassResult]) -> list[_EditReading]:
        """What some passes of a prompt gave."""
        rows = [single.tensors_of(FINAL, 0)[0] for single in captured]
        following = compare_with_unsteered(self._model, self._own[one.index], rows, self._counted)
        seen = []
        for at, single in enumerate(captured):
            text = None
            if one.steps > 1:
                text = self.setting.case.tokenizer.decode(single.tokens[single.prompt_length :])
            score = self._score_text(following.mass[at], following.odds[at], text)
            seen.append(
                _EditReading(score, following.kl[at], float("nan") if text is None else repeated_share(text), text)
            )
        return seen

    def _edits(self) -> list[ClampFeature | ScaleFeature]:
        options = self.setting.case.options
        return [
            ScaleFeature(self.dictionary, options.feature, strength)
            if value is None
            else ClampFeature(self.dictionary, options.feature, value)
            for strength, value in zip(options.strengths, self.values, strict=True)
        ]

    def _draw_control(self, rows: Sequence[Any]) -> int:
        """Another feature: of those that fire there, where any does."""
        options = self.setting.case.options
        firing = {feature for some in rows for feature in self.dictionary.find_active(some).feature.tolist()}
        others = sorted(firing - {options.feature})
        others = others or [one for one in range(self.dictionary.features) if one != options.feature]
        if not others:
            raise Unmeasurable("a dictionary of one feature has no other one for a control")
        return int(np.random.default_rng([abs(options.seed), options.feature]).choice(others))

    def _score_text(self, mass: float, odds: float, text: str | None) -> float:
        score = self.setting.case.options.score
        if isinstance(score, Score) and score.language is not None:
            return float("nan") if text is None else language_share(text, score.language)
        if isinstance(score, Score) and score.script is not None:
            return float("nan") if text is None else script_share(text, score.script)
        return odds if self.setting.case.options.kind == "refusal" else mass


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Later[FeatureSteering]:
    """A few prompts at a time, with all strengths."""
    setting = Setting.of(case)
    found = _FeatureSweep(setting, model, captured)
    unsteered = [found.read_passes(one, [captured[one.index]])[0] for one in setting.held]
    seen = []
    variants = 2 * len(setting.case.options.strengths)
    together = max(1, TOGETHER // variants)
    for start in range(0, len(setting.held), together):
        some = setting.held[start : start + together]
        steered = yield [single for one in some for single in found.list_steered_passes(one)]
        for at, one in enumerate(some):
            seen.append(found.read_passes(one, steered[at * variants : (at + 1) * variants]))
    return _findings(setting, found, unsteered, seen)


def _values(seen: Sequence[Sequence[_EditReading]], what: str, start: int) -> NDArray[np.float64]:
    """(prompt x strength) one number of the feature (0) or the control (1)."""
    return np.array([[getattr(one, what) for one in of_prompt[start::2]] for of_prompt in seen])


def _findings(
    setting: Setting, found: _FeatureSweep, unsteered: Sequence[_EditReading], seen: Sequence[Sequence[_EditReading]]
) -> FeatureSteering:
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

    def value_or_reason(value: float) -> float | str:
        return float(value) if best is not None else "no strength qualifies"

    own = float(mean_of_defined(np.array([one.score for one in unsteered])))
    return FeatureSteering(
        largest_activation=found.largest,
        fires=found.fires,
        unsteered_score=replace_undefined(own),
        best_score=value_or_reason(mean[item]),
        best_strength=value_or_reason(options.strengths[item]),
        best_kl=value_or_reason(kl[item]),
        control_score=replace_undefined(float(control[item])),
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
            [one.index, text_of_prompt(one.prompt), unsteered[one.index].text,
             *(seen[one.index][2 * item + by].text for by in (0, 1))]
            for one in setting.held
            if one.steps > 1
        ],
        written=_list_texts(unsteered, seen),
        prompts=case.prompt_rows(options.prompts),
        skipped=reason_rows(reasons_against_score_words(case.tokenizer, case.options.words)),
    )  # fmt: skip


def _feature_rows(setting: Setting, found: _FeatureSweep) -> Rows:
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


def _list_texts(unsteered: Sequence[_EditReading], seen: Sequence[Sequence[_EditReading]]) -> Rows:
    def row(prompt: int, item: int | None, by: str, one: _EditReading) -> list[Any]:
        return [prompt, item, by, cell(one.score), cell(one.repeated), one.kl, one.text]

    rows: Rows = []
    for prompt, (own, of_prompt) in enumerate(zip(unsteered, seen, strict=True)):
        rows.append(row(prompt, None, "unsteered", own))
        rows += [row(prompt, at // 2, ("feature", "control")[at % 2], one) for at, one in enumerate(of_prompt)]
    return rows
