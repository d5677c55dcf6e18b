"""How it is measured."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reportgen.model.measures.steered import ablate_direction, add_direction, compare_with_unsteered
from reportgen.model.needs import Edit, Need, Pass, PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.similarity import cosine
from reportgen.numerics.steering import (
    MOST_KL,
    best_cell,
    broken_constraints,
    mean_of_defined,
    random_direction,
    scale_to_length,
    split_shuffled,
)
from reportgen.probes.steering import RANDOM, Steering, controls_of
from reportgen.probes.steering.options import Options, direction_file_of
from reportgen.probes.steering.refusals import JudgedAnswers, judge_answers, list_refusals
from reportgen.probes.steering.setting import HeldOutPrompt, Setting, read_position, wrap_as_chat
from reportgen.probing.case import Case
from reportgen.probing.findings import reason_rows
from reportgen.probing.probe import Later
from reportgen.probing.steering_score import LOOP, reasons_against_score_words, replace_undefined, text_of_prompt
from reportgen.results.quantities import Rows
from reportgen.text.prompts import Prompt
from reportgen.text.wording import language_share, repeated_share, script_share
from reportgen.training.directions import METHODS

TOGETHER = 64
"""Rows that go through the unembedding at once while texts are written: prompts are put together up to that many."""
PROMPTS_TOGETHER = 8
"""Prompts that pass at once where nothing is written: what they begin with alike passes once with every direction."""
NO_SETS = "the direction comes from a file, without sets that could be shuffled"
Side = Literal["towards", "away", "prompts", "harmless"]


@dataclass(frozen=True)
class _EditReading:
    """One prompt in the model as one edit leaves it."""

    score: float
    kl: float
    repeated: float = float("nan")
    text: str | None = None
    """None where nothing was written."""


@dataclass(frozen=True)
class _FoundDirections:
    """What is steered by, before its length is chosen."""

    steered: Sequence[NDArray[np.float64]]
    """(layer) each as it was found."""
    shuffled: Sequence[NDArray[np.float64]]
    """(layer) of a shuffled split; none where the direction comes from a file."""
    target: NDArray[np.float64] | None
    """What a cosine is with, where that is the score."""

    @classmethod
    def of_file(cls, setting: Setting) -> _FoundDirections:
        """As a file has them."""
        return cls(list(direction_file_of(setting.case.options).read(setting.layers)), (), None)

    @classmethod
    def between_sets(cls, setting: Setting, sides: Sequence[PassResult]) -> _FoundDirections:
        """By the method that is asked for, from what was read of both sets."""
        options, layers = setting.case.options, range(len(setting.layers))
        read = np.stack([_rows(single, need) for single, need in zip(sides, setting.side_need, strict=True)], axis=1)
        n, m = len(options.own_side), len(options.other_side)
        one, other = split_shuffled(n, m, options.seed)
        method = METHODS[options.direction]
        steered = [method(read[at, :n], read[at, n : n + m]) for at in layers]
        shuffled = [method(read[at][one], read[at][other]) for at in layers]
        target = None
        if options.score.kind == "cosine":
            ends = read[-1, n + m :] if len(sides) > n + m else read[-1, :n]
            target = METHODS["difference_of_means"](ends, read[-1, n : n + m])
        return cls(steered, shuffled, target)


class _DirectionSweep:
    """The directions, and the reading of every pass that is steered by them."""

    def __init__(self, setting: Setting, model: LoadedModel, captured: Sequence[PassResult]) -> None:
        self.setting, self.model = setting, model
        options = setting.case.options
        first, last = len(setting.sides), len(setting.sides) + len(setting.held)
        sides, self._own, self.answers = captured[:first], captured[first:last], captured[last:]
        is_filed = options.from_file
        found = _FoundDirections.of_file(setting) if is_filed else _FoundDirections.between_sets(setting, sides)
        self._target = found.target
        self.norm = np.array([np.linalg.norm(r) for r in found.steered])
        lengths = np.where(self.norm > 0, 1.0, 0.0) if options.normalise else self.norm
        width = len(found.steered[0])
        drawn = {
            name: [random_direction(width, layer, options.seed, draw) for layer in setting.layers]
            for draw, name in enumerate(RANDOM)
        }
        named = {"steered": found.steered, **({"shuffled": found.shuffled} if found.shuffled else {}), **drawn}
        self._directions = {
            name: [scale_to_length(r, length) for r, length in zip(of_name, lengths, strict=True)]
            for name, of_name in named.items()
        }

    def vector(self, name: str, at: int) -> Tensor:
        """(width) the direction, or a control, of one of the layers."""
        return torch.from_numpy(self._directions[name][at]).to(self.model.device, torch.float32)

    def edits(self, name: str, at: int, factor: float) -> tuple[Edit, ...]:
        """What steering by a direction, or a control, does."""
        options = self.setting.case.options
        return self.add_direction(at, name, factor) if options.mode == "add" else self.take_out(at, name)

    def controls(self, layers: Sequence[int], factor: float) -> list[tuple[Edit, ...]]:
        """The same with each control at some of the layers."""
        names = controls_of(self.setting.case.options)
        return [self.edits(name, at, factor) for name in names for at in layers]

    def add_direction(self, at: int, name: str = "steered", factor: float = 1.0) -> tuple[Edit, ...]:
        """Adds it, whatever the mode."""
        positions = self.setting.case.options.positions
        return add_direction(self.setting.layers[at], self.vector(name, at), factor, positions)

    def take_out(self, at: int, name: str = "steered") -> tuple[Edit, ...]:
        """Takes it out, whatever the mode."""
        positions = self.setting.case.options.positions
        return ablate_direction(self.setting.blocks, self.vector(name, at), positions)

    def measure(
        self, held: Sequence[HeldOutPrompt], variants: Sequence[tuple[Edit, ...]], *, written: bool = False
    ) -> Generator[Sequence[Pass], Sequence[PassResult], list[list[_EditReading]]]:
        """(prompt x variant) of all of these prompts with all of these edits, a few prompts at a time."""
        options, found = self.setting.case.options, list[list[_EditReading]]()
        steps = options.continue_ + 1 if written or options.score.of_text else 1
        together = max(1, TOGETHER // len(variants)) if steps > 1 else PROMPTS_TOGETHER
        for start in range(0, len(held), together):
            some = held[start : start + together]
            captured = yield [
                Pass(one.tokens, self.setting.needs, steps if one.written else 1, self.setting.draw, edits)
                for one in some
                for edits in variants
            ]
            for at, one in enumerate(some):
                found.append(
                    self._read_passes(one, captured[at * len(variants) : (at + 1) * len(variants)], written=written)
                )
        return found

    def read_unsteered(self) -> list[_EditReading]:
        """(prompt) the model as it is."""
        shown = {one.index for one in self.setting.shown}
        return [
            self._read_passes(one, [self._own[one.index]], written=one.index in shown)[0] for one in self.setting.held
        ]

    def _read_passes(self, one: HeldOutPrompt, captured: Sequence[PassResult], *, written: bool) -> list[_EditReading]:
        score = self.setting.case.options.score
        final, *last = self.setting.needs
        own = self._own[one.index].tensors_of(final, 0)[0]
        rows = [single.tensors_of(final, 0)[0] for single in captured]
        following = compare_with_unsteered(self.model, own, rows, self.setting.counted)
        seen = []
        for at, single in enumerate(captured):
            text = None
            if one.written and (written or score.of_text):
                text = self.setting.case.tokenizer.decode(single.tokens[single.prompt_length :])
            stream = _rows(single, last[0])[0] if last else None
            own_score = self._score_text(following.mass[at], following.odds[at], text, stream)
            seen.append(_EditReading(own_score, following.kl[at], _measure_repetition(text), text))
        return seen

    def _score_text(self, mass: float, odds: float, text: str | None, stream: NDArray[np.float64] | None) -> float:
        score = self.setting.case.options.score
        if score.language is not None:
            return float("nan") if text is None else language_share(text, score.language)
        if score.script is not None:
            return float("nan") if text is None else script_share(text, score.script)
        if stream is not None:
            return float(cosine(stream, self._target))
        return mass if score.kind == "tokens" else odds


@dataclass(frozen=True)
class _Table:
    """The sweep, with the model as it is among its cells."""

    setting: Setting
    unsteered: Sequence[_EditReading]
    sweep: Sequence[Sequence[_EditReading]]
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
        cls,
        setting: Setting,
        found: _DirectionSweep,
        sweep: Sequence[Sequence[_EditReading]],
        induced: Sequence[Sequence[_EditReading]],
    ) -> _Table:
        """Chooses the cell."""
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
        return cls(setting, found.read_unsteered(), sweep, scores, kl, repeated, chosen, choice)


@dataclass(frozen=True)
class _Controls:
    """The controls at some of the layers."""

    at: Sequence[int]
    seen: Sequence[Sequence[_EditReading]]
    """(prompt x control and layer)"""

    def means(self, held: Sequence[HeldOutPrompt], what: str, layers: int) -> NDArray[np.float64]:
        """(control x layer) NaN at the other layers."""
        values = mean_of_defined(_values(self.seen, held, what)).reshape(-1, len(self.at))
        found = np.full((len(values), layers), np.nan)
        found[:, list(self.at)] = values
        return found

    def of_prompt(self, prompt: int, control: int, at: int) -> _EditReading:
        """One prompt with one control at a layer."""
        return self.seen[prompt][control * len(self.at) + list(self.at).index(at)]


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Later[Steering]:
    """Directions, the sweep, the choice, the controls, the texts."""
    setting = Setting.of(case)
    found = _DirectionSweep(setting, model, captured)
    layers, factors = range(len(setting.layers)), case.options.factors
    cells = [found.edits("steered", at, factor) for at in layers for factor in factors]
    # Where there is one coefficient only, it is known for the controls beforehand: all pass together.
    known = len(factors) == 1 and case.options.mode == "add"
    further = found.controls(layers, factors[0]) if known else []
    sweep = yield from found.measure(setting.held, cells + further)
    controls = [of_prompt[len(cells) :] for of_prompt in sweep]
    induced: list[list[_EditReading]] = []
    if case.options.choose == "paper":
        induced = yield from found.measure(setting.priced, [found.add_direction(at) for at in layers])
    table = _Table.of(setting, found, [of_prompt[: len(cells)] for of_prompt in sweep], induced)
    (at, item), _ = table.chosen
    factor = factors[item]
    controlled = [at] if case.options.mode == "ablate" else list(layers)
    if not known:
        controls = yield from found.measure(setting.held, found.controls(controlled, factor))
    texts: list[list[_EditReading]] = []
    if not case.options.score.of_text:
        three = [found.edits(name, at, factor) for name in ("steered", *controls_of(case.options))]
        texts = yield from found.measure(setting.shown, three, written=True)
    answers = yield from judge_answers(
        setting,
        found.answers,
        {
            "harmful": [found.take_out(at, name) for name in ("steered", *RANDOM)],
            "harmless": [found.add_direction(at, name, factor) for name in ("steered", *RANDOM)],
        },
        TOGETHER // (1 + len(RANDOM)),
    )
    return _findings(case, setting, found, table, _Controls(controlled, controls), texts, answers)


def _rows(single: PassResult, need: Need) -> NDArray[np.float64]:
    """(layer x width) what was kept of one position."""
    return np.stack([value[0].double().cpu().numpy() for value in single.tensors_of(need, 0)])


def _measure_repetition(text: str | None) -> float:
    return float("nan") if text is None else repeated_share(text)


def _values(seen: Sequence[Sequence[_EditReading]], held: Sequence[HeldOutPrompt], what: str) -> NDArray[np.float64]:
    """(prompt x variant) one number of some of the prompts."""
    return np.array([[getattr(one, what) for one in seen[prompt.index]] for prompt in held])


def _findings(
    case: Case[Options],
    setting: Setting,
    found: _DirectionSweep,
    table: _Table,
    controls: _Controls,
    texts: Sequence[Sequence[_EditReading]],
    answers: Sequence[JudgedAnswers],
) -> Steering:
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
    asked = [wrap_as_chat(case, prompt) for prompt in options.prompts]

    def value_or_reason(value: float) -> float | str:
        return float(value) if qualifies else none

    return Steering(
        coordinates={"layer": layers},
        unsteered_score=replace_undefined(float(mean[0, zero])),
        best_score=value_or_reason(mean_of_defined(table.scores)[at, item]),
        best_layer=value_or_reason(layers[at]),
        best_coefficient=value_or_reason(options.factors[item]) if options.mode == "add" else "nothing is added",
        best_kl=value_or_reason(table.kl[at, item]),
        random_score=replace_undefined(float(control_score[0, at])),
        shuffled_score=NO_SETS if options.from_file else replace_undefined(float(control_score[1, at])),
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
        written=_list_texts(setting, table, controls, swept) if options.score.of_text else [],
        read=_read_at(case, setting),
        prompts=case.prompt_rows(asked),
        skipped=reason_rows(reasons_against_score_words(case.tokenizer, case.options.score.words)),
        **list_refusals(answers),
    )


def _texts(setting: Setting, table: _Table, controls: _Controls, texts: Sequence[Sequence[_EditReading]]) -> Rows:
    """Side by side: as it is, steered, and with both controls."""
    (at, item), _ = table.chosen
    rows: Rows = []
    for number, one in enumerate(setting.shown):
        if texts:
            three = [seen.text for seen in texts[number]]
        else:
            steered = table.sweep[one.index][at * len(setting.case.options.factors) + item]
            names = controls_of(setting.case.options)
            of_controls = [controls.of_prompt(one.index, control, at) for control in range(len(names))]
            three = [seen.text for seen in (steered, *of_controls)]
        padded = [*three, *[None] * (3 - len(three))]  # no shuffled split beside a direction from a file
        rows.append([one.index, text_of_prompt(one.prompt), table.unsteered[one.index].text, *padded])
    return rows


def _list_texts(setting: Setting, table: _Table, controls: _Controls, swept: Sequence[float | None]) -> Rows:
    """Every scored text: as it is (no layer), of the sweep, and of the controls."""
    layers, factors = setting.layers, len(setting.case.options.factors)
    (_, item), _ = table.chosen

    def row(prompt: int, layer: int | None, coefficient: float | None, name: str, seen: _EditReading) -> list[Any]:
        return [prompt, layer, coefficient, name, _cell(seen.score), _cell(seen.repeated), seen.kl, seen.text]

    rows: Rows = []
    for one in setting.scored:
        rows.append(row(one.index, None, 0.0, "unsteered", table.unsteered[one.index]))
        for number, seen in enumerate(table.sweep[one.index]):
            at, which = divmod(number, factors)
            rows.append(row(one.index, layers[at], swept[which], "steered", seen))
        for control, name in enumerate(controls_of(setting.case.options)):
            for at in controls.at:
                seen = controls.of_prompt(one.index, control, at)
                rows.append(row(one.index, layers[at], swept[item], name, seen))
    return rows


def _cell(value: float) -> float | None:
    return value if value == value else None


def _read_at(case: Case[Options], setting: Setting) -> Rows:
    """Every prompt with the token at which it is read."""
    options = case.options
    sides: list[tuple[Side, Sequence[Prompt]]] = [
        ("towards", options.own_side), ("away", options.other_side), ("prompts", options.prompts),
        ("harmless", options.harmless or ()),
    ]  # fmt: skip
    rows: Rows = []
    for side, prompts in sides:
        for number, prompt in enumerate(prompts):
            asked = wrap_as_chat(case, prompt)
            tokens = case.tokens(asked)
            place = read_position(options, len(tokens)) if side in ("towards", "away") else len(tokens) - 1
            token = case.tokenizer.show(tokens[place])
            rows.append([side, number, text_of_prompt(prompt), asked.text is None, len(tokens), place, token])
    return rows
