"""When each model knows the right answer, whatever it says: rank and probability through the layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

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


MOST_DRAWN = 24
"""Prompts of which the grid shows what is said."""


class Options(ProbeOptions):
    """After which prompts, each with what is right."""

    prompts: Prompts
    """What the model reads. Each prompt has `answers`, what is right, and may have `not`, what is wrong, both as they
    would go on: with their leading space, where the text has none (" Paris"). Prompts of one `group` are counted
    together too."""
    axis: Literal["relative", "absolute"] = "relative"
    """Layer axis of the curves: share of the depth, or the layer's number."""

    @model_validator(mode="after")
    def _check_answers(self) -> Self:
        called = [prompt.called for prompt in self.prompts]
        if twice := [name for name in called if called.count(name) > 1]:
            raise ValueError(f"two prompts are called {twice[0]!r}: give each an `id` of its own")
        for at, prompt in enumerate(self.prompts):
            if not prompt.answers:
                raise ValueError(f"prompt {at} ({prompt.called!r}) has no `answers`: write what is right after it")
        return self


@dataclass(frozen=True, kw_only=True)
class RightAnswer(PromptFindings):
    """What is found about the right answers."""

    asked: int = metric("prompts")
    """Prompts that the model was asked: those whose answers it tells apart by their first token."""
    accuracy: float | str = metric(
        "share", "higher", of=mean_of_rows("answers", "is_right", called="asked"), of_asked=True
    )
    """Share of the prompts after which a right answer has rank 1 in the model's own distribution: its token is the most
    likely, or as likely as any other."""
    right_probability: float | str = metric(
        "probability", "higher", of=mean_of_rows("answers", "probability", called="asked"), of_asked=True
    )
    """Mean over prompts of the probability of the right answer after the last layer."""
    right_layer: int | str = metric("layer", of_asked=True)
    """Lower median, over prompts that are answered right, of the first layer from which the right answer leads to the
    end: at least half of them lead from there on."""
    rank: NDArray[np.float32] = array("prompt", "layer", unit="rank")
    """(prompt x layer) rank, from 1, of the best of the right answers' first tokens in the layer's distribution; NaN
    for a prompt whose answers this model cannot tell apart."""
    probability: NDArray[np.float32] = array("prompt", "layer", unit="probability")
    """(prompt x layer) probability of the right answer: the sum over its answers' distinct first tokens."""
    wrong_probability: NDArray[np.float32] = array("prompt", "layer", unit="probability")
    """(prompt x layer) the same of what is in `not`; NaN where nothing is."""
    right_share: NDArray[np.float32] = array("layer", unit="share")
    """(layer) share of the prompts of which a right answer leads the layer's distribution."""
    answers: Rows = table(
        "prompt",
        "asked",
        "right",
        "wrong",
        "rank",
        "probability",
        "layer",
        "depth",
        "says",
        "says_probability",
        "is_right",
    )
    """Each prompt: what it is called, the first tokens that count as right and as wrong, rank and probability of the
    right answer after the last layer, the first layer from which it leads to the end (empty if it does not) and that as
    a share of the depth; the model's own most likely token (of equally likely ones the right one), and whether the
    right answer leads."""
    groups: Rows | None = table("group", "asked", "right_count", "share", "low", "high", "probability", optional=True)
    """Where prompts have a `group`, for each: how many of its prompts the model was asked, and how many it answers
    right; that as a share, with its 95 % interval (empty if none was asked); and the mean probability of the right
    answer after the last layer."""
    skipped: Rows = table("text", "reason")
    """Prompts whose answers this model cannot tell apart by their first token."""


class RightAnswerProbe(Probe[Options, RightAnswer]):
    """Shows: from which layer on each model has the right answer, whatever it says in the end, over many prompts.

    Read: the first curves are the share of prompts of which a right answer leads the layer's distribution, with the
    95 % interval; the second ones its probability, on average. In the grid there is a row a prompt: what the model
    says, outlined where it is right, the stronger the more likely the right answer. Few prompts make wide intervals: a
    difference within them is none that was shown.

    Computed: the logit lens at the last position of each prompt, in float32. An answer of several tokens counts by
    its first, so answers are told apart only where their first tokens are: a model in which a right and a wrong
    answer begin with the same token is not asked that prompt. Of several answers the rank is the best of them, the
    probability the sum over their distinct first tokens. Intervals: of shares Wilson's, of means a bootstrap over
    prompts (2,000 resamples; percentiles from 20 prompts on, below BCa, below 5 none), which holds the true mean in
    about 82 % of cases with 5 prompts, 89 % with 10, 92 % with 20 and 94 % with 50. Two models are compared on the
    same prompts: mean difference, its interval, and the p-value of flipping signs.
    """

    name = "right_answer"
    version = 1
    question = "When does it know the right answer?"
    options = Options
    findings = RightAnswer
    sources = (literature.NOSTALGEBRAIST_2020,)
    drawn = ("prompts", MOST_DRAWN)
    beside = ("answers", ("says", "is_right", "rank", "probability", "layer"))

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once."""
        needs = needs_of(case)
        return [Pass(case.tokens(prompt), needs) for prompt in case.options.prompts]

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Prompts whose answers have no first token, or share it with a wrong one."""
        return reasons_against(case.tokenizer, case.options.prompts)


def needs_of(case: Case[Options]) -> tuple[Need, Need]:
    """What the lens reads after the prompt, and the model's own last row."""
    return Need(Site.RESIDUAL, "last", tuple(range(case.last_layer))), Need(Site.FINAL, "last")


probe = RightAnswerProbe()
