"""What a narrow fine-tune leaves on texts that have nothing to do with it: the mean difference of two streams, read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from reportgen.model.needs import Need, Pass, Site
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import prompt_table
from reportgen.probing.options import PairOptions, Prompts
from reportgen.probing.pairs import require_same_reading
from reportgen.probing.probe import PairProbe
from reportgen.results.quantities import Findings, Rows, array, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEWEST = 6
"""Texts from which on halves of them can be drawn in 20 ways."""
DRAWS = 20
"""Random relabellings: an effect that is beyond all of them is one in twenty by chance."""


class Options(PairOptions):
    """Which two models, `other` being the tuned one, on which texts."""

    prompts: Prompts = Field(default="unrelated/texts", validate_default=True)
    """Texts that have nothing to do with what other was tuned for, at least 6; an even number of them makes the control
    exact."""
    positions: Annotated[int, Field(ge=1, le=32)] = 5
    """k: how many tokens at the beginning of each text are looked at; a BOS before them is none of them."""
    top_k: Annotated[int, Field(ge=1, le=50)] = 10
    """Tokens named, of each reading and of the logits that rise and fall."""


@dataclass(frozen=True, kw_only=True)
class ActivationDifference(Findings):
    """What base and other differ by at the first tokens of unrelated texts."""

    texts: int = metric("texts")
    """n: unrelated texts that the difference is a mean over."""
    strongest_layer: int | str = metric("layer")
    """The layer at which the mean difference is largest beside the stream's norm, on average over the positions."""
    strongest_norm: float = metric("share of the norm")
    """The mean difference at that layer, as a share of the norm of base's stream, mean over the positions."""
    times_relabelled: float | str = metric("times")
    """How many times the largest of 20 random relabellings that is at that layer."""
    norm: NDArray[np.float64] = array("layer", "position", unit="share of the norm")
    """(layer x position) ‖δ‖ / mean over texts of ‖h_base‖. Position 0 is the first token of the text: a BOS before it
    is not counted."""
    relabelled_norm: NDArray[np.float64] = array("layer", "position", unit="share of the norm")
    """(layer x position) the control: the largest of the same over 20 random relabellings, in each of which base and
    other change places in half of the texts."""
    top: Rows = table("layer", "position", "rank", "token_id", "token", "probability")
    """The likeliest tokens where δ alone is read by other's logit lens; nothing where δ is 0."""
    top_relabelled: Rows = table("draw", "layer", "position", "rank", "token_id", "token", "probability")
    """The control: the same of the mean difference of the first relabelling (draw 0), and of its mirror image (draw 1),
    in which the other half of the texts changes places: its difference is the opposite one."""
    gains: Rows = table("direction", "rank", "token_id", "token", "change")
    """The tokens whose logits rise most (`up`) and fall most (`down`): other's less base's, mean over texts and
    positions, less the mean change of all tokens, which no probability sees."""
    gains_relabelled: Rows = table("direction", "rank", "token_id", "token", "change")
    """The control: the same of the first relabelling."""
    prompts: Rows = prompt_table()
    """The texts as both models read them."""


class ActivationDifferenceProbe(PairProbe[Options, ActivationDifference]):
    """Shows: what a tuned model carries into texts that have nothing to do with its tuning: the mean difference of its
    stream from its base's at their first tokens, and the words that this difference alone points to.

    Read: the grid shows, layer by layer and token by token of a text's beginning, what the difference says where it is
    read as if it were the stream; a deeper colour is a larger difference. Words of one subject in many cells are what
    the tuning was about. The grid of the control looks alike where they are chance: there, base and other have
    changed places in half of the texts, so that all they share cancels. Only a difference well above the control's
    says something; what a difference of this model reads as, whichever way it points, are often rare fragments of
    words. The bars show the tokens that the tuned model holds for likelier, whatever the text.

    Computed: δ = mean over texts of h_other − h_base of the residual stream after each block at the k-th token of the
    text, in float64; a BOS is not counted (activation-difference lens, Minder et al. 2025, arXiv 2510.13900). Its norm
    is told beside the mean norm of base's stream at the same place. Read: other's final norm, with its learned scale
    (and its shift, where the architecture has one), is applied to δ as to a row of the stream, then other's
    unembedding, softcap and softmax, in float32; a norm that divides by the row's own size makes the length of δ play
    no part. Logits: each model's own, a token's change less the mean change of all tokens. Control: 20 relabellings by
    seed, in each of which base and other change places in a random half of the texts, rounded down; norms are the
    largest of the 20, tokens those of the first and of its mirror image.
    """

    name = "activation_difference"
    version = 1
    question = "What does the tuned model carry into unrelated texts?"
    options = Options
    findings = ActivationDifference

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each text once, its first tokens at every layer and as the unembedding reads them."""
        prompts = case.options.prompts
        if len(prompts) < FEWEST:
            raise Unusable(f"{len(prompts)} texts: a random half of them changes places, which needs at least {FEWEST}")
        return [Pass(case.tokens(prompt), needs_of(case, index)) for index, prompt in enumerate(prompts)]

    def comparable(self, base: Case[Options], other: Case[Options]) -> None:
        """Refuses models of other sizes, or that read the texts as other tokens."""
        require_same_reading(base, other, base.options.prompts)


def needs_of(case: Case[Options], prompt: int) -> tuple[Need, Need]:
    """The stream at every layer, and what the unembedding reads, at the first tokens of a text.

    Raises:
        Unusable: the text has fewer.
    """
    tokens, wanted = case.tokens(case.options.prompts[prompt]), case.options.positions
    special = case.tokenizer.special_ids
    first = next((at for at, token in enumerate(tokens) if token not in special), len(tokens))
    if len(tokens) - first < wanted:
        raise Unusable(f"text {prompt} has {len(tokens) - first} tokens, and {wanted} are looked at (`positions`)")
    places = tuple(range(first, first + wanted))
    return Need(Site.RESIDUAL, places), Need(Site.FINAL, places)


probe = ActivationDifferenceProbe()
