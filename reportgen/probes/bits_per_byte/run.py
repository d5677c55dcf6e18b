"""How it is measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from reportgen.cache import UnfinishedWork
from reportgen.features.text_options import documents_of
from reportgen.model.measures.token_loss import token_losses
from reportgen.model.needs import Pass, PassResult, Unmeasurable
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.code_length import perplexity, spread_over_bytes
from reportgen.numerics.resampling import FEWEST, mean_interval_95, ratio_interval_95
from reportgen.probes.bits_per_byte import Bits, Options, need_of
from reportgen.probes.bits_per_byte.tally import LISTED, Listed, Tally
from reportgen.probes.bits_per_byte.texts import Window, cut_windows, read_texts
from reportgen.probes.bits_per_byte.words import cut_words
from reportgen.probing.case import Case
from reportgen.probing.findings import reason_rows
from reportgen.probing.probe import Later
from reportgen.results.quantities import Rows
from reportgen.text.tokens import TextTokenizer

KEPT_EVERY = 64
"""Windows after which what is done is kept; where there are many, after a thirty-second part of those that are done,
so that what is written does not grow faster than what is read.
"""


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Later[Bits]:
    """One window after another, going on where an interrupted run has ended."""
    options, keeping = case.options, _Keeping(case.unfinished)
    tally = keeping.restore()
    for text in read_texts(case.tokenizer, documents_of(options), done=tally.documents):
        if reason := text.explain():
            tally.skip(text, reason)
            continue
        done = tally.current.windows
        for number, window in enumerate(cut_windows(text, options.window, options.overlap)):
            if number >= done:
                (passed,) = yield [Pass(window.tokens, (need_of(case),))]
                tally.take(text, window, _nats(case, model, window, passed))
                keeping.keep(tally)
        tally.finish(text)
    if not tally.of_texts:
        raise Unmeasurable("; ".join(dict.fromkeys(tally.skipped.values())))
    found = _build(case, tally)
    keeping.drop()
    return found


class _Keeping:
    """Keeps what is done now and then."""

    def __init__(self, unfinished: UnfinishedWork | None) -> None:
        self._unfinished = unfinished
        self._next = KEPT_EVERY
        """Windows after which it is kept again."""

    def restore(self) -> Tally:
        """What an interrupted run has left, or a beginning."""
        content = None if self._unfinished is None else self._unfinished.read()
        try:
            tally = Tally() if content is None else Tally.unpack(content)
        except (ValueError, TypeError, KeyError, AttributeError):
            tally = Tally()  # it is done again
        self._plan_next(tally)
        return tally

    def keep(self, tally: Tally) -> None:
        """Keeps it if it is time."""
        if self._unfinished is not None and len(tally.window_bits) >= self._next:
            self._unfinished.write(tally.pack())
            self._plan_next(tally)

    def drop(self) -> None:
        """It is finished."""
        if self._unfinished is not None:
            self._unfinished.drop()

    def _plan_next(self, tally: Tally) -> None:
        done = len(tally.window_bits)
        self._next = done + max(KEPT_EVERY, done // 32)


def _nats(case: Case[Options], model: LoadedModel, window: Window, passed: PassResult) -> NDArray[np.float64]:
    """(token) −ln p of the new tokens of a window, each at the row before it."""
    residual = passed.tensors_of(need_of(case), 0)[0]
    tokens = torch.tensor(window.tokens[window.first :], device=residual.device)
    found: NDArray[np.float64] = token_losses(model, residual[window.first - 1 : -1], tokens).double().cpu().numpy()
    return found


def _build(case: Case[Options], tally: Tally) -> Bits:
    of_texts, whole = np.array(tally.of_texts), tally.whole
    low, high = mean_interval_95(of_texts)
    few = f"fewer than {FEWEST} texts are too few for an interval"
    few_windows = f"fewer than {FEWEST} windows are too few for an interval"
    of_windows = ratio_interval_95(np.array(tally.window_bits), np.array(tally.window_bytes))
    ends = [float(end) if np.isfinite(end) else few_windows for end in of_windows]
    return Bits(
        bits_per_byte=whole.bits_per_byte,
        bits_low=ends[0],
        bits_high=ends[1],
        mean_of_texts=float(of_texts.mean()),
        mean_low=float(low) if len(of_texts) >= FEWEST else few,
        mean_high=float(high) if len(of_texts) >= FEWEST else few,
        perplexity=perplexity(whole.bits, whole.tokens),
        confidence=tally.probability / whole.tokens,
        texts_read=len(of_texts),
        tokens=whole.tokens,
        bytes=whole.bytes,
        left_out=whole.left_out,
        texts=_text_rows(tally),
        scripts=_script_rows(tally),
        pieces=[row for one in tally.listed for row in _piece_rows(case.tokenizer, one)],
        words=[row for one in tally.listed for row in _word_rows(one)],
        skipped=reason_rows(tally.skipped),
    )


def _text_rows(tally: Tally) -> Rows:
    """A row a text, and one for all that have none."""
    count = len(tally.of_texts) - len(tally.rows)
    rest: Rows = [[None, f"{count:,} more", *tally.rest.cells()]] if count else []
    return [*tally.rows, *rest]


def _script_rows(tally: Tally) -> Rows:
    """Those with most bytes first."""
    rows: Rows = [
        [script, sums.bytes, sums.tokens, sums.bits_per_byte if sums.bytes else None]
        for script, sums in tally.scripts.items()
    ]
    return sorted(rows, key=lambda row: -int(row[1] or 0))


def _piece_rows(tokenizer: TextTokenizer, one: Listed) -> Rows:
    """The tokens that begin within the bytes that are listed."""
    sizes = _sizes_of(one)
    count = int((one.before + np.cumsum(sizes) - sizes < LISTED).sum())
    shown = tokenizer.show_sequence(one.ids[:count])
    return [[one.text, at, shown[at], one.bits[at], int(sizes[at])] for at in range(count)]


def _word_rows(one: Listed) -> Rows:
    """The words that end within the bytes that are listed."""
    of_bytes = spread_over_bytes(np.array(one.bits, dtype=np.float64), _sizes_of(one))
    rows: Rows = []
    end = 0
    # Behind what is listed a character may be cut in two.
    for place, word in enumerate(cut_words(b"".join(one.pieces).decode(errors="ignore"))):
        start, end = end, end + len(word.encode())
        if one.before + end > LISTED:
            break
        bits = float(of_bytes[start:end].sum())
        rows.append([one.text, place, word, bits if np.isfinite(bits) else None, end - start])
    return rows


def _sizes_of(one: Listed) -> NDArray[np.int64]:
    """(token) bytes."""
    return np.array([len(piece) for piece in one.pieces], dtype=np.int64)
