"""What a model would write next, and what temperature and cuts make of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from reportgen.model.needs import Need, Pass, Site
from reportgen.probing import literature
from reportgen.probing.case import Case
from reportgen.probing.findings import PromptFindings
from reportgen.probing.options import ProbeOptions, Prompts
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Rows, array, mean_of_rows, metric, table
from reportgen.text.contrasts import reasons_against

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


MOST_DRAWN = 6
"""Prompts that are drawn."""
FINAL_NEED = Need(Site.FINAL, "last")


class Options(ProbeOptions):
    """After which prompts, at which temperatures, with which cuts."""

    prompts: Prompts
    """What the model reads. Where prompts have `answers` (what is right, as it would go on: " Paris"), it is told where
    the right answer stands, whatever the model says; `not` is what is wrong."""
    temperatures: Annotated[list[Annotated[float, Field(ge=0.01, le=100, strict=False)]], Field(min_length=1)] = Field(
        default=[0.5, 1.0, 2.0]
    )
    """Temperatures from 0.01 to 100; 1, the model's own, is always among them."""
    top_k: Annotated[int, Field(ge=1)] | None = 40
    """Number of most likely tokens that the first cut keeps. `null` leaves the cut out."""
    top_p: Annotated[float, Field(gt=0, le=1, strict=False)] | None = 0.9
    """Probability that the second cut keeps: the smallest set of most likely tokens with at least this total. `null`
    leaves it out."""
    maps: Annotated[list[Literal["softmax", "argmax", "sparsemax"]], Field(min_length=1)] = Field(default=["softmax"])
    """What makes probabilities of the model's own logits: softmax, which is no part of the model and is always there;
    `argmax`, all of it to the largest; `sparsemax`, the nearest distribution to the logits, in which most are 0."""
    k: Annotated[int, Field(ge=1, le=100)] = 10
    """Tokens named per distribution."""


@dataclass(frozen=True, kw_only=True)
class NextToken(PromptFindings):
    """What next token gives."""

    own_entropy: float = metric("nat", of=mean_of_rows("settings", "entropy", temperature=1.0, cut="none"))
    """Mean over prompts of the entropy of the model's own distribution (temperature 1, no cut)."""
    top_probability: float = metric(
        "probability", of=mean_of_rows("top", "probability", temperature=1.0, cut="none", rank=1)
    )
    """Mean over prompts of the probability of its most likely token."""
    nucleus: float | str = metric("tokens", of=mean_of_rows("settings", "kept", temperature=1.0, cut="top_p"))
    """Mean over prompts of the number of tokens that `top_p` keeps of the model's own distribution."""
    accuracy: float | str | None = metric("share", "higher", optional=True, of_asked=True)
    """Share, of the prompts with `answers`, after which a right answer has rank 1 in the model's own distribution: its
    token is the most likely, or as likely as any other."""
    right_probability: float | str | None = metric("probability", "higher", optional=True, of_asked=True)
    """Mean over the prompts with `answers` of the probability of the right answer in that distribution."""
    entropy: NDArray[np.float64] = array("prompt", "item", unit="nat")
    """(prompt x item) -sum p ln p at each temperature, without a cut; `temperatures` says which item is which."""
    settings: Rows = table("prompt", "temperature", "cut", "kept", "mass", "entropy")
    """Every distribution: tokens kept, the probability that they had before the cut, and the entropy of what is left,
    in nats. First the temperatures, then each cut after each of them."""
    top: Rows = table("prompt", "temperature", "cut", "rank", "token_id", "token", "logit", "probability")
    """The k most likely tokens of every distribution: the model's own logit (softcap and output scaling included), and
    the probability softmax(logit / temperature), over what the cut keeps."""
    maps: Rows = table("prompt", "map", "kept", "entropy")
    """What other maps than softmax make of the model's own logits: tokens with more than 0, and the entropy in nats;
    none unless asked for."""
    mapped: Rows = table("prompt", "map", "rank", "token_id", "token", "logit", "probability")
    """The k most likely tokens of those distributions that have more than 0."""
    temperatures: Rows = table("item", "temperature")
    """The temperatures, ascending."""
    answers: Rows | None = table("prompt", "right", "wrong", "rank", "probability", "wrong_probability", optional=True)
    """Where the right answer stands in the model's own distribution after each prompt that has `answers`: the first
    tokens that count as right and as wrong; the rank, from 1, of the best of the right ones; the probability of the
    right ones together, and of the wrong ones, empty if there are none."""
    skipped: Rows | None = table("text", "reason", optional=True)
    """Prompts whose answers this model cannot tell apart by their first token."""


class NextTokenProbe(Probe[Options, NextToken]):
    """Shows: what the model would write next, as logits and as probabilities, and what a sampler's temperature and cuts
    make of them.

    Read: one panel per distribution, all on one scale and with their tokens in one order: a low temperature leaves
    almost only the most likely token, a high one makes all equally likely, and neither changes the order. A cut keeps
    the head and gives it the mass of the tail. The second figure has logits across and probabilities upwards, one dot
    per token: a step of one logit is a factor of e at temperature 1, of e² at 0.5, so what is close together in logits
    is far apart in probability.

    Computed: the model's own logits at the last position, in its own dtype, read as float32; softmax(logits /
    temperature). top_k keeps the k most likely tokens (Fan et al. 2018), top_p the smallest set of most likely tokens
    whose probabilities sum to at least p (Holtzman et al. 2020), each after the temperature, renormalised. Entropy in
    nats. Sparsemax (Martins & Astudillo 2016): max(logit − τ, 0) with τ such that it sums to 1. A right answer of
    several tokens counts by its first; of several, the rank is the best and the probability the sum.
    """

    name = "next_token"
    version = 1
    question = "What comes next, and how is it sampled?"
    reads_answers = True
    options = Options
    findings = NextToken
    sources = (literature.FAN_2018, literature.HOLTZMAN_2020, literature.MARTINS_2016)
    drawn = ("prompts", MOST_DRAWN)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once, its last position."""
        return [Pass(case.tokens(prompt), (FINAL_NEED,)) for prompt in case.options.prompts]

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Prompts whose answers have no first token, or share it with a wrong one."""
        return reasons_against(case.tokenizer, case.options.prompts)


probe = NextTokenProbe()
