"""How it is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan

import numpy as np
import torch
from numpy.typing import NDArray

from reportgen.features.auto_labels import label_promoted_tokens
from reportgen.features.labels import Label, page_of
from reportgen.features.names import JOINED
from reportgen.features.options import CaseDictionaries, dictionaries_of, first_counted, labels_of, need_of
from reportgen.features.tables import dictionary_rows, note_rows
from reportgen.model.measures.memories import Reading
from reportgen.model.sae.dictionary import Dictionary, load_dictionary
from reportgen.model.sae.promoted import find_promoted_tokens
from reportgen.numerics.feature_activity import Activity, means_of, select_top
from reportgen.numerics.feature_changes import Changes, changes, part_of, share_in_common, shift_half_text
from reportgen.numerics.sparse import ReconstructionQuality
from reportgen.probes.sae_contrast import Contrast, Options
from reportgen.probing.case import Case
from reportgen.probing.probe import MeasuredModel
from reportgen.results.quantities import Cell, Rows
from reportgen.text.characters import mark_space

WORSE = 0.2
"""Share of the variance by which a dictionary may explain other worse than base, for its features to keep their
names."""
FLIPS = 200
"""Random signs of the prompts' differences that the number of changed features is held against."""
CHANCE = 0.95
"""Quantile of what the signs give that must be exceeded."""
SPEAKS = 10
"""Promoted tokens that a label is made of, where nobody wrote one."""
AROUND = 12
"""Tokens of context on either side of an example."""


@dataclass(frozen=True)
class _Side:
    """What a dictionary makes of all tokens of one model."""

    activity: Activity
    """All prompts, one after the other."""
    fvu: float


@dataclass(frozen=True)
class _Part:
    """What one dictionary gives."""

    item: int
    base: _Side
    other: _Side
    changes: Changes
    rising: Sequence[int]
    """Changed features, those that rise most first; none where the dictionary is not measurable."""
    falling: Sequence[int]
    in_common: float
    in_common_moved: float
    reason: str
    """Why it is not measurable in other; empty where it is."""
    read: Mapping[int, Reading]
    """Feature -> its tokens in base."""

    @property
    def count(self) -> int:
        """Features that changed."""
        return int(self.changes.beyond.sum())

    def row(self) -> list[Cell]:
        """Of the `changed` table."""
        one, two = self.base.activity, self.other.activity
        firing = int(((one.firing_counts() > 0) | (two.firing_counts() > 0)).sum())
        equal = all(np.array_equal(*pair) for pair in ((one.row, two.row), (one.feature, two.feature),
                                                       (one.value, two.value)))  # fmt: skip
        chance = float(np.quantile(self.changes.by_chance, CHANCE))
        known: list[Cell] = [None, None] if self.reason else [self.count, chance]
        return [self.item, firing, *known, len(self.changes.by_chance), equal, self.reason]

    def model_where_stronger(self, feature: int) -> Activity:
        """All tokens of the model in which a changed feature is stronger."""
        return (self.other if self.changes.difference[feature] > 0 else self.base).activity

    def difference_rows(self) -> Rows:
        """Of the `differences` table."""
        found, tokens = self.changes, self.base.activity.tokens
        densities = (side.activity.firing_counts() / tokens for side in (self.base, self.other))
        columns = (found.mean_base, found.mean_other, found.difference, found.standard_error, *densities)
        return [
            [self.item, rank, feature, *(float(column[feature]) for column in columns)]
            for side in (self.rising, self.falling)
            for rank, feature in enumerate(side, 1)
        ]


def compare(base: MeasuredModel[Options], other: MeasuredModel[Options]) -> Contrast:
    """One dictionary in memory at a time."""
    case, found = base.case, dictionaries_of(base.case)
    parts = [_part(base, other, found, item) for item in range(len(found.files))]
    labels = labels_of(case, found)
    measurable = [one for one in parts if not one.reason]
    shared, fvu_base, fvu_other = (
        np.array(values)
        for values in zip(*((one.in_common, one.base.fvu, one.other.fvu) for one in parts), strict=True)
    )
    return Contrast(
        in_common=_mean(shared, "no feature fires on any token"),
        changed_features=sum(one.count for one in measurable) if measurable else parts[0].reason,
        fvu_base=_mean(fvu_base, "the tokens do not differ"),
        fvu_other=_mean(fvu_other, "the tokens do not differ"),
        positions=parts[0].base.activity.tokens,
        in_common_by_item=shared.astype(np.float32),
        in_common_moved=np.array([one.in_common_moved for one in parts], np.float32),
        fvu_base_by_item=fvu_base.astype(np.float32),
        fvu_other_by_item=fvu_other.astype(np.float32),
        dictionaries=dictionary_rows(case.options),
        changed=[one.row() for one in parts],
        differences=[row for one in parts for row in one.difference_rows()],
        features=[row for one in parts for row in _feature_rows(case, one, found, labels)],
        examples=[row for one in parts for row in _example_rows(base, one)],
        notes=note_rows(found.notes),
        prompts=case.prompt_rows(case.options.prompts),
    )


