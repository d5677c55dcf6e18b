"""How much of what a block hands on is what came in, and how much its attention and its MLP added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from reportgen.model.needs import Need, Pass, Site
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import PromptFindings, word_table
from reportgen.probing.options import ProbeOptions, Prompts
from reportgen.probing.probe import Probe
from reportgen.probing.word_places import find_words
from reportgen.results.quantities import Rows, array, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STREAM, ATTENTION, MLP = Need(Site.RESIDUAL), Need(Site.ATTENTION_WRITE), Need(Site.MLP_WRITE)


class Options(ProbeOptions):
    """Which prompts, and which of their words on their own."""

    prompts: Prompts
    """What the model reads."""
    words: list[Annotated[str, Field(min_length=1)]] = Field(default=[], max_length=8)
    """Words that are also shown alone, in every prompt that contains them: at the last token of the first occurrence,
    or of that which the prompt's `index` names."""


@dataclass(frozen=True, kw_only=True)
class Shares(PromptFindings):
    """What is found of each block; item 0 is the mean over the tokens of all prompts, position 0 left out."""

    kept: float = metric("share")
    """Mean over the blocks of `share_kept`, of all tokens but those at position 0."""
    attention: float = metric("share")
    """The same of `share_attention`."""
    mlp: float = metric("share")
    """The same of `share_mlp`."""
    gap: float = metric("", "lower")
    """Largest length of what is left of a block's output once the stream that came in and both additions are
    subtracted, as a share of the output's length: rounding alone."""
    share_kept: NDArray[np.float32] = array("item", "block", unit="share")
    """(item x block) share of a block's output that is the stream that came in: x·y / y·y, where y is the output. The
    three shares of a block add up to 1; one below 0 is of a part that works against the others."""
    share_attention: NDArray[np.float32] = array("item", "block", unit="share")
    """(item x block) share that attention added: a·y / y·y."""
    share_mlp: NDArray[np.float32] = array("item", "block", unit="share")
    """(item x block) share that the MLP added: m·y / y·y."""
    norm_in: NDArray[np.float32] = array("item", "block", unit="norm")
    """(item x block) length of the stream that came in."""
    norm_attention: NDArray[np.float32] = array("item", "block", unit="norm")
    """(item x block) length of what attention adds, after a norm that follows it."""
    norm_mlp: NDArray[np.float32] = array("item", "block", unit="norm")
    """(item x block) length of what the MLP adds, after a norm that follows it."""
    cosine_attention: NDArray[np.float32] = array("item", "block", unit="cosine")
    """(item x block) cosine of what attention adds with the stream that came in."""
    cosine_mlp: NDArray[np.float32] = array("item", "block", unit="cosine")
    """(item x block) cosine of what the MLP adds with the stream that came in."""
    cosine_through: NDArray[np.float32] = array("item", "block", unit="cosine")
    """(item x block) cosine of the stream that came in with the block's output."""
    cosine_embedding: NDArray[np.float32] = array("item", "layer", unit="cosine")
    """(item x layer) cosine of the stream after each layer with the embedding that it began as."""
    items: Rows = table("item", "word", "prompt", "position", "token", "tokens")
    """What each item is: item 0 all tokens, with their number; the others a word in a prompt."""
    words: Rows = word_table()
    """The words, the tokens that hold them, and whether they are the word and nothing else."""
    skipped: Rows = table("text", "reason")
    """Words asked for that no prompt contains."""


class ResidualShares(Probe[Options, Shares]):
    """Shows: how much of what each block hands on is simply what came in, and how much its attention and its MLP added.

    Read: a block adds to a stream that passes by it (the residual connection). Where the line of what came in is near
    1, a block changes little and the token is remembered as it was; where it drops, most of the output is new. A share
    below 0 is of a part that points against the output: what it adds is made up for by the others.

    Computed: for a token and a block, output y = x + a + m: the stream that came in, attention's addition and the
    MLP's, after norms that follow them and with the model's own factors, as they are really added. The share of a part
    p is p·y / y·y, its projection on the output over the output's length, so that the three add up to 1. Lengths
    (norms) and cosines are of the same vectors, in float32. Means over the tokens of all prompts; position 0 is left
    out, as its stream is often hundreds of times longer than all others.
    """

    name = "residual_shares"
    version = 1
    question = "How much of a block's output is old, how much new?"
    options = Options
    findings = Shares

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once: the stream, and what both parts of every block write."""
        texts = [case.tokens(prompt) for prompt in case.options.prompts]
        if max(map(len, texts)) < 2:
            raise Unusable("no prompt has a token besides its first, which is left out")
        return [Pass(tokens, (STREAM, ATTENTION, MLP)) for tokens in texts]

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Words that no prompt contains."""
        return find_words(case).missing


probe = ResidualShares()
