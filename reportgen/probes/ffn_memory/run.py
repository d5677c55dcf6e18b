"""How it is measured."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from reportgen.model.measures.memories import Reading, readings, scale_as_written, strengths
from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel, select_likeliest
from reportgen.probes.ffn_memory import Memories, Options, named_keys, needs_of, passes_of_texts, trigger_need
from reportgen.probes.ffn_memory.view import BOTTOM, TOP
from reportgen.probing.case import Case
from reportgen.probing.probe import Later
from reportgen.results.quantities import Rows
from reportgen.text.characters import mark_space
from reportgen.text.prompts import Prompt

LETTERS = 4
"""Letters that a token and a word of the prompt must have in common."""


@dataclass(frozen=True)
class _Memory:
    """One of the strongest memories after a prompt."""

    prompt: int
    block: int
    rank: int
    feature: int
    coefficient: float
    strength: float
    share: float
    """Of all strength in its block."""


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Memories | Later[Memories]:
    """The strongest memories first, then, where it was not known before, what sets them off."""
    count = len(case.options.prompts)
    found = _find_strongest(case, model, captured[:count])
    if case.options.texts is None:
        return _memories(case, model, captured, found, {})
    if case.options.keys:
        return _memories(case, model, captured[:count], found, _triggers(case, named_keys(case), captured[count:]))
    return _run_texts(case, model, captured, found)


def _find_strongest(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> list[_Memory]:
    """Of every prompt and block, all prompts of a block together."""
    by_prompt = [single.tensors_of(needs_of(case, single.tokens)[0], 0) for single in captured]
    found = []
    for at, block in enumerate(case.named_blocks(case.options.blocks)):
        coefficients = torch.cat([blocks[at] for blocks in by_prompt]).float()
        strong = strengths(model, block, coefficients)
        best = strong.topk(min(case.options.k, strong.shape[1]))
        for prompt, (features, values) in enumerate(zip(best.indices.tolist(), best.values.tolist(), strict=True)):
            whole = float(strong[prompt].sum()) or 1.0
            found += [
                _Memory(prompt, block, rank, feature, float(coefficients[prompt, feature]), value, value / whole)
                for rank, (feature, value) in enumerate(zip(features, values, strict=True), 1)
            ]
    return sorted(found, key=lambda memory: (memory.prompt, memory.block, memory.rank))


def _triggers(
    case: Case[Options], keys: Sequence[tuple[int, int]], passed: Sequence[PassResult]
) -> dict[tuple[int, int], list[tuple[float, int, int]]]:
    """Key -> (coefficient, text, position), by size."""
    found = {}
    for key in keys:
        seen = []
        for text, single in enumerate(passed):
            of_text = single.values[trigger_need(case, single.tokens, tuple(keys))]
            seen += [(m, text, position) for m, position in of_text.get(key, [])]  # a feature may be none of the model
        found[key] = sorted(seen, key=lambda one: -abs(one[0]))[: case.options.prefixes]
    return found


def _memories(
    case: Case[Options],
    model: LoadedModel,
    captured: Sequence[PassResult],
    found: Sequence[_Memory],
    triggers: Mapping[tuple[int, int], Sequence[tuple[float, int, int]]],
) -> Memories:
    read = _readings(case, model, [*((memory.block, memory.feature) for memory in found), *triggers])
    answers = _answers(case, model, captured)
    blocks, prompts = case.named_blocks(case.options.blocks), len(case.options.prompts)
    strength = np.array([memory.strength for memory in found], np.float32).reshape(prompts, len(blocks), -1)
    show = case.tokenizer.show
    said = [[show(i) for i in _speaks_for(m, read[m.block, m.feature])] for m in found]
    words = [_words(prompt, str(row[3])) for prompt, row in zip(case.options.prompts, answers, strict=True)]
    told = [
        next((t for t in tokens if _spells(t, words[m.prompt])), None) for m, tokens in zip(found, said, strict=True)
    ]
    telling = {(m.prompt, m.block) for m, word in zip(found, told, strict=True) if word is not None}
    return Memories(
        coordinates={"block": blocks, "rank": range(1, strength.shape[2] + 1)},
        strongest_share=float(np.mean([memory.share for memory in found if memory.rank == 1])),
        telling_blocks=len(telling) / prompts,
        strength=strength,
        memories=[
            [m.prompt, m.block, m.rank, m.feature, m.coefficient, m.strength, " · ".join(map(mark_space, tokens)), word]
            for m, tokens, word in zip(found, said, told, strict=True)
        ],
        readings=[row for (block, feature), one in read.items() for row in _ends(case, block, feature, one)],
        triggers=_trigger_rows(case, triggers),
        answers=answers,
        prompts=case.prompt_rows(case.options.prompts),
    )  # fmt: skip


def _readings(
    case: Case[Options], model: LoadedModel, keys: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], Reading]:
    """What each memory's value says; all of them pass the unembedding together, each once."""
    wanted = sorted(set(keys))
    by_block: dict[int, list[int]] = {}
    for block, feature in wanted:
        by_block.setdefault(block, []).append(feature)
    rows = torch.cat([scale_as_written(model, block, features) for block, features in by_block.items()])
    return dict(zip(wanted, readings(model, rows, case.options.tokens), strict=True))


