"""Edits that put a dictionary in the place of what it read, or change one of its features there."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from reportgen.model.sae.dictionary import Dictionary

NewActivation = Callable[[torch.Tensor], torch.Tensor]
"""(row) activations of a feature to what takes their place."""


@dataclass(frozen=True, eq=False)
class Splice:
    """The reconstruction in the place of the rows: what the dictionary does not know is lost."""

    dictionary: Dictionary

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """What the dictionary gives back."""
        return self.dictionary.reconstruct(rows).to(rows)


@dataclass(frozen=True, eq=False)
class ClampFeature:
    """x + (value − a) d, with a the feature's activation and d its direction: what the dictionary does not know of x
    stays as it is. 0 takes the feature out.
    """

    dictionary: Dictionary
    feature: int
    value: float
    """In units of its activation; below 0 it points the other way."""

    def change(self, rows: torch.Tensor) -> torch.Tensor:
        """(row x width) what is added."""
        return _change(self.dictionary, self.feature, rows, lambda own: torch.full_like(own, self.value))

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """The rows with the feature at the value."""
        return rows + self.change(rows)


@dataclass(frozen=True, eq=False)
class ScaleFeature:
    """x + (factor · a − a) d: nothing where the feature is silent."""

    dictionary: Dictionary
    feature: int
    factor: float

    def change(self, rows: torch.Tensor) -> torch.Tensor:
        """(row x width) what is added."""
        return _change(self.dictionary, self.feature, rows, lambda own: own * self.factor)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """The rows with the feature so many times as strong."""
        return rows + self.change(rows)


@dataclass(frozen=True, eq=False)
class AlongOther:
    """The control of an edit: at each row another feature's direction, as long as what the edit adds there, and added
    or taken away as the edit does with its own.
    """

    edit: ClampFeature | ScaleFeature
    other: int
    """The feature whose direction it is."""

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """The rows with as much of the other direction."""
        change = self.edit.change(rows)
        own, other = (self.edit.dictionary.directions[one].to(rows) for one in (self.edit.feature, self.other))
        length = torch.linalg.vector_norm(change, dim=-1) * torch.sign(change @ own)
        unit = other / torch.linalg.vector_norm(other).clamp(min=torch.finfo(other.dtype).tiny)
        changed: torch.Tensor = rows + length[:, None] * unit
        return changed


def feature_activations(dictionary: Dictionary, feature: int, rows: torch.Tensor) -> torch.Tensor:
    """(row) activations of one feature on (row x width) vectors, in memory of a few rows of all features."""
    parts = [part[:, feature] for _, part in dictionary.encode_chunks(rows)]
    return torch.cat(parts) if parts else torch.zeros(0, device=dictionary.device)


def _change(dictionary: Dictionary, feature: int, rows: torch.Tensor, new: NewActivation) -> torch.Tensor:
    """(row x width) what another activation of a feature adds."""
    found = torch.empty(len(rows), dictionary.width, device=dictionary.device)
    for held, activations in dictionary.encode_chunks(rows):
        own = activations[:, feature]
        if not dictionary.normalises:
            found[held] = (new(own) - own)[:, None] * dictionary.directions[feature]
            continue
        # What one unit of activation adds depends on the row.
        changed = activations.clone()
        changed[:, feature] = new(own)
        found[held] = dictionary.decode(changed, rows[held]) - dictionary.decode(activations, rows[held])
    return found.to(rows)
