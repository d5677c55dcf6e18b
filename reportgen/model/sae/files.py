"""What is known of a dictionary before its weights are read: where it stands in the model, its sizes and its rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from reportgen.errors import ModelError
from reportgen.model.needs import Site

Form = Literal["Gemma Scope", "Gemma Scope 2", "SAELens", "Llama Scope"]
Activation = Literal["relu", "jumprelu", "topk", "gated"]
Normalise = Literal["none", "constant norm", "layer norm"]


class DictionaryError(ModelError):
    """A dictionary is missing, damaged, of an unsupported kind, or does not fit the model."""


@dataclass(frozen=True)
class Place:
    """What of a model a dictionary reads, and writes again."""

    site: Site
    """RESIDUAL, ATTENTION_WRITE, MLP_WRITE or HEADS."""
    index: int
    """A layer (RESIDUAL) or a block (all other sites)."""

    def __str__(self) -> str:
        return f"{'layer' if self.site is Site.RESIDUAL else 'block'} {self.index}, {self.site.value}"


@dataclass(frozen=True)
class Note:
    """Something that a reader of the numbers should know; `notes.tell_note` says it."""

    kind: str
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Layout:
    """How a dictionary computes, and what its file calls the parts."""

    activation: Activation
    width: int
    """Numbers that it reads and writes."""
    features: int
    tensors: Mapping[str, str]
    """Part (encoder, encoder_bias, decoder, …) -> the tensor's name in the file."""
    transposed: bool = False
    """Whether the encoder is stored (feature x width) and the decoder (width x feature)."""
    k: int | None = None
    """Features that fire at most, of topk."""
    threshold: float | None = None
    """One for all features, where the file holds no tensor of them."""
    normalise: Normalise = "none"
    """What is done to each row before, and undone after."""
    subtract_decoder_bias: bool = False
    """Whether the encoder reads the row less the decoder's bias."""
    rescale_by_decoder_norm: bool = False
    """Whether activations are measured as if the decoder's rows had unit norm."""
    unit_decoder: bool = False
    """Whether the decoder's rows are told to have unit norm: refused where they don't."""
    scale: float = 1.0
    """What rows are multiplied by before they are encoded; undone after. Folded into the weights."""


@dataclass(frozen=True)
class Card:
    """What a dictionary's files tell of it."""

    model: str
    """The model it was trained on, as the file writes it; empty where it doesn't."""
    hook: str
    """The place, as the file writes it."""
    architecture: str
    """As the file writes it."""
    stored_dtype: str
    l0: float | None = None
    """Mean number of active features a token, as stated."""
    context_size: int | None = None
    prepend_bos: bool | None = None
    neuronpedia: str | None = None
    """Id of its pages there, such as gemma-2-2b/12-gemmascope-res-16k."""
    revision: str | None = None
    """The commit that a hub id was resolved to."""
    notes: tuple[Note, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """The file's own further notes."""


@dataclass(frozen=True)
class DictionaryFiles:
    """A dictionary on disk whose configuration and header were found to be whole and supported."""

    folder: Path
    weights: Path
    config: Path | None
    form: Form
    place: Place
    layout: Layout
    card: Card
    name: str
    """Its folder's path below what was named as the source."""

    @property
    def width(self) -> int:
        """Numbers that it reads and writes."""
        return self.layout.width

    @property
    def features(self) -> int:
        """Rows of its decoder."""
        return self.layout.features
