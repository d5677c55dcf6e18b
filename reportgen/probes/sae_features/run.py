"""How it is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from reportgen.features.auto_labels import label_promoted_tokens
from reportgen.features.labels import Label, page_of
from reportgen.features.options import CaseDictionaries, dictionaries_of, first_counted, labels_of, need_of
from reportgen.features.tables import dictionary_rows, note_rows
from reportgen.model.measures.memories import Reading
from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.sae.dictionary import load_dictionary
from reportgen.model.sae.promoted import find_promoted_tokens
from reportgen.numerics.feature_activity import Activity, contrast, means_of, permute_largest_effect, select_top
from reportgen.probes.sae_features import Features, Options, prompts_of
from reportgen.probing.case import Case
from reportgen.results.quantities import Rows
from reportgen.text.spellings import word_of
from reportgen.text.tokens import is_fragment

AROUND = 12
"""Tokens of context on either side of an example."""
DEALS = 50
"""Random deals of prompts that the largest effect is held against."""
JOINED = " · "
SPEAKS = 10
"""Promoted tokens that a label is made of, where nobody wrote one."""


@dataclass(frozen=True)
class _Difference:
    """What the contrast says of one dictionary; empty where none is asked for."""

    rows: Rows
    control: list[str | int | float | bool | None]
    features: Sequence[int] = ()
    """Those that differ most."""


@dataclass(frozen=True)
class _Part:
    """What one dictionary gives."""

    item: int
    activity: Sequence[Activity]
    """(text) the prompts, then those of the contrast, then the examples."""
    strongest: Sequence[Sequence[int]]
    """(prompt) its features, the strongest first."""
    differing: _Difference
    read: Mapping[int, Reading]
    """Feature -> its tokens."""


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Features:
    """One dictionary in memory at a time."""
    found, count = dictionaries_of(case), len(case.options.prompts)
    labels, texts = labels_of(case, found), [single.tokens for single in captured]
    starts = _starts(case, captured)
    parts = [_part(case, model, found, item, captured) for item in range(len(found.files))]
    shown = [case.tokenizer.show_sequence(tokens) for tokens in texts[:count]]
    active = [one for part in parts for one in part.activity[:count]]
    l0 = np.concatenate([one.counts() for one in active])
    return Features(
        l0=float(l0.mean()) if len(l0) else "there is no token beside BOS, or none is written",
        strongest_share=_strongest_share(active),
        example_tokens=sum(parts[0].activity[text].tokens for text in _drop_repeated(texts)),
        dictionaries=dictionary_rows(case.options),
        strongest=[row for part in parts for row in _strongest_rows(part, starts, shown)],
        features=[row for part in parts for row in _feature_rows(case, part, found, labels, _drop_repeated(texts))],
        examples=[row for part in parts for row in _example_rows(case, part, texts, starts)],
        by_token=[
            [prompt, part.item, position + starts[prompt], rank, feature, value]
            for part in parts
            for prompt in range(count)
            for position, rank, feature, value in part.activity[prompt].strongest_of_tokens(case.options.k)
        ],
        contrast=[row for part in parts for row in part.differing.rows],
        controls=[part.differing.control for part in parts if part.differing.control],
        activations=[_strips(parts, prompt, starts[prompt], case.options.top) for prompt in range(count)],
        l0_by_token=[_counts(parts, prompt, starts[prompt]) for prompt in range(count)],
        notes=note_rows(found.notes),
        written=[
            [prompt, case.tokenizer.decode(texts[prompt][starts[prompt] :])]
            for prompt in range(count if case.options.over == "generated" else 0)
        ],
        skipped=_skipped(case, captured),
        tokens=[[prompt, at, token] for prompt, row in enumerate(shown) for at, token in enumerate(row)],
        prompts=case.prompt_rows(case.options.prompts),
    )  # fmt: skip


def _part(
    case: Case[Options], model: LoadedModel, found: CaseDictionaries, item: int, captured: Sequence[PassResult]
) -> _Part:
    options, files = case.options, found.files[item]
    dictionary = load_dictionary(files, model.device)
    activity = []
    for single, start in zip(captured, _starts(case, captured), strict=True):
        need = need_of(files)
        rows = torch.cat([single.tensors_of(need, step)[0] for step in range(single.steps)])[start:]
        active = dictionary.find_active(rows)
        row, feature, value = (part.cpu().numpy() for part in (active.row, active.feature, active.value))
        activity.append(Activity(len(rows), files.features, row, feature, value.astype("float64")))
    prompts = len(options.prompts)
    strongest = [select_top(one.maxima(), options.top) for one in activity[:prompts]]
    differing = _contrast(options, item, _compared(case, captured, activity))
    named = sorted({one for tops in strongest for one in tops} | set(differing.features))
    read = dict(zip(named, find_promoted_tokens(model, dictionary, named, options.tokens), strict=True))
    return _Part(item, activity, strongest, differing, read)


def _starts(case: Case[Options], captured: Sequence[PassResult]) -> list[int]:
    """(text) the first position that counts: where the model begins to write, or the first beside BOS."""
    written = len(prompts_of(case.options)) if case.options.over == "generated" else 0
    return [
        single.prompt_length if at < written else first_counted(case, single.tokens)
        for at, single in enumerate(captured)
    ]


def _counted(case: Case[Options], captured: Sequence[PassResult]) -> list[NDArray[np.bool_]]:
    """(prompt of the contrast) (token) whether it counts there: from its start on, and without masked words."""
    sides = case.options.contrast
    if sides is None:
        return []
    show, piece = case.tokenizer.show, case.tokenizer.piece
    forms = (form for text in sides.mask for form in (text, f" {text}"))
    ids = {token for form in forms for token in case.tokenizer.encode(form, special_tokens=False).ids}
    masked = {word_of(show(token)) for token in ids if not is_fragment(piece(token))} - {""}
    texts = slice(len(case.options.prompts), len(prompts_of(case.options)))
    return [
        np.array([word_of(show(token)) not in masked for token in single.tokens[start:]], bool)
        for single, start in zip(captured[texts], _starts(case, captured)[texts], strict=True)
    ]


def _compared(
    case: Case[Options], captured: Sequence[PassResult], activity: Sequence[Activity]
) -> tuple[Sequence[Activity], Sequence[Activity]]:
    """The two sets of the contrast, without tokens that do not count and prompts of which none is left."""
    sides, first = case.options.contrast, len(case.options.prompts)
    if sides is None:
        return [], []
    of_sets = [one.keep(kept) for one, kept in zip(activity[first:], _counted(case, captured), strict=False)]
    a, b = of_sets[: len(sides.a)], of_sets[len(sides.a) :]
    return [one for one in a if one.tokens], [one for one in b if one.tokens]


def _skipped(case: Case[Options], captured: Sequence[PassResult]) -> Rows:
    """The prompts of the contrast of which no token counts."""
    prompts = prompts_of(case.options)[len(case.options.prompts) :]
    return [
        [prompt.called, "nothing but masked words" if len(kept) else "the model writes nothing"]
        for prompt, kept in zip(prompts, _counted(case, captured), strict=False)
        if not kept.any()
    ]


def _drop_repeated(texts: Sequence[tuple[int, ...]]) -> list[int]:
    """The places of texts that no earlier one equals: a prompt may be a side of the contrast and an example too."""
    first: dict[tuple[int, ...], int] = {}
    for at, tokens in enumerate(texts):
        first.setdefault(tokens, at)
    return list(first.values())


def _strongest_share(active: Sequence[Activity]) -> float | str:
    shares = []
    for one in active:
        whole, most = np.zeros(one.tokens), np.zeros(one.tokens)
        np.add.at(whole, one.row, one.value)
        np.maximum.at(most, one.row, one.value)
        shares += (most[whole > 0] / whole[whole > 0]).tolist()
    return float(np.mean(shares)) if shares else "no feature fires on any token"


def _contrast(options: Options, item: int, sets: tuple[Sequence[Activity], Sequence[Activity]]) -> _Difference:
    a, b = sets
    if not (a and b):
        return _Difference([], [])
    compared = contrast(a, b)
    top = select_top(np.nan_to_num(np.abs(compared.effect), nan=0.0), options.top)
    columns = (compared.mean_a, compared.mean_b, compared.difference, compared.effect)
    rows: Rows = [[item, rank, one, *(float(column[one]) for column in columns)] for rank, one in enumerate(top, 1)]
    if min(len(a), len(b)) < 2:
        return _Difference(rows, [item, 0, None], top)
    effects = permute_largest_effect(means_of(a), means_of(b), DEALS, options.seed)
    reached = float(np.quantile(effects, 0.95)) if len(effects) else None
    return _Difference(rows, [item, len(effects), reached], top)


def _strongest_rows(part: _Part, starts: Sequence[int], shown: Sequence[Sequence[str]]) -> Rows:
    rows: Rows = []
    for prompt, features in enumerate(part.strongest):
        for rank, feature in enumerate(features, 1):
            column = part.activity[prompt].column(feature)
            at = int(column.argmax())
            token = shown[prompt][at + starts[prompt]]
            rows.append([prompt, part.item, rank, feature, float(column[at]), at + starts[prompt], token,
                         float(column.sum())])  # fmt: skip
    return rows


def _feature_rows(
    case: Case[Options],
    part: _Part,
    found: CaseDictionaries,
    labels: Mapping[tuple[int, int], Label],
    different: Sequence[int],
) -> Rows:
    activity = [part.activity[text] for text in different]
    tokens = sum(one.tokens for one in activity)
    firing = np.sum([one.firing_counts() for one in activity], axis=0)
    largest = np.max([one.maxima() for one in activity], axis=0)
    rows: Rows = []
    for feature, reading in part.read.items():
        ends = [list(map(case.tokenizer.show, ids)) for ids in (reading.top_ids, reading.bottom_ids)]
        label = labels.get((part.item, feature)) or label_promoted_tokens(ends[0][:SPEAKS])
        numbers = [float(firing[feature] / tokens), float(largest[feature])]
        link = page_of(found.files[part.item], feature)
        rows.append(
            [part.item, feature, label.text, label.origin, label.score, *numbers, *map(JOINED.join, ends), link]
        )
    return rows


def _example_rows(case: Case[Options], part: _Part, texts: Sequence[tuple[int, ...]], starts: Sequence[int]) -> Rows:
    best: dict[int, list[tuple[float, int, int]]] = {feature: [] for feature in part.read}
    for text in _drop_repeated(texts):
        one = part.activity[text]
        for row, feature, value in zip(one.row.tolist(), one.feature.tolist(), one.value.tolist(), strict=True):
            if feature in best:
                best[feature].append((-value, text, row + starts[text]))
    rows: Rows = []
    for feature, seen in best.items():
        for rank, (value, text, at) in enumerate(sorted(seen)[: case.options.kept], 1):
            ids = texts[text]
            before, after = ids[max(at - AROUND, starts[text]) : at], ids[at + 1 : at + 1 + AROUND]
            shown = [case.tokenizer.decode(before), case.tokenizer.show(ids[at]), case.tokenizer.decode(after)]
            rows.append([part.item, feature, rank, -value, *shown])
    return rows


def _strips(parts: Sequence[_Part], prompt: int, start: int, top: int) -> NDArray[np.float32]:
    length = parts[0].activity[prompt].tokens + start
    found = np.full((len(parts), top, length), np.nan, np.float32)
    for part in parts:
        for rank, feature in enumerate(part.strongest[prompt]):
            found[part.item, rank, start:] = part.activity[prompt].column(feature)
    return found


def _counts(parts: Sequence[_Part], prompt: int, start: int) -> NDArray[np.float32]:
    found = np.full((len(parts), parts[0].activity[prompt].tokens + start), np.nan, np.float32)
    for part in parts:
        found[part.item, start:] = part.activity[prompt].counts()
    return found