def _speaks_for(memory: _Memory, reading: Reading) -> list[int]:
    """The tokens that the memory adds to: those at the other end where its coefficient is negative."""
    return reading.top_ids if memory.coefficient > 0 else reading.bottom_ids


def _words(prompt: Prompt, answer: str) -> list[str]:
    """The longer words of a prompt, and the answer, in small letters."""
    texts = [message.content for message in prompt.messages] if prompt.messages else [prompt.text or ""]
    words = [word.casefold() for text in texts for word in re.findall(r"\w+", text)]
    return [*dict.fromkeys([answer.strip().casefold(), *(word for word in words if len(word) >= LETTERS)])]


def _spells(token: str, words: Sequence[str]) -> bool:
    """Whether a token is one of the words, or has enough of its letters from the beginning: "␣Japanese" of "japan"."""
    spelt = token.strip().casefold()
    if not any(letter.isalpha() for letter in spelt):
        return False
    long = [word for word in words if min(len(word), len(spelt)) >= LETTERS]
    return spelt in words or any(spelt.startswith(word) or word.startswith(spelt) for word in long)


def _ends(case: Case[Options], block: int, feature: int, reading: Reading) -> Rows:
    ends = ((TOP, reading.top_ids, reading.top_scores), (BOTTOM, reading.bottom_ids, reading.bottom_scores))
    return [
        [block, feature, end, rank, i, case.tokenizer.show(i), score]
        for end, ids, scores in ends
        for rank, (i, score) in enumerate(zip(ids, scores, strict=True), 1)
    ]


def _answers(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Rows:
    singles = captured[: len(case.options.prompts)]
    normed = torch.cat([single.tensors_of(needs_of(case, single.tokens)[1], 0)[0] for single in singles])
    ids = [
        i
        for rows, logits in model.final_logits(normed)
        for i in select_likeliest(logits, 1)[1][: rows.stop - rows.start, 0].tolist()
    ]
    places = (case.named_position(case.options.position, single.tokens) for single in singles)
    return [[p, at, i, case.tokenizer.show(i)] for p, (at, i) in enumerate(zip(places, ids, strict=True))]


def _trigger_rows(case: Case[Options], triggers: Mapping[tuple[int, int], Sequence[tuple[float, int, int]]]) -> Rows:
    texts = [case.tokens(text) for text in case.options.texts or ()]
    return [
        [block, feature, rank, text, position, case.tokenizer.decode(texts[text][: position + 1]), m]
        for (block, feature), seen in triggers.items()
        for rank, (m, text, position) in enumerate(seen, 1)
    ]


def _run_texts(
    case: Case[Options], model: LoadedModel, captured: Sequence[PassResult], found: Sequence[_Memory]
) -> Later[Memories]:
    keys = tuple((memory.block, memory.feature) for memory in found if memory.prompt == 0 and memory.rank == 1)
    texts = [case.tokens(text) for text in case.options.texts or ()]
    passed = yield passes_of_texts(case, texts, keys)
    return _memories(case, model, captured, found, _triggers(case, keys, passed))
