"""How it is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray

from reportgen.model.measures.token_loss import token_losses
from reportgen.model.needs import Pass, PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.code_length import bits_of, bits_per_byte, mean_probability, perplexity, spread_over_bytes
from reportgen.numerics.resampling import FEWEST, mean_interval_95, ratio_interval_95
from reportgen.probes.bits_per_byte import Bits, Options, need_of, probe, windows_of
from reportgen.probes.bits_per_byte.texts import ReadText, Window
from reportgen.probes.bits_per_byte.words import cut_words, scripts_of_tokens
from reportgen.probing.case import Case
from reportgen.probing.findings import reason_rows
from reportgen.probing.probe import Later
from reportgen.results.quantities import Cell, Rows
from reportgen.text.tokens import TextTokenizer

LISTED = 50_000
"""Bytes of the texts of which tokens and words are listed: the same of every model."""


@dataclass
class _Measured:
    """A text with what its windows gave."""

    text: ReadText
    bits: NDArray[np.float64] = field(init=False)
    """(token) −log2 p; NaN where it is not predicted."""
    window_bits: list[float] = field(default_factory=list)
    """(window) sum over its new tokens that are predicted."""
    window_bytes: list[int] = field(default_factory=list)
    """(window) that these spell."""

    def __post_init__(self) -> None:
        self.bits = np.full(len(self.text.ids), np.nan)
        self.sizes = np.array([len(piece) for piece in self.text.pieces])
        self._predicted = np.array(self.text.predicted)

    def take(self, window: Window, nats: NDArray[np.float64]) -> None:
        """Adds what a window says of its (token) new tokens."""
        places = slice(window.fresh, window.end)
        counted = self._predicted[places]
        self.bits[places] = np.where(counted, bits_of(nats), np.nan)
        self.window_bits.append(float(bits_of(nats)[counted].sum()))
        self.window_bytes.append(int(self.sizes[places][counted].sum()))

    def row(self) -> list[Cell]:
        """Of the `texts` table."""
        known = np.isfinite(self.bits)
        size = int(self.sizes[known].sum())
        found = bits_per_byte(self.bits, self.sizes)
        left_out = int(self.sizes.sum()) - size
        return [self.text.number, self.text.called, size, int(known.sum()), found, len(self.window_bits), left_out]


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Later[Bits]:
    """One window after another."""
    measured = []
    for text, windows in groupby(windows_of(case), key=lambda pair: pair[0]):
        one = _Measured(text)
        for _, window in windows:
            (passed,) = yield [Pass(window.tokens, (need_of(case),))]
            one.take(window, _nats(case, model, window, passed))
        measured.append(one)
    return _build(case, measured)


def _nats(case: Case[Options], model: LoadedModel, window: Window, passed: PassResult) -> NDArray[np.float64]:
    """(token) −ln p of the new tokens of a window, each at the row before it."""
    residual = passed.tensors_of(need_of(case), 0)[0]
    tokens = torch.tensor(window.tokens[window.first :], device=residual.device)
    found: NDArray[np.float64] = token_losses(model, residual[window.first - 1 : -1], tokens).double().cpu().numpy()
    return found


def _build(case: Case[Options], measured: Sequence[_Measured]) -> Bits:
    rows = [one.row() for one in measured]
    bits, sizes = np.concatenate([one.bits for one in measured]), np.concatenate([one.sizes for one in measured])
    known = np.isfinite(bits)
    of_texts = np.array([bits_per_byte(one.bits, one.sizes) for one in measured])
    low, high = mean_interval_95(of_texts)
    few = f"fewer than {FEWEST} texts are too few for an interval"
    window_bits = np.array([one for text in measured for one in text.window_bits])
    window_bytes = np.array([one for text in measured for one in text.window_bytes])
    few_windows = f"fewer than {FEWEST} windows are too few for an interval"
    ends = [float(end) if np.isfinite(end) else few_windows for end in ratio_interval_95(window_bits, window_bytes)]
    return Bits(
        bits_per_byte=bits_per_byte(bits, sizes),
        bits_low=ends[0],
        bits_high=ends[1],
        mean_of_texts=float(of_texts.mean()),
        mean_low=float(low) if len(of_texts) >= FEWEST else few,
        mean_high=float(high) if len(of_texts) >= FEWEST else few,
        perplexity=perplexity(bits),
        confidence=mean_probability(bits),
        texts_read=len(measured),
        tokens=int(known.sum()),
        bytes=int(sizes[known].sum()),
        left_out=int(sizes[~known].sum()),
        texts=rows,
        scripts=_script_rows(measured, bits, sizes),
        pieces=[row for one in measured for row in _piece_rows(case.tokenizer, one)],
        words=[row for one in measured for row in _word_rows(one)],
        skipped=reason_rows(probe.skipped_rows(case)),
    )


def _script_rows(measured: Sequence[_Measured], bits: NDArray[np.float64], sizes: NDArray[np.int64]) -> Rows:
    """Those with most bytes first."""
    scripts = np.array([script for one in measured for script in scripts_of_tokens(one.text.pieces)])
    known = np.isfinite(bits)
    rows: Rows = []
    for script in dict.fromkeys(scripts[known].tolist()):
        of_it = known & (scripts == script)
        size, found = int(sizes[of_it].sum()), bits_per_byte(bits[of_it], sizes[of_it])
        rows.append([script, size, int(of_it.sum()), found if size else None])
    return sorted(rows, key=lambda row: -int(row[1] or 0))


def _piece_rows(tokenizer: TextTokenizer, one: _Measured) -> Rows:
    """The tokens that begin within the bytes that are listed."""
    starts = one.text.before + np.cumsum(one.sizes) - one.sizes
    count = int((starts < LISTED).sum())
    shown = tokenizer.show_sequence(one.text.ids[:count])
    numbers = zip(one.bits[:count].tolist(), one.sizes[:count].tolist(), strict=True)
    return [[one.text.number, at, shown[at], _cell(bits), size] for at, (bits, size) in enumerate(numbers)]


def _word_rows(one: _Measured) -> Rows:
    """The words that end within the bytes that are listed."""
    of_bytes = spread_over_bytes(one.bits, one.sizes)
    rows: Rows = []
    end = 0
    for place, word in enumerate(cut_words(one.text.text)):
        start, end = end, end + len(word.encode())
        if one.text.before + end > LISTED:
            break
        rows.append([one.text.number, place, word, _cell(float(of_bytes[start:end].sum())), end - start])
    return rows


def _cell(value: float) -> float | None:
    return value if np.isfinite(value) else None
