"""Where in depth the representations of two sets of prompts part, beyond what a shuffled split would show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from reportgen.model.needs import Pass
from reportgen.probing.case import Case
from reportgen.probing.findings import PromptFindings, word_table
from reportgen.probing.options import ProbeOptions, TwoSets
from reportgen.probing.probe import Probe
from reportgen.probing.source import Source
from reportgen.results.quantities import Rows, array, metric
from reportgen.text.prompts import Prompt
from reportgen.training.places import find_places

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SURE = 0.05
"""p-value below which sets part by more than chance."""
FEWEST_SPLITS = 100
"""Ways to split all prompts into two sets of these sizes, below which no parting can be told from chance."""


class Options(TwoSets, ProbeOptions):
    """Which prompts against which. A prompt with a `word` is read there, else at its end."""

    accept_parts: bool = False
    """Whether a verdict is given even if a word is its own tokens in one prompt and part of a larger token, or only
    bytes, in another."""
    shuffles: Annotated[int, Field(ge=99, le=9999)] = 199
    """Random splits into two sets of the same sizes, which show what chance gives."""
    twin: bool = True
    """Whether the same prompts pass through the model's twin, which has random weights."""
    axis: Literal["relative", "absolute"] = "relative"
    """Layer axis of the curves: share of the depth, or the layer's number."""

    @model_validator(mode="after")
    def _check_counts(self) -> Options:
        if min(len(self.a), len(self.b)) < 2:
            raise ValueError("each set needs two prompts: what lies apart within it is what it is compared with")
        splits = comb(len(self.a) + len(self.b), len(self.a))
        if splits < FEWEST_SPLITS:
            raise ValueError(
                f"{len(self.a)} and {len(self.b)} prompts can be split in {splits} ways only: chance cannot be told "
                "from more. Name five prompts each, or more"
            )
        return self

    @property
    def prompts(self) -> list[Prompt]:
        """Those of both sets."""
        return [*self.a, *self.b]


@dataclass(frozen=True, kw_only=True)
class Contrast(PromptFindings):
    """What is found about two sets."""

    parting: float | str = metric("share", "none")
    """How far the sets part at the layer where they do most."""
    widest_layer: int | str = metric("layer")
    """The layer at which they part most; of several the first."""
    first_layer: int | str = metric("layer")
    """The first layer from which they part to the end by more than chance (p < 0.05, over all layers)."""
    chance: float | str = metric("p")
    """Share of splits, the true one counted, that part as far at any layer."""
    partings: NDArray[np.float64] = array("layer", unit="share")
    """(layer) 1 - (mean distance within a + mean distance within b) / (2 · mean distance between a and b), over pairs
    of different prompts: the energy distance of Székely and Rizzo (2004), unbiased, as a share of the distance
    between. 0 on average where both sets are drawn from the same, 1 where each is a single point."""
    partings_shuffled: NDArray[np.float64] = array("layer", unit="share")
    """(layer) what 95 % of random splits stay below at every layer: the same at all of them."""
    partings_random: NDArray[np.float64] | None = array("layer", unit="share", optional=True)
    """(layer) the same of the model's twin, which has random weights: what the words alone make part."""
    chances: NDArray[np.float64] = array("layer", unit="p")
    """(layer) share of splits, the true one counted, whose largest parting at any layer is at least that of this
    layer."""
    words: Rows = word_table()
    """The words that prompts name, the tokens that hold them, and whether they are the word and nothing else."""


class PromptContrast(Probe[Options, Contrast]):
    """Shows: from which layer on two sets of prompts look different to a model, and where they do most.

    Read: the sets part where their curve is above that of shuffled splits. Sets of other words part at layer 0
    already, and with random weights too: what training brought about is what goes beyond both. Read at a word that
    both sets share, layer 0 is equal, and what parts later is context alone.

    Computed: the residual stream at the last token of each prompt (or of its `word`); rows less their mean and scaled
    to length 1, Euclidean distances between them; how much larger they are between the sets than within. Random splits
    into sets of the same sizes show what chance gives; p-values are of the largest parting over all layers (Westfall
    and Young 1993), so that one layer of many does not stand out by chance.
    """

    name = "prompt_contrast"
    version = 2
    question = "Where do two sets of prompts part?"
    options = Options
    findings = Contrast
    sources = (
        Source(
            "szekely2004equal",
            ("Gábor J. Székely", "Maria L. Rizzo"),
            "Testing for Equal Distributions in High Dimension",
            2004,
            "InterStat",
            kind="article",
        ),
        Source(
            "westfall1993resampling",
            ("Peter H. Westfall", "S. Stanley Young"),
            "Resampling-Based Multiple Testing: Examples and Methods for p-Value Adjustment",
            1993,
            "Wiley",
        ),
    )

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """None at first: prompts pass pack by pack. What can be wrong is looked at here."""
        find_places(case, case.options.prompts)
        return ()

    def further_passes(self, case: Case[Options]) -> int:
        """Each prompt once, and once through the twin."""
        return len(case.options.prompts) * (2 if case.options.twin else 1)

    def wants_twin(self, case: Case[Options]) -> bool:
        """Where the battery does not switch it off."""
        return case.options.twin


probe = PromptContrast()
