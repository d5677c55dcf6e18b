"""How it is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, nan
from typing import Any

import numpy as np
import torch

from reportgen.features.options import dictionaries_of, need_of
from reportgen.features.tables import cell, dictionary_rows, note_rows
from reportgen.features.window_options import windows_of
from reportgen.model.capture.edit import Scale
from reportgen.model.measures.token_loss import token_losses
from reportgen.model.needs import Edit, Need, Operation, Pass, PassResult, Site
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.sae.dictionary import Dictionary, load_dictionary
from reportgen.model.sae.files import DictionaryFiles, Place
from reportgen.model.sae.splice import Splice
from reportgen.numerics.sparse import Quality, ReconstructionQuality, delta_loss, loss_recovered
from reportgen.probes.sae_quality import Options, Qualities, places_of
from reportgen.probes.sae_quality.view import APART, APART_RELATIVE, SHARES
from reportgen.probing.case import Case
from reportgen.probing.probe import Later
from reportgen.results.quantities import Rows
from reportgen.text.windows import Windows

LEAST_COST = 0.01
"""Nats that zeros in a dictionary's place have to cost for a share of them to mean anything."""
STATED = ("l0", *SHARES, "delta_loss")
"""Numbers that a dictionary's file may state."""


class _Bench:
    """The sums over all windows that have passed."""

    def __init__(self, model: LoadedModel, files: Sequence[DictionaryFiles], windows: Windows) -> None:
        self.model, self.windows = model, windows
        self.dictionaries: list[Dictionary] = [load_dictionary(one, model.device) for one in files]
        self.places = places_of(files)
        self.predictions = 0
        quality = ReconstructionQuality()
        self._accumulator, self._states = quality, [quality.init() for _ in files]
        self._variants: list[tuple[Place, Operation]] = [
            *((place, Scale(0.0)) for place in self.places),
            *((one.files.place, Splice(one)) for one in self.dictionaries),
        ]
        self._losses = [0.0] * (1 + len(self._variants))
        self._final = Need(Site.RESIDUAL, "all", (model.layers,))

    def passes(self, window: int) -> list[Pass]:
        """A window as it is, then with everything that is put in its place."""
        tokens = self.windows.tokens(window)
        changed = tuple(range(self._first_counted(window), len(tokens)))
        needs = dict.fromkeys([self._final, *(need_of(one.files) for one in self.dictionaries)])
        return [
            Pass(tokens, tuple(needs)),
            *(
                Pass(tokens, (self._final,), edits=(Edit(place.site, place.index, operation, changed),))
                for place, operation in self._variants
            ),
        ]

    def take(self, window: int, captured: Sequence[PassResult]) -> None:
        """Adds what a window gave."""
        first = self._first_counted(window)
        for item, dictionary in enumerate(self.dictionaries):
            rows = captured[0].tensors_of(need_of(dictionary.files), 0)[0][first:]
            self._states[item] = self._sum_rows(item, rows)
        tokens = self.windows.tokens(window)
        targets = torch.tensor(tokens[first + 1 :], device=self.model.device)
        self.predictions += len(targets)
        streams = [single.tensors_of(self._final, 0)[0][first:-1] for single in captured]
        losses = token_losses(self.model, torch.cat(streams), targets.repeat(len(streams)))
        for variant, of_variant in enumerate(losses.double().reshape(len(streams), -1).sum(1).tolist()):
            self._losses[variant] += of_variant

    @property
    def clean(self) -> float:
        """Nats a token in the model as it is."""
        return self._losses[0] / self.predictions

    def loss_with_zeros(self, item: int) -> float:
        """The same with zeros in the place of what a dictionary read."""
        return self._losses[1 + self.places.index(self.dictionaries[item].files.place)] / self.predictions

    def loss_spliced(self, item: int) -> float:
        """The same with its reconstruction there."""
        return self._losses[1 + len(self.places) + item] / self.predictions

    def quality(self, item: int) -> Quality:
        """What was summed of a dictionary."""
        return self._accumulator.finish(self._states[item])

    def _first_counted(self, window: int) -> int:
        return int(self.windows.added[window])

    def _sum_rows(self, item: int, rows: Any) -> Any:
        """The state after some rows, a few at a time: activations of all features are many."""
        state, dictionary = self._states[item], self.dictionaries[item]
        for held, activations in dictionary.encode_chunks(rows):
            some = rows[held].to(dictionary.device)
            state = self._accumulator.update(state, some, dictionary.decode(activations, some), activations)
        return state


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Later[Qualities]:
    """One window after another."""
    bench = _Bench(model, dictionaries_of(case).files, windows_of(case))
    for window in range(len(bench.windows)):
        bench.take(window, (yield bench.passes(window)))
    return _build_findings(case, bench)


