"""How alike is one word in different sentences, layer by layer (the "apple" curves)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from reportgen.model.needs import Need, Pass, Site
from reportgen.probing import literature
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import prompt_table, word_table
from reportgen.probing.options import ProbeOptions, Prompts, SpecialTokens
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Findings, Rows, array, metric, table
from reportgen.text.prompts import Prompt
from reportgen.text.words import WordNotFound, find_word

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


STREAM = Need(Site.RESIDUAL, "all")


class Options(ProbeOptions):
    """Which word, in which sentences, and what is taken out."""

    prompts: Prompts
    """Sentences that contain the word; `sense` tells same-sense pairs from others."""
    word: str | None = None
    """The word, unless a prompt names its own."""
    normalise: Literal["divide_mean", "subtract_baseline"] = "divide_mean"
    """`divide_mean`: divided by the mean cosine of all token pairs of the two sentences (the lecture's way);
    `subtract_baseline`: minus the mean cosine of random word occurrences, one per sentence (Ethayarajh 2019)."""
    baseline: Prompts | None = None
    """Sentences for the random occurrences; required by `subtract_baseline`."""
    accept_parts: bool = False
    """Whether a verdict is given even if a word is its own tokens in one sentence and part of a larger token, or only
    bytes, in another."""
    special_tokens: SpecialTokens = "exclude"
    """Whether BOS and the like count in the mean."""
    axis: Literal["relative", "absolute"] = "relative"
    """Layer axis of the figures: share of the depth, or the layer's number."""

    @model_validator(mode="after")
    def _check_complete(self) -> Options:
        if len(self.prompts) < 2:
            raise ValueError("two prompts are needed to make a pair")
        if self.word is None and any(prompt.word is None for prompt in self.prompts):
            raise ValueError("word is needed, here or in each prompt")
        if self.normalise == "subtract_baseline" and (self.baseline is None or len(self.baseline) < 2):
            raise ValueError("subtract_baseline needs baseline: at least two sentences")
        return self


@dataclass(frozen=True, kw_only=True)
class Similarity(Findings):
    """What word similarity gives."""

    last_similarity: float = metric("cosine")
    """Mean of `raw` over all pairs after the last layer."""
    raw: NDArray[np.float32] = array("pair", "layer", unit="cosine")
    """(pair x layer) cosine of the residual stream at the word's last sub-token in the two sentences."""
    normalised: NDArray[np.float32] = array("pair", "layer", unit="normalised cosine")
    """(pair x layer) raw divided by the mean cosine of all token pairs of the two sentences (`divide_mean`), or raw
    minus the mean cosine of random occurrences (`subtract_baseline`)."""
    pairs: Rows = table("pair", "prompt_a", "prompt_b", "same_sense")
    """Pairs in the order 0-1, 0-2, …, 1-2, …; same_sense is empty if the prompts do not say."""
    prompts: Rows = prompt_table()
    """The sentences as this model reads them."""
    words: Rows = word_table()
    """The word in each sentence, the tokens that hold it, and whether they are the word and nothing else."""


class WordSimilarity(Probe[Options, Similarity]):
    """Shows: how similar the model's representations of one word are in two sentences, after every layer.

    Read: layer 0 is the embedding, where the same token is the same vector (1). A curve that falls tells the
    sentences apart; where same-sense pairs (solid) stay above pairs of different senses (faint), the layer knows
    which sense is meant. The normalised curve takes out what all tokens of a layer have in common: above 1 is more
    alike than the average pair of tokens of the two sentences.

    Computed: the cosine of the residual stream at the last sub-token of the word, before the final norm, in float32.
    Normalised: divided by the mean cosine of every token of one sentence with every token of the other, without special
    tokens unless asked for; its layer 0 is large and is not drawn. The baseline of random occurrences: Ethayarajh
    (2019).
    """

    name = "word_similarity"
    version = 1
    question = "Is it the same word in another sentence?"
    options = Options
    findings = Similarity
    sources = (literature.ETHAYARAJH_2019,)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each sentence once, all positions."""
        for prompt in case.options.prompts:
            position_of(case, prompt)
        prompts = [*case.options.prompts, *(case.options.baseline or ())]
        return [Pass(case.tokens(prompt), (STREAM,)) for prompt in prompts]


def word_of(case: Case[Options], prompt: Prompt) -> str:
    """The word of a sentence."""
    return prompt.word or case.options.word or ""


def position_of(case: Case[Options], prompt: Prompt) -> int:
    """Where the word of a sentence is read."""
    try:
        return find_word(case.tokenizer, prompt, word_of(case, prompt)).position
    except WordNotFound as error:
        raise Unusable(str(error)) from error


probe = WordSimilarity()
