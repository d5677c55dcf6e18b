"""Where every head of every block looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from reportgen.model.needs import Need, Pass, Site
from reportgen.probes.attention_grid.reducers import Bins
from reportgen.probing.case import Case
from reportgen.probing.findings import HeadFindings, PromptFindings
from reportgen.probing.options import ProbeOptions, Prompts
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Rows, array, arrays, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


Head = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]


class Options(ProbeOptions):
    """Which prompts, and which heads are shown large."""

    prompts: Prompts
    """What the model reads."""
    heads: list[Head] = Field(default=[])
    """Heads shown large, each as [block, head], counted from 0."""


NEED = Need(Site.ATTENTION, "all", reducer=Bins())


@dataclass(frozen=True, kw_only=True)
class Attention(HeadFindings, PromptFindings):
    """What the attention grid gives."""

    sink_share: float = metric("share")
    """Share of heads whose sink importance exceeds 0.3, over all prompts."""
    mean_entropy: float = metric("nat")
    """Mean of `entropy` over all heads and prompts."""
    tokens: Rows = table("prompt", "position", "token")
    """The tokens that stand on both axes."""
    weights: list[NDArray[np.float32]] = arrays("block", "head", "query", "key", unit="weight")
    """(block x head x query x key) attention after the softmax; rows sum to 1, the future is exactly 0. Beyond 256
    tokens, 256 bins of both axes: keys of a bin summed, queries averaged."""
    sink: NDArray[np.float32] = array("prompt", "block", "head", unit="weight")
    """(prompt x block x head) importance of position 0: mean over all queries of the weight on it (Gu et al. 2024)."""
    entropy: NDArray[np.float32] = array("prompt", "block", "head", unit="nat")
    """(prompt x block x head) mean over queries of the entropy of their row."""


class AttentionGrid(Probe[Options, Attention]):
    """Shows: how much each token (row) attends to each token before it (column), in every head of every block.

    Read: one small square a head, blocks along one edge, heads along the other; what stands out is much weight. A first
    column that stands out is a head that parks its attention on the first token (a sink); a diagonal looks at the
    token itself, one below it at the token before. Named heads are shown large, with their tokens.

    Computed: the weights after the softmax, as the model computes them (eager attention); rows sum to 1 and nothing
    is attended ahead. Sink importance of a head: its mean weight on position 0 over all queries (Gu et al. 2024);
    above 0.3 the head is called a sink head.
    """

    name = "attention_grid"
    version = 1
    question = "Where do the heads look?"
    options = Options
    findings = Attention

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once, reduced while it passes."""
        case.require_attention()
        return [Pass(case.tokens(prompt), (NEED,)) for prompt in case.options.prompts]

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Named heads out of range."""
        return case.missing_heads(case.options.heads)


probe = AttentionGrid()