def _build_findings(case: Case[Options], bench: _Bench) -> Qualities:
    found, count = dictionaries_of(case), len(bench.dictionaries)
    qualities = [bench.quality(item) for item in range(count)]
    rows = [_quality_row(bench, item, qualities[item]) for item in range(count)]

    def mean(name: str) -> float:
        return float(np.mean([row[name] for row in rows if isfinite(row[name])] or [nan]))

    return Qualities(
        tokens=qualities[0].tokens,
        loss=bench.clean,
        l0=mean("l0"),
        fvu=_replace_undefined(mean("fvu"), "what the dictionaries read does not vary"),
        loss_recovered=_replace_undefined(mean("loss_recovered"), _explain_cheap()),
        delta_loss=mean("delta_loss"),
        dead_share=mean("dead"),
        dense_share=mean("dense"),
        dictionaries=dictionary_rows(case.options),
        quality=[
            [item, *map(cell, row.values()), "" if isfinite(row["loss_recovered"]) else _explain_cheap()]
            for item, row in enumerate(rows)
        ],
        stated=[row for item, one in enumerate(found.files) for row in _stated_rows(item, one, rows[item])],
        density=[np.asarray(one.density.cpu().numpy(), np.float64) for one in qualities],
        notes=note_rows(found.notes),
        text=[[len(bench.windows), qualities[0].tokens, bench.predictions]],
    )


def _replace_undefined(value: float, reason: str) -> float | str:
    return value if isfinite(value) else reason


def _explain_cheap() -> str:
    return f"zeros in its place cost less than {LEAST_COST} nat"


def _quality_row(bench: _Bench, item: int, quality: Quality) -> dict[str, float]:
    """Of the `quality` table; NaN where a number is not defined."""
    spliced, zero = bench.loss_spliced(item), bench.loss_with_zeros(item)
    dear = zero - bench.clean >= LEAST_COST
    return {
        "l0": quality.l0,
        "fvu": quality.fvu,
        "explained_variance": quality.explained_variance,
        "cosine": quality.cosine,
        "dead": quality.dead,
        "dense": quality.dense,
        "loss_spliced": spliced,
        "loss_zero": zero,
        "delta_loss": delta_loss(bench.clean, spliced),
        "loss_recovered": loss_recovered(bench.clean, zero, spliced) if dear else nan,
    }


def _stated_rows(item: int, one: DictionaryFiles, measured: Mapping[str, float]) -> Rows:
    """What a file says of itself: L0 in its name or notes, and what our own dictionaries say of a held-out text."""
    held_out = one.card.metadata.get("held_out")
    stated = {"l0": one.card.l0, **(held_out if isinstance(held_out, Mapping) else {})}
    rows: Rows = []
    for name in STATED:
        value = stated.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
            rows.append([item, name, float(value), cell(measured[name]), _agrees(name, float(value), measured[name])])
    return rows


def _agrees(name: str, stated: float, measured: float) -> bool | None:
    if not isfinite(measured):
        return None
    return abs(measured - stated) <= (APART if name in SHARES else APART_RELATIVE * abs(stated))
