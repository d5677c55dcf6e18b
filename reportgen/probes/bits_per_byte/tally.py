"""What is kept of texts that stream once through a model: sums, and the first of what is listed."""

from __future__ import annotations

import json
from array import array
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.numerics.code_length import bits_of, bits_per_byte, probabilities_of
from reportgen.probes.bits_per_byte.texts import ReadText, Window
from reportgen.results.quantities import Cell, Rows

LISTED = 50_000
"""Bytes of the texts of which tokens and words are listed: the same of every model."""
BEYOND = 1_000
"""Bytes behind those that are held, so that the last word that is listed is whole."""
LISTED_TEXTS = 10_000
"""Texts that have a row of their own."""


@dataclass
class Sums:
    """Of some tokens."""

    bits: float = 0.0
    bytes: int = 0
    tokens: int = 0
    windows: int = 0
    left_out: int = 0
    """Bytes of those that are not predicted."""

    def add(self, bits: NDArray[np.float64], sizes: NDArray[np.int64], windows: int = 0) -> None:
        """Takes (token) bits, NaN where one is not predicted, and bytes."""
        known = np.isfinite(bits)
        size = int(sizes[known].sum())
        self.bits += float(bits[known].sum())
        self.bytes += size
        self.tokens += int(known.sum())
        self.windows += windows
        self.left_out += int(sizes.sum()) - size

    def merge(self, other: Sums) -> None:
        """Takes what others hold."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def cells(self) -> list[Cell]:
        """Of the `texts` table."""
        return [self.bytes, self.tokens, self.bits_per_byte, self.windows, self.left_out]

    @property
    def bits_per_byte(self) -> float:
        """Of all of them; NaN where no byte was predicted."""
        return bits_per_byte(np.array([self.bits]), np.array([self.bytes]))


@dataclass
class Listed:
    """The beginning of a text, with what each token of it takes."""

    text: int
    before: int
    """Bytes of the texts before it."""
    ids: list[int] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)
    bits: list[float | None] = field(default_factory=list)
    """(token) None where it is not predicted."""
    held: int = 0
    """Bytes of the pieces."""

    def take(self, window: Window, bits: NDArray[np.float64]) -> None:
        """Adds the new tokens of a window as far as they are listed."""
        for token, piece, one in zip(window.new.ids, window.new.pieces, bits.tolist(), strict=True):
            if self.before + self.held > LISTED + BEYOND:
                return
            self.ids.append(token)
            self.pieces.append(piece)
            self.bits.append(one if np.isfinite(one) else None)
            self.held += len(piece)


@dataclass
class Tally:
    """All that is kept; it can be written down and gone on with."""

    documents: int = 0
    """Those that are done with, whether something of them was predicted or not."""
    current: Sums = field(default_factory=Sums)
    """Of the text that is being read."""
    whole: Sums = field(default_factory=Sums)
    """Of the texts that were read."""
    probability: float = 0.0
    """Σ p over the predicted tokens."""
    rows: Rows = field(default_factory=list)
    """Of the `texts` table."""
    rest: Sums = field(default_factory=Sums)
    """Of the texts without a row."""
    scripts: dict[str, Sums] = field(default_factory=dict)
    listed: list[Listed] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """What a text is called -> why nothing of it is predicted."""
    of_texts: array[float] = field(default_factory=lambda: array("d"))
    """(text) bits per byte."""
    window_bits: array[float] = field(default_factory=lambda: array("d"))
    """(window) Σ −log2 p over its new tokens that are predicted."""
    window_bytes: array[int] = field(default_factory=lambda: array("q"))
    """(window) that these spell."""

    def take(self, text: ReadText, window: Window, nats: NDArray[np.float64]) -> None:
        """Adds what a window says: (token) −ln p of those that it predicts."""
        new = window.new
        sizes = np.array([len(piece) for piece in new.pieces], dtype=np.int64)
        bits = np.full(len(sizes), np.nan)
        bits[len(sizes) - len(nats) :] = bits_of(nats)
        bits[np.array(new.special, dtype=bool)] = np.nan
        if text.before < LISTED:
            if not self.listed or self.listed[-1].text != text.number:
                self.listed.append(Listed(text.number, text.before))
            self.listed[-1].take(window, bits)
        self.current.add(bits, sizes, windows=1)
        known = np.isfinite(bits)
        self.probability += float(probabilities_of(bits[known]).sum())
        self.window_bits.append(float(bits[known].sum()))
        self.window_bytes.append(int(sizes[known].sum()))
        scripts = np.array(new.scripts)
        for script in dict.fromkeys(scripts[known].tolist()):
            of_it = known & (scripts == script)
            self.scripts.setdefault(script, Sums()).add(bits[of_it], sizes[of_it])

    def finish(self, text: ReadText) -> None:
        """Adds the text whose windows have passed."""
        found = self.current
        self.of_texts.append(found.bits_per_byte)
        if len(self.rows) < LISTED_TEXTS:
            self.rows.append([text.number, text.called, *found.cells()])
        else:
            self.rest.merge(found)
        self.whole.merge(found)
        self.current = Sums()
        self.documents += 1

    def skip(self, text: ReadText, reason: str) -> None:
        """Leaves a text out."""
        if len(self.skipped) < LISTED_TEXTS:
            self.skipped[text.called] = reason
        self.documents += 1

    def pack(self) -> bytes:
        """All of it as bytes; numbers come back as they were."""
        return json.dumps(self, default=_plain).encode()

    @classmethod
    def unpack(cls, content: bytes) -> Tally:
        """What was packed.

        Raises:
            ValueError, TypeError, KeyError: these bytes are none such.
        """
        held: dict[str, Any] = json.loads(content)
        for name in ("current", "whole", "rest"):
            held[name] = Sums(**held[name])
        held["scripts"] = {script: Sums(**one) for script, one in held["scripts"].items()}
        held["listed"] = [
            Listed(**one | {"pieces": [piece.encode("latin-1") for piece in one["pieces"]]}) for one in held["listed"]
        ]
        for name, code in (("of_texts", "d"), ("window_bits", "d"), ("window_bytes", "q")):
            held[name] = array(code, held[name])
        return cls(**held)


def _plain(value: Any) -> Any:
    """What JSON has no form for: bytes one character each, numbers as lists, the fields of what is made of fields."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value.tolist() if isinstance(value, array) else vars(value)
