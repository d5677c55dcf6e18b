"""Which language the layers think in while the model translates (Wendler et al. 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportgen.model.needs import Need, Pass, Site, pack_passes
from reportgen.probes.latent_language.options import Options
from reportgen.probes.latent_language.senses import choose_senses
from reportgen.probing import literature
from reportgen.probing.case import Case
from reportgen.probing.findings import PromptFindings
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Rows, array, arrays, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class LatentLanguages(PromptFindings):
    """What latent language gives."""

    pivot_peak: float = metric("probability")
    """Largest mean probability of the pivot's words over the layers before the last."""
    pivot_peak_layer: int = metric("layer")
    """The layer where that is."""
    target_final: float = metric("probability")
    """Mean probability that the model itself gives to the right word in the target language."""
    probability: NDArray[np.float32] = array("item", "component", "layer", unit="probability")
    """(word x language x layer) sum of the lens probabilities of every token that is a prefix of the word in that
    language, with and without a leading space; for scripts other than Latin also of the bytes with which it begins."""
    mean: NDArray[np.float64] = array("component", "layer", unit="probability")
    """(language x layer) mean over words."""
    margin: NDArray[np.float64] = array("component", "layer", unit="probability")
    """(language x layer) half the width of the normal 95 % confidence interval of that mean."""
    entropy: NDArray[np.float32] = array("item", "layer", unit="nat")
    """(word x layer) -sum p ln p of the lens distribution."""
    mean_entropy: NDArray[np.float64] = array("layer", unit="nat")
    """(layer) mean over words."""
    entropy_margin: NDArray[np.float64] = array("layer", unit="nat")
    """(layer) half the width of the normal 95 % confidence interval of that mean."""
    items: Rows = table("item", "sense", "source", "target", "pivot")
    """The words that are measured."""
    languages: Rows = table("component", "language", "roles")
    """Which language each component is."""
    tokens: Rows = table("item", "component", "token_id", "token")
    """The tokens that count for a word in a language."""
    skipped: Rows = table("sense", "words", "tokens")
    """Words left out, with the tokens that the pivot's word shares with another language's, or what has no token."""
    example: Rows = table("sense", "layer", "rank", "token_id", "token", "probability")
    """The most likely tokens of every layer after one of the prompts."""
    shown: Rows = table("item", "sense", "source", "target", "pivot", "in_mean", "shared")
    """The words asked for by name, whether each is part of the mean, and the tokens that begin it both in the pivot
    language and in another: where there are any, it is not, and these tokens count for both languages."""
    shown_probability: list[NDArray[np.float32]] = arrays("component", "layer", unit="probability")
    """(language x layer) as `probability`, of one word asked for by name: one array per word; none unless asked for."""
    shown_tokens: Rows = table("item", "component", "token_id", "token")
    """The tokens that count for a word asked for by name in a language."""


class LatentLanguage(Probe[Options, LatentLanguages]):
    """Shows: which language a word appears in on its way through the layers, while the model translates it from one
    language into another.

    Read: one curve per language, layers from left to right: where the pivot language is above the target language, the
    layers hold the meaning in the pivot language first. The bands are 95 % confidence intervals of the mean over words.
    High entropy means that a layer's lens reads nothing yet. The table below is one of the prompts: outlined cells
    begin the word in the pivot language.

    Computed: prompts of a few translated words and a last one whose translation is left open. The probability of a
    language at a layer is the sum of the lens probabilities over all tokens that are prefixes of the word in it, with
    and without a leading space, and for scripts other than Latin of its first bytes, which many words share. Words are
    left out of the mean if the pivot language's tokens overlap with another's. Mean over words, ±1.96 standard errors.
    A word asked for by name is drawn alone in any case; tokens that it shares between languages count for each.
    """

    name = "latent_language"
    version = 1
    question = "Which language does it think in?"
    options = Options
    findings = LatentLanguages
    sources = (literature.WENDLER_2024,)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each word's prompt once, its last position."""
        needs = needs_of(case)
        chosen = choose_senses(case)
        alone = [Pass(case.tokens(word.prompt), needs) for word in chosen.alone]  # whose company would move the mean
        return [*pack_passes([Pass(case.tokens(word.prompt), needs) for word in chosen.words]), *alone]


def needs_of(case: Case[Options]) -> tuple[Need, Need]:
    """The stream at the last position, and what chooses the next token."""
    return Need(Site.RESIDUAL, "last", tuple(range(case.last_layer))), Need(Site.FINAL, "last")


probe = LatentLanguage()
