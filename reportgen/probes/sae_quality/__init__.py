"""How good sparse dictionaries are: how sparse, how faithful, and what the model loses where they take its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportgen.features.options import dictionaries_of
from reportgen.features.tables import DICTIONARIES
from reportgen.features.window_options import WindowOptions, windows_of
from reportgen.model.needs import Pass
from reportgen.probing import literature
from reportgen.probing.case import Case
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Findings, Rows, arrays, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from reportgen.model.sae.files import DictionaryFiles, Place


class Options(WindowOptions):
    """Which dictionaries, and the text."""


@dataclass(frozen=True, kw_only=True)
class Qualities(Findings):
    """What the dictionaries are worth."""

    tokens: int = metric("tokens")
    """Tokens of the text over which everything is taken, without BOS."""
    loss: float = metric("nat")
    """Mean −ln p of the next token in the unchanged model, at every token except BOS that has a next one in its
    window."""
    l0: float = metric("features")
    """Mean number of features above 0 per token; mean over the dictionaries."""
    fvu: float | str = metric("", "lower")
    """Fraction of variance unexplained, Σ|x − x̂|² / Σ|x − x̄|² with x̄ the mean of each dimension over the text; mean
    over the dictionaries for which it is defined."""
    loss_recovered: float | str = metric("share", "higher")
    """Mean over the dictionaries for which it is defined."""
    delta_loss: float = metric("nat", "lower")
    """Mean over the dictionaries."""
    dead_share: float = metric("share", "lower")
    """Share of features that fire on no token of the text; mean over the dictionaries."""
    dense_share: float = metric("share")
    """Share of features that fire on more than a tenth of the tokens; mean over the dictionaries."""
    dictionaries: Rows = table(*DICTIONARIES)
    """The dictionaries; `index` is a layer of the residual stream, or a block."""
    quality: Rows = table(
        "item", "l0", "fvu", "explained_variance", "cosine", "dead", "dense", "loss_spliced", "loss_zero", "delta_loss",
        "loss_recovered", "reason",
    )  # fmt: skip
    """For each dictionary: features per token; Σ|x − x̂|² / Σ|x − x̄|², and 1 − this; mean cosine of x and x̂; shares
    of features that fire on no token, and on more than a tenth; the loss with its reconstruction and with zeros in the
    place of what it reads, at every token except BOS; what the splice costs; (zeros − splice) / (zeros − clean), and,
    if that is undefined, why."""
    stated: Rows = table("item", "number", "stated", "measured", "agrees")
    """What the files state next to what was measured; they agree if shares differ by 0.05 at most and others by a
    quarter. The text is a different one."""
    density: list[NDArray[np.float64]] = arrays("feature", unit="share")
    """(feature) for each dictionary: share of the tokens on which each feature is above 0."""
    notes: Rows = table("kind", "name", "value")
    """What to know about the dictionaries."""
    text: Rows = table("windows", "tokens", "predictions")
    """Windows of the text, tokens that are encoded, and tokens that are predicted."""


class SaeQuality(Probe[Options, Qualities]):
    """Shows: how sparse the dictionaries are, how much of what they read they reconstruct, and what the model loses if
    their reconstruction takes its place.

    Read: few features per token at a high loss recovered is what a dictionary is for; each is easy without the other. A
    low FVU alone does not help: what is small in the stream may be what the model relies on, and a few tokens with
    enormous vectors may hold much of the variance, so FVU varies with the text. Loss recovered is a share of what zeros
    cost, which is so much that 0.9 may still be a whole nat: look at delta loss too. Dead features fire on no token of
    this text, which is more likely in a short text; dense ones on more than a tenth. What a file states was measured on
    another text.

    Computed: activations f = encode(x) and x̂ = decode(f) in float32. FVU = Σ|x − x̂|² / Σ|x − x̄|², both sums over all
    tokens first, so that predicting the mean of each dimension scores 1; explained variance = 1 − FVU. CE is the mean
    −ln p of the next token, with x unchanged, replaced by x̂, or by zeros, at every position except BOS; CE is of what
    these positions predict. Delta loss = CE(spliced) − CE(clean), loss recovered = (CE(zeros) − CE(spliced)) /
    (CE(zeros) − CE(clean)); undefined if zeros cost less than 0.01 nat. Rajamanoharan et al. 2024, "Jumping Ahead";
    Lieberum et al. 2024, "Gemma Scope".
    """

    name = "sae_quality"
    version = 1
    question = "How good are the dictionaries?"
    options = Options
    findings = Qualities
    sources = (literature.RAJAMANOHARAN_2024, literature.LIEBERUM_2024)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """None at first: windows pass one after another. Everything that can be wrong is looked at here."""
        dictionaries_of(case)
        windows_of(case)
        return ()

    def further_passes(self, case: Case[Options]) -> int:
        """A window as it is, with zeros at each place, and with each dictionary."""
        files = dictionaries_of(case).files
        return len(windows_of(case)) * (1 + len(places_of(files)) + len(files))


def places_of(files: Sequence[DictionaryFiles]) -> list[Place]:
    """Each place once."""
    return list(dict.fromkeys(one.place for one in files))


probe = SaeQuality()