def _part(base: MeasuredModel[Options], other: MeasuredModel[Options], found: CaseDictionaries, item: int) -> _Part:
    options = base.case.options
    dictionary = load_dictionary(found.files[item], base.model.device)
    ours, theirs = (_side(measured, dictionary) for measured in (base, other))
    prompts = [_means(base, one.activity) for one in (ours, theirs)]
    compared = changes(prompts[0], prompts[1], FLIPS, options.seed)
    reason = _reason_against_other(ours.fvu, theirs.fvu)
    moved = np.where(compared.beyond, compared.difference, 0.0) * (not reason)
    rising, falling = select_top(moved, options.top), select_top(-moved, options.top)
    named = sorted({*rising, *falling})
    shared, by_chance = (
        share_in_common(ours.activity, one) for one in (theirs.activity, shift_half_text(theirs.activity))
    )
    return _Part(
        item,
        ours,
        theirs,
        compared,
        rising,
        falling,
        _known_mean(shared),
        _known_mean(by_chance),
        reason,
        dict(zip(named, find_promoted_tokens(base.model, dictionary, named, max(options.tokens, SPEAKS)), strict=True)),
    )


def _side(measured: MeasuredModel[Options], dictionary: Dictionary) -> _Side:
    """The counted tokens of all prompts, encoded and given back, a chunk of rows at a time."""
    need, case = need_of(dictionary.files), measured.case
    rows = torch.cat([one.tensors_of(need, 0)[0][first_counted(case, one.tokens) :] for one in measured.captured])
    quality = ReconstructionQuality()
    state, fired = quality.init(), []
    for held, activations in dictionary.encode_chunks(rows):
        some = rows[held]
        given_back = dictionary.decode(activations, some)
        state = quality.update(state, *(one.cpu() for one in (some, given_back, activations)))
        row, feature = activations.nonzero(as_tuple=True)
        fired.append((row + held.start, feature, activations[row, feature]))
    found = [torch.cat(parts).cpu().numpy() for parts in zip(*fired, strict=True)]
    activity = Activity(len(rows), dictionary.features, found[0], found[1], found[2].astype("float64"))
    return _Side(activity, quality.finish(state).fvu)


def _means(measured: MeasuredModel[Options], activity: Activity) -> NDArray[np.float64]:
    """(prompt x feature) means over each prompt's counted tokens; both models have the same."""
    prompts, first = [], 0
    for one in measured.captured:
        end = first + len(one.tokens) - first_counted(measured.case, one.tokens)
        prompts.append(part_of(activity, first, end))
        first = end
    return means_of(prompts)


def _reason_against_other(base: float, other: float) -> str:
    if not other - base > WORSE:
        return ""
    return (
        f"not measurable, because the dictionary leaves {other:.2f} of other's variance unexplained, and {base:.2f} of "
        "base's: it does not describe what other has"
    )


def _known_mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else nan


def _mean(values: NDArray[np.float64], reason: str) -> float | str:
    known = _known_mean(values)
    return reason if isnan(known) else known


def _feature_rows(
    case: Case[Options], part: _Part, found: CaseDictionaries, labels: Mapping[tuple[int, int], Label]
) -> Rows:
    most = case.options.tokens
    rows: Rows = []
    for feature, reading in part.read.items():
        values = part.model_where_stronger(feature).column(feature)
        top, bottom = (list(map(case.tokenizer.show, ids)) for ids in (reading.top_ids, reading.bottom_ids))
        label = labels.get((part.item, feature)) or label_promoted_tokens(top[:SPEAKS])
        rows.append(
            [part.item, feature, label.text, label.origin, label.score, float((values > 0).mean()),
             float(values.max()), *(JOINED.join(map(mark_space, tokens[:most])) for tokens in (top, bottom)),
             page_of(found.files[part.item], feature)]
        )  # fmt: skip
    return rows


def _example_rows(base: MeasuredModel[Options], part: _Part) -> Rows:
    """The tokens are the same in both models."""
    case = base.case
    places = [
        (one.tokens, first, at)
        for one in base.captured
        for first in [first_counted(case, one.tokens)]
        for at in range(first, len(one.tokens))
    ]
    rows: Rows = []
    for feature in part.read:
        values = part.model_where_stronger(feature).column(feature)
        shown: dict[tuple[str, str, str], float] = {}
        for place in np.argsort(-values, kind="stable")[: np.count_nonzero(values)].tolist():
            ids, first, at = places[place]
            before, after = ids[max(at - AROUND, first) : at], ids[at + 1 : at + 1 + AROUND]
            text = (case.tokenizer.decode(before), case.tokenizer.show(ids[at]), case.tokenizer.decode(after))
            shown.setdefault(text, float(values[place]))
            if len(shown) == case.options.kept:
                break
        rows += [[part.item, feature, rank, value, *text] for rank, (text, value) in enumerate(shown.items(), 1)]
    return rows
