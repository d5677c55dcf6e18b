"""How it is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reportgen.model.capture.edit import Replace
from reportgen.model.measures.surprisal import next_tokens, surprisals
from reportgen.model.needs import Edit, Need, Pass, PassResult, Site
from reportgen.model.network.loaded import LoadedModel
from reportgen.probes.patchscope import (
    AnswerOptions,
    Options,
    PatchedAnswers,
    identity_places,
    layer_pairs,
    map_layers,
    map_pairs,
    names,
    needs_of,
    source_places,
    stream_need,
    target_place,
    target_places,
)
from reportgen.probing.case import Case
from reportgen.probing.patch_targets import Place, Target
from reportgen.probing.probe import Later
from reportgen.results.quantities import Rows

_FINAL = Need(Site.FINAL, "last")


@dataclass(frozen=True)
class WrittenAnswer:
    """What was written with one representation in one target."""

    prompt: int
    target: int
    layer: int
    target_layer: int
    tokens: tuple[int, ...]


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Later[PatchedAnswers]:
    """A target at a time, all prompts and layers together: what stands before the word passes once."""
    options = case.options
    sources, targets = len(options.prompts), len(options.targets)
    stream = tuple(dict.fromkeys(layer for layer, _ in layer_pairs(case, options)))
    unpatched = captured[sources : sources + targets]
    represented = [
        _map_by_layer(captured[prompt], place, stream) for prompt, place in enumerate(source_places(case, options))
    ]
    pairs = layer_pairs(case, options)
    answers: list[list[WrittenAnswer]] = [[] for _ in represented]
    for target, into in enumerate(target_places(case, options)):
        answered = yield [
            single for rows in represented for single in list_answer_passes(case, options, into, rows, pairs)
        ]
        for at, single in enumerate(answered):
            prompt, pair = divmod(at, len(pairs))
            tokens = single.tokens[single.prompt_length :]
            answers[prompt].append(WrittenAnswer(prompt, target, *pairs[pair], tokens))
    written = [one for of_prompt in answers for one in of_prompt]
    agree: list[Tensor] = []
    surprise: list[Tensor] = []
    for place, single in zip(identity_places(case), captured[sources + targets :], strict=True):
        passes, expected = _echoes(case, model, place, single)
        found = _measure_surprisals(model, (yield passes), expected)
        agree.append(found[0])
        surprise.append(found[1])
    layers, into_layers = map_layers(case)
    shape = (len(layers), len(into_layers)) if agree else (0, 0)
    maps = [_average_over_texts(one, shape) for one in (agree, surprise)]
    told = "identity_prompts are not asked for"
    return PatchedAnswers(
        **collect_answers(case, options, written, [one.tokens[one.prompt_length :] for one in unpatched]),
        precision=float(np.mean(maps[0])) if agree else told,
        surprisal=float(np.mean(maps[1])) if agree else told,
        precision_by_layer=maps[0],
        surprisal_by_layer=maps[1],
        targets=target_rows(case, [*options.targets, *([options.identity] if agree else [])]),
        sources=source_rows(case, options),
        prompts=case.prompt_rows(options.prompts),
        words=word_rows(case, options),
        coordinates={"layer": layers, "item": into_layers} if agree else {},
    )


def word_rows(case: Case[Any], options: AnswerOptions) -> Rows:
    """Rows of the table `words`: of the prompts that are read at their word, and not at a position."""
    if options.position is not None:
        return []
    return case.word_rows((number, prompt, prompt.word) for number, prompt in enumerate(options.prompts))


def put_representation(place: Place, layer: int, row: Tensor) -> Edit:
    """The edit that puts a representation into a target, while its prompt passes."""
    return Edit(Site.RESIDUAL, layer, Replace(row), (place.position,), during="prompt")


def list_answer_passes(
    case: Case[Any], options: AnswerOptions, into: Place, rows: Mapping[int, Tensor], pairs: Sequence[tuple[int, int]]
) -> list[Pass]:
    """A pass a pair of layers, which writes the answer."""
    return [
        Pass(into.ids, (), options.continue_ + 1, edits=(put_representation(into, layer, rows[source]),))
        for source, layer in pairs
    ]


def _echoes(case: Case[Options], model: LoadedModel, place: Place, single: PassResult) -> tuple[list[Pass], list[int]]:
    """The identity prompt with the representation of every pair of layers, and the token that it is to give back."""
    stream, final = needs_of(place, tuple(dict.fromkeys(layer for layer, _ in layer_pairs(case, case.options))))
    rows = dict(zip(sorted(stream.indices or ()), (row[0] for row in single.tensors_of(stream, 0)), strict=True))
    answers = next_tokens(model, single.tensors_of(final, 0)[0])
    into = target_place(case, case.options.identity)
    pairs = map_pairs(case)
    passes = [
        Pass(into.ids, (_FINAL,), edits=(put_representation(into, layer, rows[source]),)) for source, layer in pairs
    ]
    return passes, answers * len(pairs)


def _measure_surprisals(
    model: LoadedModel, captured: Sequence[PassResult], answers: Sequence[int]
) -> tuple[Tensor, Tensor]:
    return surprisals(model, torch.cat([single.tensors_of(_FINAL, 0)[0] for single in captured]), answers)


def _average_over_texts(found: Sequence[Tensor], shape: tuple[int, int]) -> NDArray[np.float32]:
    """(source layer x target layer)"""
    if not found:
        return np.empty(shape, np.float32)
    mean: NDArray[np.float64] = np.mean([one.double().numpy() for one in found], axis=0)
    return mean.reshape(shape).astype(np.float32)


def collect_answers(
    case: Case[Any], options: AnswerOptions, written: Sequence[WrittenAnswer], unpatched: Sequence[Sequence[int]]
) -> dict[str, Any]:
    """What every probe of answers finds, by the names of its findings. `case` is that of the model that writes."""
    decode, show = case.tokenizer.decode, case.tokenizer.show_sequence
    own = [decode(tokens) for tokens in unpatched]
    words = [options.expected_words(prompt) for prompt in options.prompts]
    answers: Rows = []
    counted: list[bool] = []
    first: dict[int, int] = {}
    for one in written:
        target, text = options.targets[one.target], decode(one.tokens)
        answer = target.answer(text)
        named = names(answer, words[one.prompt]) if words[one.prompt] else None
        answers.append([one.prompt, target.id, one.layer, one.target_layer, text, answer, named])
        if named is not None and not names(target.answer(own[one.target]), words[one.prompt]):
            counted.append(named)
            if named:
                first[one.prompt] = min(first.get(one.prompt, one.layer), one.layer)
    none = "no word is expected" if not any(words) else "every target names what is expected unpatched"
    return {
        "named_share": float(np.mean(counted)) if counted else none,
        "first_layer": float(np.mean(list(first.values()))) if first else "no answer contains an expected word",
        "answers": answers,
        "unpatched": [[t.id, text, t.answer(text)] for t, text in zip(options.targets, own, strict=True)],
        "tokens": [
            [one.prompt, options.targets[one.target].id, one.layer, one.target_layer, step, token, shown]
            for one in written
            for step, (token, shown) in enumerate(zip(one.tokens, show(one.tokens), strict=True))
        ],
    }


def target_rows(case: Case[Any], targets: Sequence[Target]) -> Rows:
    """Rows of `targets`, an identity prompt that was asked for anyway once."""
    rows: Rows = []
    for target in targets:
        place, tokenizer = target_place(case, target), case.tokenizer
        row = [target.id, tokenizer.prompt_text(target), tokenizer.show_joined(place.ids), *_place_row(case, place)]
        rows += [row] if row not in rows else []
    return rows


def source_rows(case: Case[Any], options: AnswerOptions) -> Rows:
    """Rows of `sources`."""
    return [[prompt, *_place_row(case, place)] for prompt, place in enumerate(source_places(case, options))]


def _place_row(case: Case[Any], place: Place) -> list[Any]:
    return [place.position, case.tokenizer.show(place.token), place.word_tokens]


def _map_by_layer(captured: PassResult, place: Place, layers: tuple[int, ...]) -> dict[int, Tensor]:
    """Layer -> (width) the representation."""
    kept = captured.tensors_of(stream_need(place, layers), 0)
    return {layer: row[0] for layer, row in zip(sorted(layers), kept, strict=True)}
