"""A dictionary in memory: rows of a model's stream into activations of features, and back."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from reportgen.model.needs import Unmeasurable
from reportgen.model.sae.files import DictionaryFiles
from reportgen.model.sae.weights import read_parts

ROWS = 64
"""Rows that are encoded together. Fixed, and padded to: a row's bits change with the number of rows with it."""
_EPSILON = 1e-5
"""Added to the standard deviation of a row, as SAELens does."""


@dataclass(frozen=True)
class ActiveFeatures:
    """The features that fire, by ascending row, then feature; a (row x feature) matrix of mostly zeros."""

    row: torch.Tensor
    """(n) int64"""
    feature: torch.Tensor
    """(n) int64"""
    value: torch.Tensor
    """(n) float32, above 0"""


@dataclass(frozen=True)
class Gate:
    """The second path of a gated dictionary: which features fire is told apart from how strongly."""

    gate_bias: torch.Tensor
    """(feature)"""
    magnitude_bias: torch.Tensor
    """(feature)"""
    magnitude_scale: torch.Tensor
    """(feature) the factor itself, exp(r_mag)."""


@dataclass(frozen=True)
class Dictionary:
    """A sparse autoencoder in float32, every scale of its file folded into the weights."""

    files: DictionaryFiles
    encoder: torch.Tensor
    """(width x feature)"""
    encoder_bias: torch.Tensor | None
    """(feature); None for a gated one."""
    directions: torch.Tensor
    """(feature x width) what one unit of a feature's activation adds."""
    decoder_bias: torch.Tensor
    """(width)"""
    threshold: torch.Tensor | None = None
    """(feature) of JumpReLU: a feature fires strictly above it."""
    gate: Gate | None = None

    @property
    def width(self) -> int:
        """Numbers of a row."""
        return self.files.width

    @property
    def features(self) -> int:
        """Rows of the decoder."""
        return self.files.features

    @property
    def device(self) -> torch.device:
        """Where it lies."""
        return self.encoder.device

    @property
    def normalises(self) -> bool:
        """Whether each row is normalised first: then `decode` wants the rows too."""
        return self.files.layout.normalise != "none"

    def encode(self, rows: torch.Tensor) -> torch.Tensor:
        """(row x feature) float32 activations, not negative, of (row x width) vectors."""
        parts = [part for _, part in self.encode_chunks(rows)]
        return torch.cat(parts) if parts else torch.zeros(0, self.features, device=self.device)

    def encode_chunks(self, rows: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
        """The same, `ROWS` rows at a time, with the slice that they belong to."""
        for held, chunk in self._chunks(rows):
            yield held, self._activations(self._normalise_rows(chunk)[0])[: held.stop - held.start]

    def find_active(self, rows: torch.Tensor) -> ActiveFeatures:
        """What fires in (row x width) vectors, in memory that grows with what fires."""
        found: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
        for held, activations in self.encode_chunks(rows):
            row, feature = activations.nonzero(as_tuple=True)
            found.append((row + held.start, feature, activations[row, feature]))
        if not found:
            none = torch.zeros(0, dtype=torch.int64, device=self.device)
            return ActiveFeatures(none, none, torch.zeros(0, device=self.device))
        row, feature, value = (torch.cat(parts) for parts in zip(*found, strict=True))
        return ActiveFeatures(row, feature, value)

    def decode(self, activations: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        """(row x width) float32 sums of directions and bias, of (row x feature) activations.

        Args:
            activations: As `encode` gives them, or edited.
            rows: (row x width) what was encoded; a dictionary that normalises each row takes its norm from there.

        Raises:
            ValueError: the dictionary normalises, and no rows are given.
        """
        if rows is None and self.normalises:
            raise ValueError("this dictionary normalises each row: decode wants the rows that were encoded")
        out = torch.empty(len(activations), self.width, device=self.device)
        sources = activations if rows is None else rows
        for (held, chunk), (_, source) in zip(self._chunks(activations), self._chunks(sources), strict=True):
            out[held] = self._decode_rows(chunk, source)[: held.stop - held.start]
        return out

    def reconstruct(self, rows: torch.Tensor) -> torch.Tensor:
        """(row x width) decode(encode(rows)), holding activations of `ROWS` rows at a time."""
        out = torch.empty(len(rows), self.width, device=self.device)
        for held, chunk in self._chunks(rows):
            activations = self._activations(self._normalise_rows(chunk)[0])
            out[held] = self._decode_rows(activations, chunk)[: held.stop - held.start]
        return out

    def _chunks(self, rows: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
        """`ROWS` rows at a time in float32, the last ones filled up with copies of the last row."""
        for start in range(0, len(rows), ROWS):
            chunk = rows[start : start + ROWS].to(device=self.device, dtype=torch.float32)
            held = slice(start, start + len(chunk))
            if len(chunk) < ROWS:
                chunk = torch.cat([chunk, chunk[-1:].expand(ROWS - len(chunk), -1)])
            yield held, chunk

    def _normalise_rows(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The rows as the encoder reads them, and what (row x 1) factor and shift undo it.

        Raises:
            Unmeasurable: they are of another width. Some models hand on rows wider than their configuration says.
        """
        if rows.shape[-1] != self.width:
            told = f"its blocks pass on {rows.shape[-1]} numbers per token"
            raise Unmeasurable(f"the dictionary reads vectors of width {self.width}, and {told}")
        if self.files.layout.normalise == "constant norm":
            factor = torch.linalg.vector_norm(rows, dim=-1, keepdim=True) / self.width**0.5
            return rows / factor.clamp(min=torch.finfo(torch.float32).tiny), factor, torch.zeros_like(factor)
        if self.files.layout.normalise == "layer norm":
            shift = rows.mean(dim=-1, keepdim=True)
            factor = rows.std(dim=-1, keepdim=True)
            return (rows - shift) / (factor + _EPSILON), factor, shift
        return rows, torch.ones_like(rows[:, :1]), torch.zeros_like(rows[:, :1])

    def _activations(self, rows: torch.Tensor) -> torch.Tensor:
        if self.files.layout.subtract_decoder_bias:
            rows = rows - self.decoder_bias
        before = rows @ self.encoder
        if self.gate is not None:
            strength = before * self.gate.magnitude_scale + self.gate.magnitude_bias
            return strength.relu() * (before + self.gate.gate_bias > 0)
        if self.encoder_bias is not None:
            before = before + self.encoder_bias
        if self.files.layout.k is not None:
            best = before.topk(self.files.layout.k, dim=-1)
            return torch.zeros_like(before).scatter_(-1, best.indices, best.values.relu())
        if self.threshold is not None:
            return before.relu() * (before > self.threshold)
        return before.relu()

    def _decode_rows(self, activations: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        sums = activations @ self.directions + self.decoder_bias
        if not self.normalises:
            return sums
        _, factor, shift = self._normalise_rows(rows)
        return sums * factor + shift


def load_dictionary(files: DictionaryFiles, device: torch.device | str = "cpu") -> Dictionary:
    """A dictionary's weights on a device, in float32 whatever they are stored as.

    Raises:
        DictionaryError: the weights cannot be read, or hold NaN or infinity.
    """
    parts = read_parts(files, device)
    gate = None
    if files.layout.activation == "gated":
        gate = Gate(parts["gate_bias"], parts["magnitude_bias"], parts["magnitude_scale"].exp())
    return Dictionary(
        files,
        encoder=parts["encoder"].contiguous(),
        encoder_bias=parts.get("encoder_bias"),
        directions=parts["decoder"].contiguous(),
        decoder_bias=parts["decoder_bias"],
        threshold=parts.get("threshold"),
        gate=gate,
    )
